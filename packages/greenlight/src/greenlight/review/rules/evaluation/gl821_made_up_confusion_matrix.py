"""GL821: a confusion matrix is made from an accuracy."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

from greenlight.review.criteria import Criterion
from greenlight.review.engines.readback import Readback
from greenlight.review.finding import Finding, Severity
from greenlight.review.module import Module
from greenlight.review.rule import Rule
from greenlight.review.subject import Subject

_MATRIX = re.compile(r"(^|_)(cm|conf|confusion\w*|matrix)(_|$)")
_SCORE = re.compile(r"acc|(^|_)em($|_)|exact|f1|score|precision|recall|error_rate")


def _named(module: Module, node: ast.AST) -> tuple[str, ast.expr] | None:
    """Return what an assignment or a return makes, with the name of the variable or function."""
    if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
        return node.targets[0].id, node.value
    function = module.function_around(node) if isinstance(node, ast.Return) else None
    if isinstance(node, ast.Return) and node.value is not None and function is not None:
        return function.name, node.value
    return None


class MadeUpConfusionMatrix(Rule):
    """A confusion matrix is put together from an aggregate such as the accuracy instead of from predictions."""

    id = "GL821"
    name = "made-up-confusion-matrix"
    criterion = Criterion.EVALUATION
    severity = Severity.BLOCKER
    sentences = ("8.16",)
    summary = "A confusion matrix is put together from an aggregate such as the accuracy instead of from predictions."
    why = (
        "An accuracy says how many were wrong, not which; seen in a real experiment, where an accuracy of 37 "
        "gave [[37, 0], [63, 0]] and no metric at all [[0, 0], [100, 0]]."
    )
    remedy = "Count it from stored predictions, or leave the figure out and say why."
    valid = (
        {
            "src/evaluate.py": """
            import numpy as np

            def matrix(rows):
                hit = sum(r["label"] == r["prediction"] == 1 for r in rows)
                missed = sum(r["label"] == 1 != r["prediction"] for r in rows)
                alarm = sum(r["prediction"] == 1 != r["label"] for r in rows)
                quiet = len(rows) - hit - missed - alarm
                return np.array([[quiet, alarm], [missed, hit]])
        """,
        },
    )
    invalid = (
        {
            "src/evaluate.py": """
            import numpy as np
            import wandb

            def matrix(path):
                summary = wandb.Api().run(path).summary._json_dict
                accuracy = summary["test_accuracy"]
                right = int(100 * accuracy)
                cm = np.array([[right, 0], [100 - right, 0]])
                return cm
        """,
        },
    )

    def check(self, subject: Subject) -> Iterator[Finding]:
        """Yield what is wrong."""
        readback = subject.derived(Readback)
        module = readback.module
        if module is None:
            return

        for node in module.nodes:
            named = _named(module, node)
            if named is None or not _MATRIX.search(named[0].lower()):
                continue
            value = named[1]
            while isinstance(value, ast.Call) and isinstance(value.func, ast.Attribute) and value.func.attr == "tolist":
                value = value.func.value
            if (
                isinstance(value, ast.Call)
                and module.dotted(value.func) in ("numpy.array", "numpy.asarray")
                and value.args
            ):
                value = value.args[0]
            if not (
                isinstance(value, ast.List)
                and len(value.elts) >= 2
                and all(isinstance(r, ast.List) and len(r.elts) == len(value.elts) for r in value.elts)
            ):
                continue
            nodes = readback.expanded(value)
            read = [
                n
                for n in nodes
                if isinstance(n, ast.Constant) and isinstance(n.value, str) and _SCORE.search(n.value.lower())
            ]
            counted = any(
                isinstance(n, ast.Call)
                and ast.unparse(n.func).rpartition(".")[2]
                in ("sum", "len", "count", "count_nonzero", "confusion_matrix")
                for n in nodes
            )
            from_summary = any(readback.is_summary(n) for n in nodes)
            if read and from_summary and not counted:
                yield self.at(
                    module,
                    node,
                    f"this confusion matrix is made from {read[0].value!r}, not from predictions",
                    "count it from stored predictions, or leave the figure out and say why",
                )
