"""Whether a file's work may be done by code that a review cannot see: then nothing is missing for certain."""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator

from greenlight.review.module import Module
from greenlight.review.subject import Subject

# Libraries that track, compare or draw only what the experiment tells them to.
_PLAIN = """
    PIL accelerate datasets diffusers dotenv einops evaluate fire hydra joblib matplotlib mpl_toolkits nltk numpy
    omegaconf optuna pandas peft plotly psutil pyarrow pynvml pytz requests rich rouge_score sacrebleu safetensors
    scipy seaborn sentence_transformers sentencepiece sklearn statsmodels sympy tabulate tenacity timm tokenizers torch
    torch_geometric torchaudio torchmetrics torchvision tqdm transformers typing_extensions tyro wandb xgboost yaml
"""
PLAIN_LIBRARIES = frozenset(_PLAIN.split())
_RUNNERS = frozenset({"importlib", "runpy"})
_CALLS = frozenset({"exec", "eval", "__import__", "globals"})


def imported(module: Module) -> Iterator[str]:
    """Yield the full dotted name of every module that a file imports from, anywhere in it."""
    for node in module.nodes:
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            source = module.source_of(node)
            yield source
            yield from (f"{source}.{alias.name}" for alias in node.names if source in ("", "src"))


def own_imports(subject: Subject, module: Module) -> tuple[Module, ...]:
    """Return the experiment's other files that a file imports."""
    names = set(imported(module))
    return tuple(other for other in subject.code if other is not module and other.name in names)


def works_elsewhere(subject: Subject, *modules: Module, besides: frozenset[str] = frozenset()) -> bool:
    """Return whether files hand work to a library of another kind, to a file that is not there, or to built code.

    Parameters
    ----------
    subject, modules
        The experiment and those of its files that are meant.
    besides
        Libraries by import name that do not do the work in question.
    """
    known = {module.name for module in subject.code if module.error is None}
    for module in modules:
        if module.error is not None:
            return True
        for name in imported(module):
            first = name.partition(".")[0]
            if first == "src" or first == "":
                if name in ("src", "") or name in known or name.rpartition(".")[0] in known:
                    continue
                return True
            if first in known or first in besides:
                continue
            if first in _RUNNERS or not (first in sys.stdlib_module_names or first in PLAIN_LIBRARIES):
                return True
        for node in module.nodes:
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in _CALLS:
                return True
            if isinstance(node, ast.ImportFrom) and any(alias.name == "*" for alias in node.names):
                return True
    return False


def words(module: Module) -> frozenset[str]:
    """Return every name, attribute, keyword, parameter and string of a file, strings as a whole, in lower case."""
    found: set[str] = set()
    for node in module.nodes:
        if isinstance(node, ast.Name):
            found.add(node.id)
        elif isinstance(node, ast.Attribute):
            found.add(node.attr)
        elif isinstance(node, ast.keyword | ast.arg) and node.arg:
            found.add(node.arg)
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            found.add(node.value)
        elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            found.add(node.name)
        elif isinstance(node, ast.alias):
            found.update(node.name.split("."))
    return frozenset(word.lower() for word in found)
