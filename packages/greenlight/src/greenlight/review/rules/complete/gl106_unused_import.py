"""GL106: a file imports what it never uses."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from greenlight.review.criteria import Criterion
from greenlight.review.engines.names import FileNames, Names, Space
from greenlight.review.finding import Finding, Severity
from greenlight.review.module import Module
from greenlight.review.rule import Rule
from greenlight.review.subject import Subject


class UnusedImport(Rule):
    """Names are imported and never read."""

    id = "GL106"
    name = "unused-import"
    criterion = Criterion.COMPLETE
    severity = Severity.MINOR
    sentences = ("1.2",)
    summary = "A file imports names that it never reads, which is left over from code that is not there."
    why = (
        "An import without a use tells the reader of a measurement, a library or a model that the experiment does "
        "not have, and costs its loading time in every process."
    )
    remedy = "Remove the imports that nothing reads."
    valid = (
        {
            "src/model.py": """
                from __future__ import annotations
                import os
                import wandb  # noqa: F401 - started here so that it patches the logger
                from typing import TYPE_CHECKING
                import torch.nn.functional as F

                if TYPE_CHECKING:
                    from collections.abc import Iterator

                try:
                    import flash_attn
                    FAST = True
                except ImportError:
                    FAST = False

                __all__ = ["Path"]
                from pathlib import Path

                def rows(x) -> "Iterator[str]":
                    return F.relu(x), os.sep
            """
        },
        {
            "src/model.py": "from torch import nn\n",
            "src/train.py": "from src.model import nn\n\nlayer = nn.Linear(1, 1)\n",
        },
    )
    invalid = (
        {
            "src/train.py": """
                import math
                import subprocess
                from typing import Dict, List

                def mean(values: List[float]) -> float:
                    return sum(values) / len(values)
            """
        },
    )

    def check(self, subject: Subject) -> Iterator[Finding]:
        """Yield one finding for each file, with all names."""
        elsewhere = {
            f"{module.source_of(node)}.{alias.name}"
            for module in subject.code
            for node in module.nodes
            if isinstance(node, ast.ImportFrom)
            for alias in node.names
        }
        whole = {origin for module in subject.code for origin in module.imports.values()}
        for names in subject.derived(Names).files:
            module = names.module
            if names.reads_by_string or module.path.endswith("__init__.py"):
                continue
            unused = []
            for space in names.spaces:
                for name, nodes in space.bound.items():
                    if len(nodes) != 1 or not isinstance(nodes[0], ast.alias):
                        continue
                    if _is_unused(names, space, name, nodes[0]) and f"{module.name}.{name}" not in elsewhere:
                        unused.append((nodes[0].lineno, name))
            if not unused or (module.name in whole and _is_taken_apart(subject, module)):
                continue
            unused.sort()
            listed = ", ".join(dict.fromkeys(name for _, name in unused))
            yield self.on(
                module,
                unused[0][0],
                f"{module.path} imports {listed} and never reads {'it' if len(unused) == 1 else 'them'}",
                f"remove {listed} from the imports",
            )


def _is_unused(names: FileNames, space: Space, name: str, alias: ast.alias) -> bool:
    module = names.module
    if names.reads_of(space, name) or name in names.quoted or name == "_" or alias.asname == alias.name:
        return False
    statement = module.parent(alias)
    if isinstance(statement, ast.ImportFrom) and statement.module == "__future__":
        return False
    # An import of a submodule, `import a.b`, is made for its effect as often as for its name.
    if isinstance(statement, ast.Import) and alias.asname is None and "." in alias.name:
        return False
    if statement is None or any(isinstance(around, ast.Try) for around in module.ancestors(statement)):
        return False
    first, last = alias.lineno, max(alias.end_lineno or alias.lineno, getattr(statement, "end_lineno", 0) or 0)
    lines = {*range(first, last + 1), getattr(statement, "lineno", first)}
    if any(number in lines and "noqa" in text.lower() for number, _, text in module.comments):
        return False
    return not any(name in target.outside for target in names.spaces)


def _is_taken_apart(subject: Subject, module: Module) -> bool:
    """Return whether another file imports this one whole, so that its names can be read as attributes."""
    short = module.name.rpartition(".")[2]
    return any(
        isinstance(node, ast.Attribute) and node.attr in module.imports
        for other in subject.code
        if other is not module and (module.name in other.imports.values() or short in other.imports)
        for node in other.nodes
    )
