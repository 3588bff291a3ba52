"""GL821: a confusion matrix is made from an accuracy."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

from greenlight.review.criteria import Criterion
from greenlight.review.engines.readback import Readback
from greenlight.review.engines.samples import origin
from greenlight.review.finding import Finding, Severity
from greenlight.review.module import UNKNOWN, Module, argument
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
        {
            "src/evaluate.py": """
            import json
            import wandb
            from sklearn.metrics import confusion_matrix

            def against_the_majority(path):
                run = wandb.Api().run(path)
                labels = json.loads(run.summary["labels"])
                return confusion_matrix(labels, [1] * run.summary["test_rows"])
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
        {
            "src/evaluate.py": """
            import numpy as np
            import wandb
            from sklearn.metrics import confusion_matrix

            def draw(path, show):
                summary = dict(wandb.Api().run(path).summary)
                rows = int(summary["test_rows"])
                right = int(summary["test_right"])
                gold = np.ones(rows, dtype=int)
                show(confusion_matrix(gold, np.array([1] * right + [0] * (rows - right))))
        """,
        },
    )

    def check(self, subject: Subject) -> Iterator[Finding]:
        """Yield what is wrong."""
        readback = subject.derived(Readback)
        module = readback.module
        if module is None:
            return

        yield from self._of_made_up_rows(module, readback)
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

    def _of_made_up_rows(self, module: Module, readback: Readback) -> Iterator[Finding]:
        """Yield each matrix of two lists that are nothing but a repeated value, as many as a summary says."""
        for call in module.calls("sklearn.metrics.confusion_matrix"):
            given = [argument(call, "y_true", 0), argument(call, "y_pred", 1)]
            first, second = (origin(module, one) if one is not None else None for one in given)
            if first is None or second is None or first is second:
                continue  # one list against itself is told by another rule
            if not (_is_repeated(module, first) and _is_repeated(module, second)):
                continue
            if any(readback.is_summary(n) for one in (first, second) for n in readback.expanded(one)):
                yield self.at(
                    module,
                    call,
                    f"the rows of {module.source(call)} are made from counts of the summary, not from predictions",
                    "count it from stored predictions, or leave the figure out and say why",
                )


def _is_repeated(module: Module, node: ast.expr, depth: int = 8) -> bool:
    """Return whether an expression is a list of constants repeated some number of times: ``[1] * n + [0] * m``."""
    node = origin(module, node)
    if depth == 0:
        return False
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add):
        return _is_repeated(module, node.left, depth - 1) and _is_repeated(module, node.right, depth - 1)
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Mult):
        return any(isinstance(part, ast.List) and module.value(part) is not UNKNOWN for part in (node.left, node.right))
    if not isinstance(node, ast.Call) or not node.args:
        return False
    name = module.dotted(node.func)
    if name in ("numpy.ones", "numpy.zeros"):
        return True
    if name in ("numpy.array", "numpy.asarray"):
        return _is_repeated(module, node.args[0], depth - 1)
    if name in ("numpy.full", "numpy.repeat"):
        repeated = node.args[1 if name == "numpy.full" and len(node.args) > 1 else 0]
        return module.value(repeated) is not UNKNOWN
    if name in ("numpy.concatenate", "numpy.hstack") and isinstance(node.args[0], ast.List | ast.Tuple):
        return all(_is_repeated(module, part, depth - 1) for part in node.args[0].elts)
    return False
