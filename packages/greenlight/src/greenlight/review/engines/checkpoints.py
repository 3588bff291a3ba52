"""The pretrained checkpoints that an experiment loads, by name and family."""

from __future__ import annotations

import ast
import re
from dataclasses import dataclass

from greenlight.review.engines.run_values import RunValues
from greenlight.review.module import Module, argument
from greenlight.review.subject import Subject

# Families by the name of the checkpoint; the first that matches. Only names whose architecture is beyond doubt.
_FAMILIES: tuple[tuple[str, str], ...] = (
    ("gpt2", r"(?:openai-community/|distilbert/)?(?:distil)?gpt2(?:-medium|-large|-xl)?"),
    ("gpt-neo", r"EleutherAI/gpt-(?:neo-\d[\w.]*|j-6[bB])"),
    ("gpt-neox", r"EleutherAI/(?:pythia-[\w.-]+|gpt-neox-20b)"),
    ("qwen", r"Qwen/(?:Qwen1\.5|Qwen2|Qwen2\.5|Qwen3)-[\d.]+B(?:-(?:Instruct|Chat|Base))?"),
    ("qwen", r"greenlight/tiny-qwen3"),
    ("llama", r"(?:meta-llama|NousResearch)/(?:Meta-)?Llama-(?:2|3|3\.1|3\.2)-\d+[bB][\w-]*"),
    ("llama", r"TinyLlama/TinyLlama-[\w.-]+"),
    ("mistral", r"mistralai/Mistral-7B(?:-Instruct)?-v0\.\d"),
    ("gemma", r"google/gemma(?:-2)?-\d+b(?:-it)?"),
    ("opt", r"facebook/opt-[\w.]+"),
    ("distilbert", r"(?:distilbert/)?distilbert-base-[\w-]+"),
    ("distilroberta", r"(?:distilbert/)?distilroberta-base"),
    ("roberta", r"(?:FacebookAI/)?(?:xlm-)?roberta-(?:base|large)"),
    ("bert", r"(?:google-bert/)?bert-(?:base|large)-(?:un)?cased"),
    ("t5", r"(?:google-t5/)?t5-(?:small|base|large|3b|11b)|google/flan-t5-[\w]+"),
    ("bart", r"facebook/bart-(?:base|large)"),
)
_COMPILED = tuple((family, re.compile(pattern)) for family, pattern in _FAMILIES)
DECODERS = frozenset({"gpt2", "gpt-neo", "gpt-neox", "qwen", "llama", "mistral", "gemma", "opt"})
"""Families that continue a text, so that a prompt's last token has to stand at the end of its row."""
GATED = frozenset({"qwen", "llama", "mistral", "gemma"})
"""Families whose MLP is gate_proj, up_proj and down_proj."""
PAD_IS_ZERO = frozenset({"bert", "distilbert", "t5", "gemma"})
"""Families whose padding token has the id 0."""


def family(name: str) -> str | None:
    """Return the family of a checkpoint by its name on the hub; None for one that is not known for sure.

    Examples
    --------
    >>> family("Qwen/Qwen3-0.6B"), family("roberta-base"), family("someone/else")
    ('qwen', 'roberta', None)
    """
    return next((known for known, pattern in _COMPILED if pattern.fullmatch(name)), None)


@dataclass(frozen=True)
class Loaded:
    """One call of ``from_pretrained``.

    Attributes
    ----------
    module, call
        Where it stands.
    kind
        The last word of the class, such as ``AutoTokenizer``.
    origin
        The first argument.
    names
        What it loads over all runs; empty where that is not known.
    """

    module: Module
    call: ast.Call
    kind: str
    origin: ast.expr | None
    names: frozenset[str]

    @property
    def families(self) -> frozenset[str | None]:
        """The families of the names, None for a name of an unknown one."""
        return frozenset(family(name) for name in self.names)


class Checkpoints:
    """Every ``transformers`` class that is loaded with ``from_pretrained``, in order of the files.

    Parameters
    ----------
    subject
        The experiment.
    """

    def __init__(self, subject: Subject) -> None:
        values = subject.derived(RunValues)
        found: list[Loaded] = []
        for module in subject.code:
            for call in module.calls("transformers.*"):
                dotted = module.dotted(call.func) or ""
                if dotted.endswith(".from_pretrained"):
                    origin = argument(call, "pretrained_model_name_or_path", 0)
                    names = values.strings(module, origin)
                    found.append(Loaded(module, call, dotted.split(".")[-2], origin, names))
        self.loaded = tuple(found)

    @property
    def models(self) -> tuple[Loaded, ...]:
        """Those that load weights."""
        return tuple(
            one for one in self.loaded if not one.kind.endswith(("Tokenizer", "TokenizerFast", "Config", "Processor"))
        )

    @property
    def tokenizers(self) -> tuple[Loaded, ...]:
        """Those that load a tokenizer."""
        return tuple(one for one in self.loaded if one.kind.endswith(("Tokenizer", "TokenizerFast")))

    @property
    def families(self) -> frozenset[str | None]:
        """The families of all models; contains None where one is not known, and is empty where none is loaded."""
        return frozenset().union(*(one.families or {None} for one in self.models))
