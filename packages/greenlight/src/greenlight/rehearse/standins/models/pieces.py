"""Tokenizers of the real kinds with small vocabularies, learned from our own sentences."""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from greenlight.rehearse.standins.models.architecture import TokenizerKind

if TYPE_CHECKING:
    from tokenizers import Tokenizer

_LEARNED = 1000  # entries of a learned vocabulary, without the added tokens
_BLANK = "▁"
_BYTES = tuple(f"<0x{byte:02X}>" for byte in range(256))
# The real T5 has no piece for these either: they become <unk>.
_NOT_IN_UNIGRAMS = frozenset("{}~\\^`<")
_TYPOGRAPHY = frozenset("“”‘’–—…°é")  # what word pieces and unigrams of the real ones know beside ASCII
_CLIP_WORDS = r"<\|startoftext\|>|<\|endoftext\|>|'s|'t|'re|'ve|'m|'ll|'d|[\p{L}]+|[\p{N}]|[^\s\p{L}\p{N}]+"
_UNKNOWN, _BERT_UNKNOWN, _CLIP_END = "<unk>", "[UNK]", "<|endoftext|>"
_TAKES_BLANK = frozenset({"<mask>"})  # RoBERTa's mask takes the blank before it
_RESERVED = 99  # BERT keeps so many entries free between [PAD] and [UNK]


def build(kind: TokenizerKind, sentences: Sequence[str]) -> Tokenizer:
    """Return the tokenizer: the added tokens, and pieces learned from the sentences.

    Parameters
    ----------
    kind
        What it is like.
    sentences
        What it learns from; the same sentences give the same tokenizer.
    """
    tokenizer = _BUILDERS[kind.pieces](kind, sentences)
    tokenizer.add_special_tokens([_added(token) for token in (*kind.first, *kind.last) if token not in kind.plain])
    tokenizer.add_tokens([_added(token) for token in kind.plain])
    _around(tokenizer, kind)
    return tokenizer


def learned(tokenizer: Tokenizer) -> tuple[dict[str, int], list[str]]:
    """Return the vocabulary and the merges of a tokenizer of byte pairs."""
    model = json.loads(tokenizer.to_str())["model"]
    return model["vocab"], [" ".join(pair) for pair in model["merges"]]


def _added(token: str) -> Any:
    from tokenizers import AddedToken

    return AddedToken(token, lstrip=token in _TAKES_BLANK, normalized=False)


def _numbered(kind: TokenizerKind, pieces: Sequence[str]) -> dict[str, int]:
    """Return piece -> id: first tokens, learned pieces, last tokens."""
    return {piece: place for place, piece in enumerate(dict.fromkeys((*kind.first, *pieces, *kind.last)))}


def _pairs(
    sentences: Sequence[str], cut: Any, alphabet: Sequence[str], ending: str | None = None
) -> tuple[list[str], list[tuple[str, str]]]:
    """Return pieces in the order in which they were learned, and the pairs that were merged."""
    from tokenizers import Tokenizer, models, trainers

    suffix: dict[str, Any] = {"end_of_word_suffix": ending} if ending else {}
    learner = Tokenizer(models.BPE(**suffix))
    learner.pre_tokenizer = cut
    trainer = trainers.BpeTrainer(
        vocab_size=_LEARNED,
        initial_alphabet=list(alphabet),
        limit_alphabet=len(alphabet),
        show_progress=False,
        **suffix,
    )
    learner.train_from_iterator(sentences, trainer)
    model = json.loads(learner.to_str())["model"]
    vocabulary: dict[str, int] = model["vocab"]
    return sorted(vocabulary, key=lambda piece: vocabulary[piece]), [(one, two) for one, two in model["merges"]]


def _byte_pairs(kind: TokenizerKind, sentences: Sequence[str]) -> Tokenizer:
    from tokenizers import Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers

    cut: Any = pre_tokenizers.ByteLevel(add_prefix_space=False)
    if kind.pattern is not None:
        words = pre_tokenizers.Split(Regex(kind.pattern), behavior="isolated")
        cut = pre_tokenizers.Sequence([words, pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)])
    pieces, merges = _pairs(sentences, cut, sorted(pre_tokenizers.ByteLevel.alphabet()))
    tokenizer = Tokenizer(models.BPE(vocab=_numbered(kind, pieces), merges=merges))
    if kind.settings["tokenizer_class"] in ("Qwen2Tokenizer", "GPTNeoXTokenizer"):
        tokenizer.normalizer = normalizers.NFC()
    tokenizer.pre_tokenizer = cut
    tokenizer.decoder = decoders.ByteLevel()
    return tokenizer


def _sentence_pairs(kind: TokenizerKind, sentences: Sequence[str]) -> Tokenizer:
    from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers

    text = "".join(sentences)
    # One mark and one word at a time: the learner sees no merge that reaches over a blank.
    words = pre_tokenizers.Metaspace(replacement=_BLANK, prepend_scheme="always", split=True)
    alphabet = sorted(({*text, *map(chr, range(33, 127))} - {" "}) | {_BLANK})
    digits = pre_tokenizers.Sequence([words, pre_tokenizers.Digits(individual_digits=True)])
    pieces, merges = _pairs(sentences, digits, alphabet)
    vocabulary = _numbered(kind, (*_BYTES, *pieces))
    tokenizer = Tokenizer(
        models.BPE(vocab=vocabulary, merges=merges, unk_token=_UNKNOWN, fuse_unk=True, byte_fallback=True)
    )
    blanks: list[Any] = [normalizers.Replace(" ", _BLANK)]
    back: list[Any] = [decoders.Replace(_BLANK, " "), decoders.ByteFallback(), decoders.Fuse()]
    if kind.prefix:
        blanks.insert(0, normalizers.Prepend(_BLANK))
        back.append(decoders.Strip(" ", 1, 0))
    else:
        tokenizer.pre_tokenizer = pre_tokenizers.Split(" ", behavior="merged_with_previous")
    tokenizer.normalizer = normalizers.Sequence(blanks)
    tokenizer.decoder = decoders.Sequence(back)
    return tokenizer


def _lower_case_pairs(kind: TokenizerKind, sentences: Sequence[str]) -> Tokenizer:
    from tokenizers import Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers

    lower = [sentence.lower() for sentence in sentences]
    cut = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(_CLIP_WORDS), behavior="removed", invert=True),
            pre_tokenizers.ByteLevel(add_prefix_space=False),
        ]
    )
    letters = sorted(pre_tokenizers.ByteLevel.alphabet())
    pieces, merges = _pairs(lower, cut, letters, ending="</w>")
    endings = [f"{letter}</w>" for letter in letters]
    vocabulary = _numbered(kind, (*letters, *endings, *pieces))
    tokenizer = Tokenizer(
        models.BPE(
            vocab=vocabulary,
            merges=merges,
            continuing_subword_prefix="",
            end_of_word_suffix="</w>",
            unk_token=_CLIP_END,
        )
    )
    tokenizer.normalizer = normalizers.Sequence(
        [normalizers.NFC(), normalizers.Replace(Regex(r"\s+"), " "), normalizers.Lowercase()]
    )
    tokenizer.pre_tokenizer = cut
    tokenizer.decoder = decoders.ByteLevel()
    return tokenizer


def _word_pieces(kind: TokenizerKind, sentences: Sequence[str]) -> Tokenizer:
    from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers

    normalizer = normalizers.BertNormalizer(lowercase=kind.lower_case)
    cut = pre_tokenizers.BertPreTokenizer()
    words: Counter[str] = Counter()
    for sentence in sentences:
        words.update(word for word, _ in cut.pre_tokenize_str(normalizer.normalize_str(sentence)))
    letters = sorted(
        {*"".join(words), *map(chr, range(33, 127)), *_TYPOGRAPHY}
        - ({*map(chr, range(65, 91))} if kind.lower_case else set())
    )
    ordered = [word for word, _ in sorted(words.items(), key=lambda row: (-row[1], row[0])) if len(word) > 1]
    endings = [f"##{ending}" for ending in ("s", "ed", "ing", "er", "ly", "es", "d", "est", "able", "ness")]
    pieces = [*letters, *(f"##{letter}" for letter in letters), *endings, *ordered][: 2 * _LEARNED]
    unused = [f"[unused{number}]" for number in range(_RESERVED)]
    pad, *others = kind.first
    vocabulary = {piece: place for place, piece in enumerate(dict.fromkeys((pad, *unused, *others, *pieces)))}
    tokenizer = Tokenizer(models.WordPiece(vocab=vocabulary, unk_token=_BERT_UNKNOWN, max_input_chars_per_word=100))
    tokenizer.normalizer = normalizer
    tokenizer.pre_tokenizer = cut
    tokenizer.decoder = decoders.WordPiece(prefix="##")
    return tokenizer


def _unigrams(kind: TokenizerKind, sentences: Sequence[str]) -> Tokenizer:
    from tokenizers import Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers

    words = Counter(f"{_BLANK}{word}" for sentence in sentences for word in sentence.split())
    total = sum(words.values())
    letters = sorted(({*"".join(words), *map(chr, range(33, 127)), *_TYPOGRAPHY} - _NOT_IN_UNIGRAMS) | {_BLANK})
    kept = sorted(words.items(), key=lambda row: (-row[1], row[0]))[: _LEARNED - len(letters)]
    # A letter costs more than the rarest word, so that a known word is one piece.
    least = math.log(1 / total) - 2
    scores = {
        **dict.fromkeys(letters, least),
        **{word: math.log(count / total) for word, count in kept if len(word) > 1},
    }
    ranked = sorted(scores.items(), key=lambda row: (-row[1], row[0]))
    entries = [*((token, 0.0) for token in kind.first), *ranked, *((token, 0.0) for token in kind.last)]
    unknown = [token for token, _ in entries].index(_UNKNOWN if _UNKNOWN in kind.first else _BERT_UNKNOWN)
    tokenizer = Tokenizer(models.Unigram(entries, unk_id=unknown, byte_fallback=False))
    blank = pre_tokenizers.Metaspace(replacement=_BLANK, prepend_scheme="always", split=True)
    if kind.settings["tokenizer_class"] == "T5Tokenizer":
        tokenizer.normalizer = normalizers.Sequence([normalizers.NFKC(), normalizers.Replace(Regex(" {2,}"), " ")])
        tokenizer.pre_tokenizer = pre_tokenizers.Sequence([pre_tokenizers.WhitespaceSplit(), blank])
    else:
        tokenizer.normalizer = normalizers.Sequence(
            [normalizers.Replace(Regex(r"\s{2,}|[\n\r\t]"), " "), normalizers.NFC(), normalizers.Strip(False, True)]
        )
        tokenizer.pre_tokenizer = pre_tokenizers.Sequence([blank])
    tokenizer.decoder = decoders.Metaspace(replacement=_BLANK, prepend_scheme="always", split=True)
    return tokenizer


def _around(tokenizer: Tokenizer, kind: TokenizerKind) -> None:
    """Set what is put around a text."""
    from tokenizers import processors

    def number(token: str) -> int:
        found = tokenizer.token_to_id(token)
        assert found is not None, token
        return found

    if kind.start is None and kind.end is None:
        if kind.pieces == "byte-pairs":
            tokenizer.post_processor = processors.ByteLevel(trim_offsets=False)
        return
    if kind.separate_pairs == "doubled":
        assert kind.start is not None
        assert kind.end is not None
        tokenizer.post_processor = processors.RobertaProcessing(
            (kind.end, number(kind.end)), (kind.start, number(kind.start)), trim_offsets=True, add_prefix_space=False
        )
        return
    before, after = [f"{kind.start}:0"] * bool(kind.start), [f"{kind.end}:0"] * bool(kind.end)
    second = [f"{kind.start}:1"] * bool(kind.start and not kind.end) + ["$B:1"] + [f"{kind.end}:1"] * bool(kind.end)
    if kind.pieces == "unigrams" and not kind.start:  # T5 knows no token types
        second = [part.replace(":1", ":0") for part in second]
    tokenizer.post_processor = processors.TemplateProcessing(
        single=[*before, "$A:0", *after],
        pair=[*before, "$A:0", *after, *second],
        special_tokens=[(token, number(token)) for token in (kind.start, kind.end) if token],
    )


_BUILDERS: dict[str, Callable[[TokenizerKind, Sequence[str]], Tokenizer]] = {
    "byte-pairs": _byte_pairs,
    "sentence-pairs": _sentence_pairs,
    "lower-case-pairs": _lower_case_pairs,
    "word-pieces": _word_pieces,
    "unigrams": _unigrams,
}
