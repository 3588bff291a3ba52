"""Stand-ins of causal language models."""

from __future__ import annotations

from typing import Any

from greenlight.rehearse.standins.models import chat, tokenizer_kinds
from greenlight.rehearse.standins.models.architecture import Architecture, TokenizerKind

_END_OF_TEXT = "<|endoftext|>"


def _gated(
    name: str,
    model_class: str,
    tokenizer: TokenizerKind,
    *,
    tied: bool,
    dtype: str,
    length: int,
    ends: dict[str, Any],
    padded: bool = False,
    generation: dict[str, Any] | None = None,
    **more: Any,
) -> Architecture:
    """Return a decoder with rotary positions and a gated MLP: Llama and what came after it."""
    config: dict[str, Any] = {
        "architectures": [model_class],
        "model_type": name,
        "attention_dropout": 0.0,
        "hidden_act": "silu",
        "hidden_size": 64,
        "initializer_range": 0.02,
        "intermediate_size": 128,
        "max_position_embeddings": length,
        "num_attention_heads": 4,
        "num_hidden_layers": 2,
        "num_key_value_heads": 2,
        "rms_norm_eps": 1e-6,
        "rope_theta": 10000.0,
        "tie_word_embeddings": tied,
        "torch_dtype": dtype,
        "use_cache": True,
        **ends,
        **more,
    }
    return Architecture(name, model_class, "causal", config, tokenizer, padded, {**ends, **(generation or {})})


def qwen3(*, base: bool, tied: bool) -> Architecture:
    """Return Qwen3, tied up to 4B."""
    ends = {"bos_token_id": _END_OF_TEXT, "eos_token_id": _END_OF_TEXT if base else "<|im_end|>"}
    chats: dict[str, Any] = {
        "do_sample": True,
        "eos_token_id": ["<|im_end|>", _END_OF_TEXT],
        "pad_token_id": _END_OF_TEXT,
        "temperature": 0.6,
        "top_k": 20,
        "top_p": 0.95,
    }
    return _gated(
        "qwen3", "Qwen3ForCausalLM", tokenizer_kinds.qwen(instruct=not base, thinking=True),
        tied=tied, dtype="bfloat16", length=32768 if base else 40960, ends=ends, padded=True,
        generation={"max_new_tokens": 2048} if base else chats,
        head_dim=32, attention_bias=False, rope_theta=1000000, sliding_window=None, use_sliding_window=False,
    )  # fmt: skip


def qwen2(*, base: bool, tied: bool) -> Architecture:
    """Return Qwen 1.5 to 2.5: biases in the attention."""
    ends = {"bos_token_id": _END_OF_TEXT, "eos_token_id": _END_OF_TEXT if base else "<|im_end|>"}
    chats: dict[str, Any] = {
        "do_sample": True,
        "eos_token_id": ["<|im_end|>", _END_OF_TEXT],
        "pad_token_id": _END_OF_TEXT,
        "repetition_penalty": 1.1,
        "temperature": 0.7,
        "top_k": 20,
        "top_p": 0.8,
    }
    return _gated(
        "qwen2", "Qwen2ForCausalLM", tokenizer_kinds.qwen(instruct=not base, thinking=False),
        tied=tied, dtype="bfloat16", length=32768, ends=ends, padded=True,
        generation={"max_new_tokens": 2048} if base else chats,
        rope_theta=1000000.0, sliding_window=None, use_sliding_window=False,
    )  # fmt: skip


def llama2(*, chats: bool = False, zephyr: bool = False) -> Architecture:
    """Return Llama 1 and 2 and TinyLlama: no padding token, untied."""
    template = chat.ZEPHYR if zephyr else chat.INSTRUCTION if chats else None
    return _gated(
        "llama", "LlamaForCausalLM",
        tokenizer_kinds.llama2(template=template, pad="</s>" if zephyr else None, padding_side="right"),
        tied=False, dtype="bfloat16" if zephyr else "float16", length=2048 if zephyr else 4096,
        ends={"bos_token_id": "<s>", "eos_token_id": "</s>"},
        num_key_value_heads=2 if zephyr else 4, rms_norm_eps=1e-5, attention_bias=False, pretraining_tp=1,
    )  # fmt: skip


def llama3(*, instruct: bool, tied: bool, scaled: bool) -> Architecture:
    """Return Llama 3 to 3.3; 3.1 and later scale their rotary positions."""
    ends: dict[str, Any] = {
        "bos_token_id": "<|begin_of_text|>",
        "eos_token_id": ["<|end_of_text|>", "<|eom_id|>", "<|eot_id|>"] if instruct else "<|end_of_text|>",
    }
    scaling: dict[str, Any] = {
        "factor": 8.0,
        "high_freq_factor": 4.0,
        "low_freq_factor": 1.0,
        "original_max_position_embeddings": 8192,
        "rope_type": "llama3",
    }
    more: dict[str, Any] = {"rope_scaling": scaling} if scaled else {}
    return _gated(
        "llama", "LlamaForCausalLM", tokenizer_kinds.llama3(instruct=instruct),
        tied=tied, dtype="bfloat16", length=131072 if scaled else 8192, ends=ends,
        generation={"do_sample": True, "temperature": 0.6, "top_p": 0.9},
        rms_norm_eps=1e-5, rope_theta=500000.0, attention_bias=False, mlp_bias=False,
        **more,
    )  # fmt: skip


def smollm(*, instruct: bool) -> Architecture:
    """Return SmolLM 1 and 2: Llama's layers, GPT-2's kind of tokenizer, tied."""
    ends = {"bos_token_id": "<|im_start|>", "eos_token_id": "<|im_end|>", "pad_token_id": "<|im_end|>"}
    ends = ends if instruct else {"bos_token_id": _END_OF_TEXT, "eos_token_id": _END_OF_TEXT}
    return _gated(
        "llama", "LlamaForCausalLM", tokenizer_kinds.smollm(instruct=instruct),
        tied=True, dtype="bfloat16", length=8192, ends=ends, rope_theta=100000.0, rms_norm_eps=1e-5,
    )  # fmt: skip


def mistral(*, instruct: bool) -> Architecture:
    """Return Mistral 7B: a sliding window, no padding token."""
    return _gated(
        "mistral", "MistralForCausalLM", tokenizer_kinds.llama2(template=chat.MISTRAL if instruct else None),
        tied=False, dtype="bfloat16", length=32768, ends={"bos_token_id": "<s>", "eos_token_id": "</s>"},
        rms_norm_eps=1e-5, sliding_window=None if instruct else 4096,
    )  # fmt: skip


def gemma(version: int, *, instruct: bool) -> Architecture:
    """Return Gemma 1, 2 or 3 (text only): tied, scaled embeddings, GELU."""
    name, model_class = {
        1: ("gemma", "GemmaForCausalLM"),
        2: ("gemma2", "Gemma2ForCausalLM"),
        3: ("gemma3_text", "Gemma3ForCausalLM"),
    }[version]
    more: dict[str, Any] = {"hidden_activation": "gelu_pytorch_tanh", "hidden_act": "gelu_pytorch_tanh"}
    if version == 2:
        more |= {"attn_logit_softcapping": 50.0, "final_logit_softcapping": 30.0}
    if version > 1:
        layers = ["sliding_attention", "full_attention"]
        more |= {"query_pre_attn_scalar": 32, "sliding_window": 512 if version == 3 else 4096, "layer_types": layers}
    ends: dict[str, Any] = {"bos_token_id": "<bos>", "eos_token_id": "<eos>", "pad_token_id": "<pad>"}
    if instruct and version == 3:
        ends["eos_token_id"] = ["<eos>", "<end_of_turn>"]
    return _gated(
        name, model_class, tokenizer_kinds.gemma(instruct=instruct),
        tied=True, dtype="bfloat16", length=32768 if version == 3 else 8192, ends=ends, head_dim=32, **more,
    )  # fmt: skip


def gpt2() -> Architecture:
    """Return GPT-2: learned positions, 1024 of them, as in the real one; ``Conv1D`` in place of linear layers."""
    ends = {"bos_token_id": _END_OF_TEXT, "eos_token_id": _END_OF_TEXT}
    config: dict[str, Any] = {
        "architectures": ["GPT2LMHeadModel"],
        "model_type": "gpt2",
        "activation_function": "gelu_new",
        "attn_pdrop": 0.1,
        "embd_pdrop": 0.1,
        "initializer_range": 0.02,
        "layer_norm_epsilon": 1e-5,
        "n_ctx": 1024,
        "n_embd": 64,
        "n_head": 4,
        "n_layer": 2,
        "n_positions": 1024,
        "resid_pdrop": 0.1,
        **ends,
    }
    return Architecture(
        "gpt2",
        "GPT2LMHeadModel",
        "causal",
        config,
        tokenizer_kinds.gpt2(),
        generation=ends,
    )


def neox() -> Architecture:
    """Return GPT-NeoX and Pythia: one matrix for query, key and value, rotary positions on a quarter."""
    ends = {"bos_token_id": _END_OF_TEXT, "eos_token_id": _END_OF_TEXT}
    config: dict[str, Any] = {
        "architectures": ["GPTNeoXForCausalLM"],
        "model_type": "gpt_neox",
        "hidden_act": "gelu",
        "hidden_size": 64,
        "initializer_range": 0.02,
        "intermediate_size": 256,
        "layer_norm_eps": 1e-5,
        "max_position_embeddings": 2048,
        "num_attention_heads": 4,
        "num_hidden_layers": 2,
        "rotary_emb_base": 10000,
        "rotary_pct": 0.25,
        "tie_word_embeddings": False,
        "torch_dtype": "float16",
        "use_cache": True,
        "use_parallel_residual": True,
        **ends,
    }
    return Architecture(
        "gpt_neox", "GPTNeoXForCausalLM", "causal", config, tokenizer_kinds.neox(), padded_vocabulary=True
    )


def opt(*, projected: bool = False) -> Architecture:
    """Return OPT: learned positions, ReLU; the 350M model alone projects its embeddings."""
    ends = {"bos_token_id": "</s>", "eos_token_id": "</s>", "pad_token_id": "<pad>"}
    config: dict[str, Any] = {
        "architectures": ["OPTForCausalLM"],
        "model_type": "opt",
        "activation_function": "relu",
        "attention_dropout": 0.0,
        "do_layer_norm_before": not projected,
        "dropout": 0.1,
        "ffn_dim": 256,
        "hidden_size": 64,
        "init_std": 0.02,
        "layerdrop": 0.0,
        "max_position_embeddings": 2048,
        "num_attention_heads": 4,
        "num_hidden_layers": 2,
        "torch_dtype": "float16",
        "use_cache": True,
        "word_embed_proj_dim": 32 if projected else 64,
        **ends,
    }
    return Architecture(
        "opt",
        "OPTForCausalLM",
        "causal",
        config,
        tokenizer_kinds.opt(),
        padded_vocabulary=True,
        generation=ends,
    )


def phi() -> Architecture:
    """Return Phi 1, 1.5 and 2: attention and MLP side by side, biases everywhere."""
    ends = {"bos_token_id": _END_OF_TEXT, "eos_token_id": _END_OF_TEXT}
    config: dict[str, Any] = {
        "architectures": ["PhiForCausalLM"],
        "model_type": "phi",
        "attention_dropout": 0.0,
        "embd_pdrop": 0.0,
        "hidden_act": "gelu_new",
        "hidden_size": 64,
        "initializer_range": 0.02,
        "intermediate_size": 256,
        "layer_norm_eps": 1e-5,
        "max_position_embeddings": 2048,
        "num_attention_heads": 4,
        "num_hidden_layers": 2,
        "partial_rotary_factor": 0.5,
        "resid_pdrop": 0.1,
        "rope_theta": 10000.0,
        "tie_word_embeddings": False,
        "torch_dtype": "float16",
        "use_cache": True,
        **ends,
    }
    return Architecture(
        "phi",
        "PhiForCausalLM",
        "causal",
        config,
        tokenizer_kinds.codegen(),
        padded_vocabulary=True,
        generation=ends,
    )


def phi3() -> Architecture:
    """Return Phi-3 mini: one matrix for query, key and value and one for gate and up."""
    ends: dict[str, Any] = {"bos_token_id": "<s>", "eos_token_id": _END_OF_TEXT, "pad_token_id": _END_OF_TEXT}
    return _gated(
        "phi3", "Phi3ForCausalLM", tokenizer_kinds.phi3(), tied=False, dtype="bfloat16", length=4096, ends=ends,
        padded=True, generation={"eos_token_id": [_END_OF_TEXT, "<|assistant|>", "<|end|>"]},
        num_key_value_heads=4, original_max_position_embeddings=4096, rope_scaling=None, sliding_window=2047,
        embd_pdrop=0.0, resid_pdrop=0.0, rms_norm_eps=1e-5,
    )  # fmt: skip
