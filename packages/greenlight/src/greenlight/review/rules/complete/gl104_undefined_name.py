"""GL104: a name is read that nothing defines."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from typing import Final

from greenlight.review.criteria import Criterion
from greenlight.review.engines.names import Names
from greenlight.review.finding import Finding, Severity
from greenlight.review.module import Module
from greenlight.review.rule import Rule
from greenlight.review.subject import Subject

_CUSTOMARY: Final = {
    "np": "import numpy as np", "pd": "import pandas as pd", "plt": "import matplotlib.pyplot as plt",
    "nn": "from torch import nn", "F": "import torch.nn.functional as F", "sns": "import seaborn as sns",
    "Path": "from pathlib import Path", "tqdm": "from tqdm import tqdm", "partial": "from functools import partial",
    "DataLoader": "from torch.utils.data import DataLoader", "defaultdict": "from collections import defaultdict",
    "OmegaConf": "from omegaconf import OmegaConf", "DictConfig": "from omegaconf import DictConfig",
    "load_dataset": "from datasets import load_dataset",
}  # fmt: skip
_MODULES = frozenset(
    {"os", "sys", "re", "json", "math", "time", "random", "torch", "wandb", "optuna", "hydra", "copy", "logging",
     "subprocess", "itertools", "functools", "collections", "datetime", "warnings", "shutil", "gc", "string"}
)  # fmt: skip
_TYPING = frozenset(
    {"Any", "Dict", "List", "Tuple", "Optional", "Union", "Callable", "Iterator", "Iterable", "Sequence", "Set"}
)


class UndefinedName(Rule):
    """A name is read that neither the file, its imports nor Python defines."""

    id = "GL104"
    name = "undefined-name"
    criterion = Criterion.COMPLETE
    severity = Severity.BLOCKER
    sentences = ("1.2", "5.4")
    summary = "A name is read that nothing defines, so the line ends the run with a NameError."
    why = (
        "An import that was forgotten, or a helper that was renamed in one place only, is seen when its line is "
        "executed, which for evaluation code is after hours of training."
    )
    remedy = "Import or define the name."
    valid = (
        {
            "src/train.py": """
                from __future__ import annotations
                import math

                try:
                    profile
                except NameError:
                    def profile(function):
                        return function

                class Meter:
                    width = 3
                    cells = [0] * width

                    def rows(self, log: Writer):
                        return [cell for cell in self.cells if (double := cell * 2) and double > math.pi]

                def total(values):
                    def add(value):
                        nonlocal result
                        result += value
                    result = 0
                    for value in values:
                        add(value)
                    return result
            """
        },
        {"src/model.py": "from torch.nn import *\n\nclass Net(Module):\n    layer = Linear\n"},
    )
    invalid = (
        {
            "src/evaluate.py": """
                def mean(values):
                    return np.mean(values)
            """
        },
        {
            "src/train.py": """
                def train(config):
                    loader = build_loaders(config)
                    return [step for step in loader]
            """
        },
    )

    def check(self, subject: Subject) -> Iterator[Finding]:
        """Yield one finding for each name and file, at its first use."""
        for names in subject.derived(Names).files:
            module, told = names.module, set()
            for name, _ in names.unresolved():
                if name.id in told or _is_guarded(module, name) or _is_unevaluated(module, name):
                    continue
                told.add(name.id)
                annotated = _is_annotation(module, name)
                # Python 3.14 evaluates annotations only when they are asked for.
                yield self.at(
                    module,
                    name,
                    f"{name.id} is not defined: nothing in {module.path} assigns or imports it",
                    _remedy(name.id, subject, module),
                    confidence="likely" if annotated else "proven",
                )


def _remedy(name: str, subject: Subject, module: Module) -> str:
    if name in _CUSTOMARY:
        return _CUSTOMARY[name]
    if name in _MODULES:
        return f"import {name}"
    if name in _TYPING:
        return f"from typing import {name}"
    for other in subject.code:
        if other is not module and name in other.top_level:
            return f"from {other.name} import {name}"
    return f"import or define {name} before this line"


def _is_guarded(module: Module, name: ast.Name) -> bool:
    for around in module.ancestors(name):
        if isinstance(around, ast.Try):
            for handler in around.handlers:
                caught = ast.unparse(handler.type) if handler.type else "NameError"
                if "NameError" in caught or caught in ("Exception", "BaseException"):
                    return True
    return False


def _is_annotation(module: Module, name: ast.Name) -> bool:
    below: ast.AST = name
    for around in module.ancestors(name):
        if getattr(around, "annotation", None) is below or getattr(around, "returns", None) is below:
            return True
        if isinstance(around, ast.stmt):
            return False
        below = around
    return False


def _is_unevaluated(module: Module, name: ast.Name) -> bool:
    """Return whether Python never evaluates the name: an annotation that is deferred, or of a local variable."""
    if not _is_annotation(module, name):
        return False
    if any(
        isinstance(node, ast.ImportFrom)
        and node.module == "__future__"
        and any(a.name == "annotations" for a in node.names)
        for node in module.tree.body
    ):
        return True
    statement = module.statement(name)
    return isinstance(statement, ast.AnnAssign) and module.function_around(statement) is not None
