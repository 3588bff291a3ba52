"""A word and digit tokenizer for the closed language of the word problems.

Words are tokens and so are single digits. A lower-case word carries the space before it, as in byte-pair
vocabularies; before a capital or a digit the space is a token of its own. An answer starts with a capital, so
``"Answer:"`` and ``"Answer: "`` are both sound places to cut a prompt: the ids of the two parts, put together, are
the ids of the whole.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from greenlight.assets.wording import vocabulary

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerFast

END_OF_TEXT = "<|endoftext|>"
UNKNOWN = "<|unknown|>"
MAX_TOKENS = 512

_PIECES = r" ?[a-z]+|[A-Z][a-z]*|[0-9]|=<<|>>|\n####|[\s\S]"
_SIGNS = (" ", "\n", "\n####", ".", ",", "?", "!", ":", "$", "%", "+", "-", "*", "/", "=", "=<<", ">>")


def build_tokenizer() -> PreTrainedTokenizerFast:
    """Return the fast tokenizer: end of text is token 0 and pads as well, an unknown piece is token 1."""
    from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast

    words = [form for word in ("Question", "Answer", *vocabulary()) for form in _forms(word)]
    pieces = (END_OF_TEXT, UNKNOWN, *"0123456789", *_SIGNS, *words)
    tokenizer = Tokenizer(models.WordLevel({piece: place for place, piece in enumerate(pieces)}, unk_token=UNKNOWN))
    tokenizer.pre_tokenizer = pre_tokenizers.Split(Regex(_PIECES), behavior="isolated")
    tokenizer.decoder = decoders.Fuse()
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        bos_token=END_OF_TEXT,
        eos_token=END_OF_TEXT,
        pad_token=END_OF_TEXT,
        unk_token=UNKNOWN,
        model_max_length=MAX_TOKENS,
        padding_side="right",
        clean_up_tokenization_spaces=False,
    )


def _forms(word: str) -> tuple[str, ...]:
    return (word,) if word[0].isupper() else (f" {word}",)
