"""GL813: the gap is not in percent of the best baseline."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

from greenlight.review.criteria import Criterion
from greenlight.review.engines.gap import gap_formulas
from greenlight.review.finding import Finding, Severity
from greenlight.review.module import walk
from greenlight.review.rule import Rule
from greenlight.review.subject import Subject


def _over(node: ast.BinOp) -> str | None:
    """Return that a gap is relative to the proposed method, if it is (proposed - baseline) / proposed."""
    if isinstance(node.op, ast.Mult):
        inner = node.left if isinstance(node.right, ast.Constant) else node.right
        return _over(inner) if isinstance(inner, ast.BinOp) else None
    difference = node.left
    if isinstance(difference, ast.BinOp) and isinstance(difference.op, ast.Mult):
        difference = difference.left if isinstance(difference.right, ast.Constant) else difference.right
    if not (isinstance(node.op, ast.Div) and isinstance(difference, ast.BinOp) and isinstance(difference.op, ast.Sub)):
        return None
    below, first, second = (ast.unparse(n) for n in (node.right, difference.left, difference.right))
    if below == first != second and re.search("prop|ours", first) and re.search("base|compar", second):
        return "relative to the proposed method, not to the baseline"
    return None


def _wrong(node: ast.BinOp) -> str | None:
    """Return what a formula of plain operands is instead of a percentage."""
    whole = _over(node)
    if whole is not None:
        return whole
    inner = list(walk(node))
    if any(isinstance(n, ast.Call | ast.Mult) for n in inner):
        return None
    if isinstance(node.op, ast.Sub) and not any(isinstance(n, ast.Div) for n in inner):
        return "a difference, not a percentage of the baseline"
    left = node.left
    if isinstance(node.op, ast.Div) and isinstance(left, ast.BinOp) and isinstance(left.op, ast.Sub):
        return None if isinstance(node.right, ast.BinOp | ast.Constant) else "a fraction, not a percentage"
    return None


class GapNotInPercent(Rule):
    """The value written as gap is not the difference in percent of the best baseline."""

    id = "GL813"
    name = "gap-not-in-percent"
    criterion = Criterion.EVALUATION
    severity = Severity.MAJOR
    sentences = ("8.10",)
    summary = "The value written as gap is not the difference in percent of the best baseline."
    why = (
        "The contract defines gap = (proposed - baseline) / baseline * 100; a plain difference or a fraction "
        "under that name is read as a percentage all the same."
    )
    remedy = "Write (best_proposed - best_baseline) / best_baseline * 100."
    valid = (
        {
            "src/evaluate.py": """
            def compare(proposed, baseline):
                gap = (proposed - baseline) / abs(baseline) * 100
                return {"gap": gap, "difference": proposed - baseline}
        """,
        },
    )
    invalid = (
        {
            "src/evaluate.py": """
            def compare(proposed, baseline):
                return {"gap": (proposed - baseline) / proposed * 100}
        """,
        },
        {
            "src/evaluate.py": """
            def compare(proposed, baseline):
                return {"gap": proposed - baseline}
        """,
        },
        {
            "src/evaluate.py": """
            def compare(proposed, baseline):
                gap = (proposed - baseline) / baseline
                return {"gap": float(gap)}
        """,
        },
    )

    def check(self, subject: Subject) -> Iterator[Finding]:
        """Yield what is wrong."""
        module = subject.module("src/evaluate.py")
        for found in () if module is None else gap_formulas(module):
            text = ast.unparse(found)
            told = _wrong(found)
            if (
                module is not None
                and told is not None
                and re.search("base|compar", text)
                and re.search("prop|best|ours", text)
            ):
                yield self.at(
                    module,
                    found,
                    f"the gap is {told}: {module.source(found)}",
                    "write (proposed - baseline) / baseline * 100",
                )
                return
