"""Which architecture a model id of the public hub has: a table of patterns, made by hand."""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import lru_cache

from greenlight.rehearse.standins.models import causal, encoders, vision
from greenlight.rehearse.standins.models.architecture import Architecture

_Made = Callable[[re.Match[str]], Architecture]


def _small(found: re.Match[str], limit: float) -> bool:
    """Return whether a model has at most `limit` billion parameters, by its name: small ones are tied."""
    unit = 0.001 if found["unit"].upper() == "M" else 1.0
    return float(found["size"]) * unit <= limit


def _vit(found: re.Match[str]) -> Architecture:
    return vision.vit(patch=int(found["patch"]), size=int(found["side"]), classifies=not found["wide"])


def _clip(found: re.Match[str]) -> Architecture:
    return vision.clip(patch=int(found["patch"]), size=int(found["side"] or 224))


_SIZE = r"(?P<size>\d+(?:\.\d+)?)(?P<unit>[BbMm])"
_PATTERNS: tuple[tuple[str, _Made], ...] = (
    (
        rf"Qwen/Qwen3-{_SIZE}(?P<base>-Base)?(?:-(?:Instruct|Thinking)-\d+)?",
        lambda m: causal.qwen3(base=bool(m["base"]), tied=_small(m, 4)),
    ),
    (
        rf"Qwen/Qwen(?:2(?:\.5)?(?:-(?:Coder|Math))?)-{_SIZE}(?P<chat>-Instruct)?",
        lambda m: causal.qwen2(base=not m["chat"], tied=_small(m, 3)),
    ),
    (
        rf"Qwen/Qwen1\.5-{_SIZE}(?P<chat>-Chat)?",
        lambda m: causal.qwen2(base=not m["chat"], tied=_small(m, 0.5)),
    ),
    (
        r"(?:meta-llama|NousResearch)/Llama-2-\d+b(?P<chat>-chat)?(?:-hf)?",
        lambda m: causal.llama2(chats=bool(m["chat"])),
    ),
    (
        r"(?:huggyllama/llama-\d+b|openlm-research/open_llama_\w+|lmsys/vicuna-[\w.-]+|meta-llama/LlamaGuard-7b)",
        lambda _: causal.llama2(),
    ),
    (r"TinyLlama/TinyLlama-1\.1B-Chat-v[\d.]+", lambda _: causal.llama2(zephyr=True)),
    (r"TinyLlama/TinyLlama[-_]1\.1B-[\w.-]+|TinyLlama/TinyLlama_v1\.1", lambda _: causal.llama2()),
    (
        rf"(?:meta-llama|unsloth|NousResearch)/(?:Meta-)?Llama-3(?P<minor>\.[123])?-{_SIZE}(?P<chat>-Instruct)?",
        lambda m: causal.llama3(instruct=bool(m["chat"]), tied=_small(m, 3), scaled=bool(m["minor"])),
    ),
    (rf"HuggingFaceTB/SmolLM2?-{_SIZE}(?P<chat>-Instruct)?", lambda m: causal.smollm(instruct=bool(m["chat"]))),
    (
        r"mistralai/Mistral-7B(?P<chat>-Instruct)?-v0\.[123]",
        lambda m: causal.mistral(instruct=bool(m["chat"])),
    ),
    (r"google/gemma-(?:1\.1-)?[27]b(?P<chat>-it)?", lambda m: causal.gemma(1, instruct=bool(m["chat"]))),
    (r"google/gemma-2-\d+b(?P<chat>-it)?", lambda m: causal.gemma(2, instruct=bool(m["chat"]))),
    (r"google/gemma-3-(?:270m|1b)(?:-pt)?(?P<chat>-it)?", lambda m: causal.gemma(3, instruct=bool(m["chat"]))),
    (r"(?:(?:openai-community/)?gpt2(?:-medium|-large|-xl)?|(?:distilbert/)?distilgpt2)", lambda _: causal.gpt2()),
    (r"EleutherAI/(?:pythia-[\w.]+(?:-deduped)?(?:-v0)?|gpt-neox-20b)", lambda _: causal.neox()),
    (r"facebook/opt-(?P<size>350m|\d+(?:\.\d+)?[bm])", lambda m: causal.opt(projected=m["size"] == "350m")),
    (r"microsoft/phi-(?:1|1_5|2)", lambda _: causal.phi()),
    (r"microsoft/Phi-3(?:\.5)?-mini-(?:4k-|128k-)?instruct", lambda _: causal.phi3()),
    (
        r"(?:google-bert/)?bert-(?:base|large)-(?:multilingual-)?(?P<case>un)?cased(?:-whole-word-masking)?",
        lambda m: encoders.bert(lower_case=bool(m["case"])),
    ),
    (
        r"google/bert_uncased_L-\d+_H-\d+_A-\d+|prajjwal1/bert-(?:tiny|mini|small|medium)",
        lambda _: encoders.bert(lower_case=True),
    ),
    (
        r"(?:FacebookAI/)?roberta-(?:base|large)|(?:distilbert/)?distilroberta-base",
        lambda _: encoders.roberta(),
    ),
    (
        r"(?:distilbert/)?distilbert-base-uncased-finetuned-sst-2-english",
        lambda _: encoders.distilbert(lower_case=True, sentiment=True),
    ),
    (
        r"(?:distilbert/)?distilbert-base-(?:multilingual-)?(?P<case>un)?cased",
        lambda m: encoders.distilbert(lower_case=bool(m["case"])),
    ),
    (
        r"microsoft/deberta-v(?P<version>[23])-(?:x?small|base|x{0,2}large)",
        lambda m: encoders.deberta(int(m["version"])),
    ),
    (r"(?:google-t5/)?t5-(?:small|base|large|3b|11b)", lambda _: encoders.t5(gated=False)),
    (r"google/(?:flan-t5|t5-v1_1)-(?:small|base|large|xl|xxl)", lambda _: encoders.t5(gated=True)),
    (r"facebook/bart-(?:base|large)", lambda _: encoders.bart()),
    (r"facebook/bart-large-(?:cnn|xsum)", lambda _: encoders.bart(summarises=True)),
    (r"facebook/bart-large-mnli", lambda _: encoders.bart(infers=True)),
    (r"(?:google|WinKawaks)/vit-(?:tiny|small|base|large)-patch(?P<patch>\d+)-(?P<side>\d+)(?P<wide>-in21k)?", _vit),
    (r"google/vit-huge-patch(?P<patch>\d+)-(?P<side>\d+)(?P<wide>-in21k)", _vit),
    (
        r"microsoft/resnet-(?P<layers>18|26|34|50|101|152)",
        lambda m: vision.resnet(bottleneck=m["layers"] not in ("18", "34")),
    ),
    (r"openai/clip-vit-(?:base|large)-patch(?P<patch>\d+)(?:-(?P<side>\d+))?", _clip),
)
_TABLE = tuple((re.compile(pattern), made) for pattern, made in _PATTERNS)


@lru_cache(maxsize=64)
def architecture_of(model_id: str) -> Architecture | None:
    """Return the architecture of a model of the public hub, or None if its id is not in the table.

    Parameters
    ----------
    model_id
        For instance ``Qwen/Qwen3-0.6B`` or ``gpt2``; upper and lower case count, as on the hub.

    Examples
    --------
    >>> architecture_of("Qwen/Qwen3-0.6B").model_class
    'Qwen3ForCausalLM'
    >>> architecture_of("acme/unheard-of") is None
    True
    """
    for pattern, made in _TABLE:
        found = pattern.fullmatch(model_id)
        if found:
            return made(found)
    return None


_OWNERS = (
    "Qwen", "meta-llama", "mistralai", "google", "HuggingFaceTB", "TinyLlama", "EleutherAI", "microsoft", "facebook",
    "openai",
)  # fmt: skip


def whole_id(short: str) -> str | None:
    """Return the id that a model's name without its owner is meant to be, or None where none in the table fits.

    Parameters
    ----------
    short
        A name as people write it; ids in the table that have no owner, such as ``gpt2``, are whole.

    Examples
    --------
    >>> whole_id("Llama-2-7B")
    'meta-llama/Llama-2-7b'
    >>> whole_id("gpt2") is None
    True
    """
    if "/" in short or architecture_of(short) is not None:
        return None
    forms = dict.fromkeys((short, re.sub(r"(?<=\d)B\b", "b", short), short.lower()))
    found = (f"{owner}/{form}" for form in forms for owner in _OWNERS)
    return next((whole for whole in found if architecture_of(whole) is not None), None)
