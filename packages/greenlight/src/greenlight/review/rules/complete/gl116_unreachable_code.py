"""GL116: code stands behind a return, raise, break or continue."""

from __future__ import annotations

import ast
import itertools
from collections.abc import Iterator, Sequence

from greenlight.review.criteria import Criterion
from greenlight.review.finding import Finding, Severity
from greenlight.review.module import Module, walk
from greenlight.review.rule import Rule
from greenlight.review.subject import Subject


class UnreachableCode(Rule):
    """Statements that follow the end of their block."""

    id = "GL116"
    name = "unreachable-code"
    criterion = Criterion.COMPLETE
    severity = Severity.MINOR
    sentences = ("1.2",)
    summary = "Statements follow a return, raise, break or continue in the same block and are never executed."
    why = "What stands there was meant to happen: a metric that is computed after the return is never computed."
    remedy = "Move the statements before the end of the block, or remove them."
    valid = (
        {
            "src/train.py": """
                def empty():
                    return
                    yield

                def first(rows):
                    for row in rows:
                        if row:
                            return row
                    return None
            """
        },
    )
    invalid = (
        {
            "src/train.py": """
                def evaluate(rows):
                    return sum(rows)
                    accuracy = sum(rows) / len(rows)
                    print(accuracy)
            """
        },
    )

    def check(self, subject: Subject) -> Iterator[Finding]:
        """Yield one finding for each block."""
        for module in subject.code:
            for node in module.nodes:
                for name in ("body", "orelse", "finalbody"):
                    body = getattr(node, name, None)
                    if isinstance(body, list):
                        yield from self._block(module, body)

    def _block(self, module: Module, body: Sequence[ast.stmt]) -> Iterator[Finding]:
        for statement, following in itertools.pairwise(body):
            if not isinstance(statement, ast.Return | ast.Raise | ast.Break | ast.Continue):
                continue
            rest = body[body.index(following) :]
            makes_generator = any(isinstance(part, ast.Yield | ast.YieldFrom) for s in rest for part in walk(s))
            plain = all(_does_nothing(s) for s in rest)
            ends = all(isinstance(s, ast.Return | ast.Raise | ast.Break | ast.Continue) for s in rest)
            if not makes_generator and not plain and not ends:
                kind = type(statement).__name__.lower()
                yield self.at(
                    module,
                    following,
                    f"{module.source(following)} is never executed, behind the {kind} in line {statement.lineno}",
                    "move it before the end of the block, or remove it",
                )
            return


def _does_nothing(statement: ast.stmt) -> bool:
    return isinstance(statement, ast.Pass) or (
        isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant)
    )
