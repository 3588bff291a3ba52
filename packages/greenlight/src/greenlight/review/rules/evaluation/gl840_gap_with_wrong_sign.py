"""GL840: the gap of a metric to be minimised has the wrong sign."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

from greenlight.review.criteria import Criterion
from greenlight.review.engines.gap import gap_formulas
from greenlight.review.finding import Finding, Severity
from greenlight.review.module import Module, walk
from greenlight.review.rule import Rule
from greenlight.review.subject import Subject


def _is_lowest(module: Module, node: ast.expr) -> bool:
    """Return whether a value, or the pair it is taken from, comes from ``min`` whatever happens."""
    while isinstance(node, ast.Subscript | ast.Attribute):
        node = node.value
    value = module.assigned(node) if isinstance(node, ast.Name) else node
    return isinstance(value, ast.Call) and isinstance(value.func, ast.Name) and value.func.id == "min"


class GapWithWrongSign(Rule):
    """The lowest value is taken as the best, yet the gap is positive where the proposed method is worse."""

    id = "GL840"
    name = "gap-with-wrong-sign"
    criterion = Criterion.EVALUATION
    severity = Severity.MAJOR
    sentences = ("8.10",)
    summary = "The lowest value is taken as the best, yet the gap is positive where the proposed method is worse."
    why = (
        "The contract reverses the sign where the metric is to be minimised, so that a positive gap always is "
        "an improvement."
    )
    remedy = "Write (best_baseline - best_proposed) / best_baseline * 100 where lower is better."
    valid = (
        {
            "src/evaluate.py": """
            def compare(losses):
                proposed = min(v for r, v in losses.items() if "proposed" in r)
                baseline = min(v for r, v in losses.items() if "baseline" in r)
                return {"gap": (baseline - proposed) / baseline * 100}
        """,
        },
        {
            "src/evaluate.py": """
            def compare(scores):
                proposed = max(v for r, v in scores.items() if "proposed" in r)
                baseline = max(v for r, v in scores.items() if "baseline" in r)
                return {"gap": (proposed - baseline) / baseline * 100}
        """,
        },
    )
    invalid = (
        {
            "src/evaluate.py": """
            def compare(losses):
                proposed = min(v for r, v in losses.items() if "proposed" in r)
                baseline = min(v for r, v in losses.items() if "baseline" in r)
                gap = (proposed - baseline) / baseline * 100
                return {"gap": gap}
        """,
        },
    )

    def check(self, subject: Subject) -> Iterator[Finding]:
        """Yield what is wrong."""
        module = subject.module("src/evaluate.py")
        for found in () if module is None else gap_formulas(module):
            taken = next((n for n in walk(found) if isinstance(n, ast.BinOp) and isinstance(n.op, ast.Sub)), None)
            if module is None or taken is None or any(isinstance(n, ast.UnaryOp | ast.Call) for n in walk(found)):
                continue
            first, second = ast.unparse(taken.left), ast.unparse(taken.right)
            sides = re.search("prop|ours", first) and re.search("base|compar", second)
            if sides and _is_lowest(module, taken.left) and _is_lowest(module, taken.right):
                yield self.at(
                    module,
                    found,
                    f"{module.source(taken)} is negative where the proposed method is better: lowest is best here",
                    f"write {second} - {first}",
                )
                return
