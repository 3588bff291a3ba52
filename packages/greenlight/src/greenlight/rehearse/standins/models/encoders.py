"""Stand-ins of encoders and of encoder-decoder models of text."""

from __future__ import annotations

from typing import Any

from greenlight.rehearse.standins.models import tokenizer_kinds
from greenlight.rehearse.standins.models.architecture import Architecture

_SENTIMENT = {"id2label": {"0": "NEGATIVE", "1": "POSITIVE"}, "label2id": {"NEGATIVE": 0, "POSITIVE": 1}}
_INFERENCE = {
    "id2label": {"0": "contradiction", "1": "neutral", "2": "entailment"},
    "label2id": {"contradiction": 0, "neutral": 1, "entailment": 2},
}


def _encoder(model_type: str, model_class: str, tokens: dict[str, str], **more: Any) -> dict[str, Any]:
    return {
        "architectures": [model_class],
        "model_type": model_type,
        "attention_probs_dropout_prob": 0.1,
        "hidden_act": "gelu",
        "hidden_dropout_prob": 0.1,
        "hidden_size": 64,
        "initializer_range": 0.02,
        "intermediate_size": 128,
        "layer_norm_eps": 1e-12,
        "max_position_embeddings": 512,
        "num_attention_heads": 4,
        "num_hidden_layers": 2,
        "type_vocab_size": 2,
        **tokens,
        **more,
    }


def bert(*, lower_case: bool) -> Architecture:
    """Return BERT with the head of masked words."""
    config = _encoder("bert", "BertForMaskedLM", {"pad_token_id": "[PAD]"}, position_embedding_type="absolute")
    return Architecture(
        "bert",
        "BertForMaskedLM",
        "masked",
        config,
        tokenizer_kinds.bert(lower_case=lower_case),
    )


def roberta() -> Architecture:
    """Return RoBERTa: two more positions than a text may have tokens, one token type."""
    config = _encoder(
        "roberta", "RobertaForMaskedLM", {"bos_token_id": "<s>", "eos_token_id": "</s>", "pad_token_id": "<pad>"},
        layer_norm_eps=1e-5, max_position_embeddings=514, type_vocab_size=1,
    )  # fmt: skip
    return Architecture(
        "roberta",
        "RobertaForMaskedLM",
        "masked",
        config,
        tokenizer_kinds.roberta(),
    )


def distilbert(*, lower_case: bool, sentiment: bool = False) -> Architecture:
    """Return DistilBERT: no token types, no pooler; ``sentiment`` is the model fine-tuned on SST-2."""
    model_class = "DistilBertForSequenceClassification" if sentiment else "DistilBertForMaskedLM"
    config: dict[str, Any] = {
        "architectures": [model_class],
        "model_type": "distilbert",
        "activation": "gelu",
        "attention_dropout": 0.1,
        "dim": 64,
        "dropout": 0.1,
        "hidden_dim": 128,
        "initializer_range": 0.02,
        "max_position_embeddings": 512,
        "n_heads": 4,
        "n_layers": 2,
        "pad_token_id": "[PAD]",
        "seq_classif_dropout": 0.2,
        "sinusoidal_pos_embds": False,
        "tie_weights_": True,
        **(_SENTIMENT if sentiment else {}),
    }
    return Architecture(
        "distilbert",
        model_class,
        "masked",
        config,
        tokenizer_kinds.bert(lower_case=lower_case),
    )


def deberta(version: int) -> Architecture:
    """Return DeBERTa-v2 or v3: relative positions, no absolute ones."""
    config = _encoder(
        "deberta-v2", "DebertaV2ForMaskedLM", {"pad_token_id": "[PAD]"}, layer_norm_eps=1e-7, type_vocab_size=0,
        relative_attention=True, max_relative_positions=-1, position_buckets=256, norm_rel_ebd="layer_norm",
        position_biased_input=False, pos_att_type=["p2c", "c2p"], share_att_key=True, pooler_dropout=0,
        pooler_hidden_act="gelu", pooler_hidden_size=64,
        **({"conv_kernel_size": 3, "conv_act": "gelu"} if version == 2 else {}),
    )  # fmt: skip
    return Architecture(
        "deberta-v2",
        "DebertaV2ForMaskedLM",
        "masked",
        config,
        tokenizer_kinds.deberta(),
        padded_vocabulary=True,
    )


def t5(*, gated: bool) -> Architecture:
    """Return T5; Flan-T5 and T5 1.1 have a gated MLP and an output that is not tied."""
    config: dict[str, Any] = {
        "architectures": ["T5ForConditionalGeneration"],
        "model_type": "t5",
        "d_ff": 128,
        "d_kv": 16,
        "d_model": 64,
        "decoder_start_token_id": "<pad>",
        "dropout_rate": 0.1,
        "eos_token_id": "</s>",
        "feed_forward_proj": "gated-gelu" if gated else "relu",
        "initializer_factor": 1.0,
        "is_encoder_decoder": True,
        "layer_norm_epsilon": 1e-6,
        "n_positions": 512,
        "num_decoder_layers": 2,
        "num_heads": 4,
        "num_layers": 2,
        "pad_token_id": "<pad>",
        "relative_attention_max_distance": 128,
        "relative_attention_num_buckets": 32,
        "tie_word_embeddings": not gated,
        "use_cache": True,
    }
    generation = {"decoder_start_token_id": "<pad>", "eos_token_id": "</s>", "pad_token_id": "<pad>"}
    return Architecture(
        "t5",
        "T5ForConditionalGeneration",
        "sequence-to-sequence",
        config,
        tokenizer_kinds.t5(),
        padded_vocabulary=True,
        generation=generation,
        own_output=gated,
    )


def bart(*, summarises: bool = False, infers: bool = False) -> Architecture:
    """Return BART; ``summarises`` is the model fine-tuned on news, ``infers`` the one on MNLI."""
    model_class = (
        "BartForSequenceClassification" if infers else "BartForConditionalGeneration" if summarises else "BartModel"
    )
    ends = {
        "bos_token_id": "<s>",
        "decoder_start_token_id": "</s>",
        "eos_token_id": "</s>",
        "forced_eos_token_id": "</s>",
        "pad_token_id": "<pad>",
    }
    config: dict[str, Any] = {
        "architectures": [model_class],
        "model_type": "bart",
        "activation_dropout": 0.1,
        "activation_function": "gelu",
        "attention_dropout": 0.1,
        "classifier_dropout": 0.0,
        "d_model": 64,
        "decoder_attention_heads": 4,
        "decoder_ffn_dim": 128,
        "decoder_layerdrop": 0.0,
        "decoder_layers": 2,
        "dropout": 0.1,
        "encoder_attention_heads": 4,
        "encoder_ffn_dim": 128,
        "encoder_layerdrop": 0.0,
        "encoder_layers": 2,
        "init_std": 0.02,
        "is_encoder_decoder": True,
        "max_position_embeddings": 1024,
        "scale_embedding": False,
        "use_cache": True,
        **(_INFERENCE if infers else {}),
        **ends,
    }
    beams: dict[str, Any] = {"early_stopping": True, "no_repeat_ngram_size": 3, "num_beams": 4}
    lengths = {"length_penalty": 2.0, "max_length": 142, "min_length": 56} if summarises else {}
    return Architecture(
        "bart",
        model_class,
        "sequence-to-sequence",
        config,
        tokenizer_kinds.roberta(length=1024),
        generation=None if infers else {**ends, **beams, **lengths, "forced_bos_token_id": "<s>"},
    )
