"""The tokenizers of the known architectures: added tokens, their names and what is put around a text."""

from __future__ import annotations

from typing import Any

from greenlight.rehearse.standins.models import chat
from greenlight.rehearse.standins.models.architecture import TokenizerKind

_UNLIMITED = 1000000000000000019884624838656  # what a tokenizer without a limit says
_END_OF_TEXT = "<|endoftext|>"
_WORDS = r"[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,%d}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"


def _byte_pairs(name: str, *, length: int, pad: str | None = None, **more: Any) -> dict[str, Any]:
    return {
        "tokenizer_class": name,
        "bos_token": _END_OF_TEXT,
        "eos_token": _END_OF_TEXT,
        "unk_token": _END_OF_TEXT,
        **({"pad_token": pad} if pad else {}),
        "add_prefix_space": False,
        "clean_up_tokenization_spaces": False,
        "model_max_length": length,
        **more,
    }


def qwen(*, instruct: bool, thinking: bool) -> TokenizerKind:
    """Return the tokenizer of Qwen 1.5 to 3: the end of a chat message ends an instruction model's answer."""
    thoughts = ("<think>", "</think>") if thinking else ()
    return TokenizerKind(
        "byte-pairs",
        _byte_pairs(
            "Qwen2Tokenizer",
            length=131072,
            pad=_END_OF_TEXT,
            bos_token=None,
            unk_token=None,
            eos_token="<|im_end|>" if instruct else _END_OF_TEXT,
            errors="replace",
            split_special_tokens=False,
            chat_template=chat.QWEN3 if thinking else chat.QWEN2,
        ),
        last=(_END_OF_TEXT, "<|im_start|>", "<|im_end|>", *thoughts),
        plain=thoughts,
        pattern=_WORDS % 1,
    )


def llama2(*, template: str | None = None, pad: str | None = None, **more: Any) -> TokenizerKind:
    """Return the tokenizer of Llama 1 and 2, TinyLlama and Mistral: no padding token unless one is named."""
    return TokenizerKind(
        "sentence-pairs",
        {
            "tokenizer_class": "LlamaTokenizer",
            "add_bos_token": True,
            "add_eos_token": False,
            "bos_token": "<s>",
            "eos_token": "</s>",
            "unk_token": "<unk>",
            "pad_token": pad,
            "clean_up_tokenization_spaces": False,
            "legacy": False,
            "model_max_length": _UNLIMITED,
            **({"chat_template": template} if template else {}),
            **more,
        },
        first=("<unk>", "<s>", "</s>"),
        start="<s>",
    )


def llama3(*, instruct: bool, pad: str | None = None) -> TokenizerKind:
    """Return the tokenizer of Llama 3: byte pairs, numbers in groups of three, no padding token."""
    start, end = "<|begin_of_text|>", "<|end_of_text|>"
    turns = ("<|finetune_right_pad_id|>", "<|start_header_id|>", "<|end_header_id|>", "<|eom_id|>", "<|eot_id|>")
    return TokenizerKind(
        "byte-pairs",
        {
            "tokenizer_class": "PreTrainedTokenizerFast",
            "bos_token": start,
            "eos_token": "<|eot_id|>" if instruct else end,
            **({"pad_token": pad} if pad else {}),
            "clean_up_tokenization_spaces": True,
            "model_input_names": ["input_ids", "attention_mask"],
            "model_max_length": 131072,
            **({"chat_template": chat.LLAMA3} if instruct else {}),
        },
        last=(start, end, *turns),
        start=start,
        pattern=_WORDS % 3,
    )


def gemma(*, instruct: bool) -> TokenizerKind:
    """Return the tokenizer of Gemma: no mark of a blank in front of a text."""
    return TokenizerKind(
        "sentence-pairs",
        {
            "tokenizer_class": "GemmaTokenizer",
            "add_bos_token": True,
            "add_eos_token": False,
            "bos_token": "<bos>",
            "eos_token": "<eos>",
            "pad_token": "<pad>",
            "unk_token": "<unk>",
            "clean_up_tokenization_spaces": False,
            "model_max_length": _UNLIMITED,
            **({"chat_template": chat.GEMMA} if instruct else {}),
        },
        first=("<pad>", "<eos>", "<bos>", "<unk>", "<mask>", "<start_of_turn>", "<end_of_turn>"),
        start="<bos>",
        prefix=False,
    )


def phi3() -> TokenizerKind:
    """Return the tokenizer of Phi-3: Llama's pieces, other ends."""
    roles = ("<|assistant|>", "<|system|>", "<|end|>", "<|user|>")
    return TokenizerKind(
        "sentence-pairs",
        {
            **llama2(template=chat.PHI3, pad=_END_OF_TEXT).settings,
            "add_bos_token": False,
            "eos_token": _END_OF_TEXT,
            "padding_side": "left",
            "model_max_length": 4096,
        },
        first=("<unk>", "<s>", "</s>"),
        last=(_END_OF_TEXT, *roles),
    )


def gpt2() -> TokenizerKind:
    """Return the tokenizer of GPT-2: one added token, and none for padding."""
    return TokenizerKind("byte-pairs", _byte_pairs("GPT2Tokenizer", length=1024), last=(_END_OF_TEXT,))


def smollm(*, instruct: bool) -> TokenizerKind:
    """Return the tokenizer of SmolLM: GPT-2's with the marks of a chat at the front."""
    ends = ("<|im_end|>", "<|im_start|>") if instruct else (_END_OF_TEXT, _END_OF_TEXT)
    return TokenizerKind(
        "byte-pairs",
        _byte_pairs(
            "GPT2Tokenizer",
            length=8192,
            eos_token=ends[0],
            bos_token=ends[1],
            **({"pad_token": "<|im_end|>", "chat_template": chat.CHATML} if instruct else {}),
        ),
        first=(_END_OF_TEXT, "<|im_start|>", "<|im_end|>"),
    )


def neox() -> TokenizerKind:
    """Return the tokenizer of Pythia and GPT-NeoX: the end of a text comes first, no padding token is named."""
    return TokenizerKind(
        "byte-pairs",
        _byte_pairs("GPTNeoXTokenizer", length=_UNLIMITED, pad=None),
        first=(_END_OF_TEXT, "<|padding|>"),
    )


def codegen() -> TokenizerKind:
    """Return the tokenizer of Phi 1 to 2: GPT-2's under another class."""
    return TokenizerKind("byte-pairs", _byte_pairs("CodeGenTokenizer", length=2048), last=(_END_OF_TEXT,))


def opt() -> TokenizerKind:
    """Return the tokenizer of OPT: ``</s>`` begins every text."""
    return TokenizerKind(
        "byte-pairs",
        {
            "tokenizer_class": "GPT2Tokenizer",
            "add_bos_token": True,
            "bos_token": "</s>",
            "eos_token": "</s>",
            "unk_token": "</s>",
            "pad_token": "<pad>",
            "errors": "replace",
            "add_prefix_space": False,
            "model_max_length": _UNLIMITED,
        },
        first=("<s>", "<pad>", "</s>", "<unk>"),
        start="</s>",
    )


def roberta(*, length: int = 512) -> TokenizerKind:
    """Return the tokenizer of RoBERTa and BART."""
    return TokenizerKind(
        "byte-pairs",
        {
            "tokenizer_class": "RobertaTokenizer",
            "bos_token": "<s>",
            "cls_token": "<s>",
            "eos_token": "</s>",
            "sep_token": "</s>",
            "unk_token": "<unk>",
            "pad_token": "<pad>",
            "mask_token": "<mask>",
            "add_prefix_space": False,
            "model_max_length": length,
        },
        first=("<s>", "<pad>", "</s>", "<unk>"),
        last=("<mask>",),
        start="<s>",
        end="</s>",
        separate_pairs="doubled",
    )


def bert(*, lower_case: bool) -> TokenizerKind:
    """Return the tokenizer of BERT and DistilBERT; the added tokens have BERT's own ids."""
    return TokenizerKind(
        "word-pieces",
        {
            "tokenizer_class": "BertTokenizer",
            "do_lower_case": lower_case,
            "unk_token": "[UNK]",
            "sep_token": "[SEP]",
            "pad_token": "[PAD]",
            "cls_token": "[CLS]",
            "mask_token": "[MASK]",
            "clean_up_tokenization_spaces": True,
            "model_max_length": 512,
        },
        first=("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"),
        start="[CLS]",
        end="[SEP]",
        lower_case=lower_case,
    )


def deberta() -> TokenizerKind:
    """Return the tokenizer of DeBERTa-v2 and v3."""
    return TokenizerKind(
        "unigrams",
        {
            "tokenizer_class": "DebertaV2Tokenizer",
            "do_lower_case": False,
            "split_by_punct": False,
            "bos_token": "[CLS]",
            "cls_token": "[CLS]",
            "eos_token": "[SEP]",
            "sep_token": "[SEP]",
            "unk_token": "[UNK]",
            "pad_token": "[PAD]",
            "mask_token": "[MASK]",
            "model_max_length": _UNLIMITED,
        },
        first=("[PAD]", "[CLS]", "[SEP]", "[UNK]"),
        last=("[MASK]",),
        start="[CLS]",
        end="[SEP]",
    )


def t5() -> TokenizerKind:
    """Return the tokenizer of T5: 100 sentinels, ``</s>`` after every text, no beginning."""
    sentinels = tuple(f"<extra_id_{number}>" for number in range(100))
    return TokenizerKind(
        "unigrams",
        {
            "tokenizer_class": "T5Tokenizer",
            "eos_token": "</s>",
            "unk_token": "<unk>",
            "pad_token": "<pad>",
            "extra_ids": 100,
            "additional_special_tokens": list(sentinels),
            "model_max_length": 512,
        },
        first=("<pad>", "</s>", "<unk>"),
        last=sentinels[::-1],
        end="</s>",
    )


def clip() -> TokenizerKind:
    """Return the tokenizer of CLIP: lower-cased, 77 tokens at most."""
    return TokenizerKind(
        "lower-case-pairs",
        {
            "tokenizer_class": "CLIPTokenizer",
            "bos_token": "<|startoftext|>",
            "eos_token": _END_OF_TEXT,
            "unk_token": _END_OF_TEXT,
            "pad_token": _END_OF_TEXT,
            "do_lower_case": True,
            "errors": "replace",
            "model_max_length": 77,
        },
        last=("<|startoftext|>", _END_OF_TEXT),
        start="<|startoftext|>",
        end=_END_OF_TEXT,
        separate_pairs="doubled",
    )
