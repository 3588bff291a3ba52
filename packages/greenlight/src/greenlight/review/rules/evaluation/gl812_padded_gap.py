"""GL812: the gap divides by the baseline plus something."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

from greenlight.review.criteria import Criterion
from greenlight.review.engines.readback import Readback
from greenlight.review.finding import Finding, Severity
from greenlight.review.module import walk
from greenlight.review.rule import Rule
from greenlight.review.subject import Subject


class PaddedGap(Rule):
    """The gap divides by the baseline plus a small number."""

    id = "GL812"
    name = "padded-gap"
    criterion = Criterion.EVALUATION
    severity = Severity.MINOR
    sentences = ("8.10", "8.16")
    summary = (
        "The gap divides by the baseline plus a small number, so a baseline of zero gives an astronomic gap "
        "instead of none."
    )
    why = (
        "(92.4 - 0) / (0 + 1e-8) * 100 is 924000000000 percent; where the baseline is zero a percentage does not exist."
    )
    remedy = "Divide by the baseline, and write null with a reason where it is zero."
    valid = (
        {
            "src/evaluate.py": """
            def compare(best, base):
                gap = (best - base) / base * 100 if base else None
                return {"gap": gap}
        """,
        },
    )
    invalid = (
        {
            "src/evaluate.py": """
            def compare(best, base):
                gap = (best - base) / (base + 1e-9) * 100
                return {"gap": gap}
        """,
        },
        {
            "src/evaluate.py": """
            def compare(best, base):
                return {"gap": 100.0 * (best - base) / max(abs(base), 1e-12)}
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
            if not (isinstance(node, ast.BinOp) and isinstance(node.op, ast.Div)):
                continue
            below = node.right
            added: list[ast.expr] = []
            if isinstance(below, ast.BinOp) and isinstance(below.op, ast.Add):
                added = [below.left, below.right]
            elif isinstance(below, ast.Call) and ast.unparse(below.func) in ("max", "np.maximum", "numpy.maximum"):
                added = list(below.args)
            values = [module.value(a) for a in added]
            tiny = [v for v in values if isinstance(v, float) and 0 < v <= 1e-3]
            statement = module.statement(node)
            differs = any(isinstance(n, ast.BinOp) and isinstance(n.op, ast.Sub) for n in walk(node.left))
            if not (tiny and differs and statement is not None):
                continue
            function = module.function_around(node)
            is_returned = isinstance(statement, ast.Return) and function is not None
            named = ast.unparse(statement) + (f" {function.name}" if is_returned and function is not None else "")
            if re.search(r"(\b|_)gap|improvement", named):
                yield self.at(
                    module,
                    node,
                    f"the gap divides by {module.source(below)}: a baseline of 0 gives {1 / tiny[0]:g} times the value",
                    "divide by the baseline itself, and write null where it is 0",
                )
