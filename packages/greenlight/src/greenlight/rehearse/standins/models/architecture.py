"""What makes one stand-in model like the real one: classes, configuration, tokenizer and processor."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal

Task = Literal["causal", "masked", "sequence-to-sequence", "image", "image-and-text"]
_COUNTS_OF_LAYERS = (
    "num_hidden_layers", "n_layer", "n_layers", "num_layers", "num_decoder_layers", "encoder_layers", "decoder_layers",
)  # fmt: skip
Pieces = Literal["byte-pairs", "sentence-pairs", "lower-case-pairs", "word-pieces", "unigrams"]


@dataclass(frozen=True)
class TokenizerKind:
    """One kind of tokenizer.

    Parameters
    ----------
    pieces
        How text is cut: byte-level byte pairs (GPT-2), byte pairs of a sentence with bytes as a fallback (Llama,
        Gemma), lower-cased words ending in ``</w>`` (CLIP), word pieces (BERT), or unigrams (T5, DeBERTa).
    first, last
        Added tokens before and after the learned vocabulary, in the order of their ids.
    plain
        Those of them that decoding does not skip.
    settings
        What ``tokenizer_config.json`` says.
    start, end
        Tokens that the post-processor puts around a text; None puts none.
    pattern
        How byte pairs cut text into words: a regular expression, or None for GPT-2's.
    prefix
        Whether a sentence begins with the mark of a blank (Llama does, Gemma does not).
    lower_case
        Whether word pieces are lower-cased.
    separate_pairs
        Whether a second text is marked by another token type (BERT) or by a doubled end (RoBERTa).
    """

    pieces: Pieces
    settings: Mapping[str, Any]
    first: tuple[str, ...] = ()
    last: tuple[str, ...] = ()
    plain: tuple[str, ...] = ()
    start: str | None = None
    end: str | None = None
    pattern: str | None = None
    prefix: bool = True
    lower_case: bool = False
    separate_pairs: Literal["token-type", "doubled"] = "token-type"


@dataclass(frozen=True)
class Architecture:
    """A stand-in of one kind of model.

    Parameters
    ----------
    name
        Short name, for instance ``qwen3``.
    model_class
        The class of `transformers` whose weights the real repository holds.
    task
        What the model is for.
    config
        ``config.json``; a value of a key that ends in ``_token_id`` is a token, whose id is filled in.
    tokenizer
        The tokenizer, or None for a model of images.
    padded_vocabulary
        Whether the model has more rows of embeddings than the tokenizer has tokens, as the real one has.
    generation
        ``generation_config.json``, tokens as in `config`; None where the real one has no such file.
    processor
        ``preprocessor_config.json``; None for a model of text.
    own_output
        Whether the file holds output embeddings of its own that the class of today would tie (Flan-T5).
    """

    name: str
    model_class: str
    task: Task
    config: Mapping[str, Any]
    tokenizer: TokenizerKind | None = None
    padded_vocabulary: bool = False
    generation: Mapping[str, Any] | None = None
    processor: Mapping[str, Any] | None = None
    own_output: bool = False

    def of_layers(self, layers: int) -> Architecture:
        """Return it with another number of layers; one that counts its layers otherwise (ResNet) stays as it is."""
        return replace(self, config=_of_layers(self.config, layers))


def _of_layers(config: Mapping[str, Any], layers: int) -> dict[str, Any]:
    changed: dict[str, Any] = {}
    for key, value in config.items():
        if isinstance(value, Mapping):
            changed[key] = _of_layers(value, layers)
        elif key in _COUNTS_OF_LAYERS:
            changed[key] = layers
        elif key == "layer_types":
            changed[key] = [value[n % len(value)] for n in range(layers)]
        else:
            changed[key] = value
    return changed
