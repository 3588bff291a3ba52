"""GL107: a local variable is assigned and never read."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from greenlight.review.criteria import Criterion
from greenlight.review.engines.names import Names
from greenlight.review.finding import Finding, Severity
from greenlight.review.module import Module
from greenlight.review.rule import Rule
from greenlight.review.subject import Subject


class UnusedVariable(Rule):
    """A constant is assigned to a local name that nothing reads."""

    id = "GL107"
    name = "unused-variable"
    criterion = Criterion.COMPLETE
    severity = Severity.MINOR
    sentences = ("1.2",)
    summary = "A local counter or constant is set and never read: the bookkeeping it was for is missing."
    why = (
        "A variable such as a token count that stays at its first value is the trace of a measurement that was "
        "planned and not written. Only plain constants are told: the call on the right of an assignment may be wanted."
    )
    remedy = "Use the variable or remove it."
    valid = (
        {
            "src/train.py": """
                def train(batches):
                    tokens = 0
                    _unused = 1
                    for batch in batches:
                        tokens += batch.numel()
                    handle = open("log")
                    first, *rest = batches
                    return tokens

                def outer():
                    count = 0
                    def add():
                        nonlocal count
                        count += 1
                    return add
            """
        },
    )
    invalid = (
        {
            "src/train.py": """
                def train(batches):
                    seen_tokens = 0
                    for batch in batches:
                        batch.step()
            """
        },
    )

    def check(self, subject: Subject) -> Iterator[Finding]:
        """Yield one finding for each name of a function that holds constants alone and is never read."""
        for names in subject.derived(Names).files:
            if names.reads_by_string:
                continue
            declared = {name for space in names.spaces for name in space.outside}
            for space in names.spaces:
                if space.kind != "function":
                    continue
                for name, nodes in space.bound.items():
                    if name.startswith("_") or name in declared or names.reads_of(space, name) or name in names.quoted:
                        continue
                    if all(_holds_constant(names.module, node) for node in nodes):
                        yield self.at(
                            names.module,
                            nodes[0],
                            f"{name} is assigned and never read",
                            f"use {name} or remove it",
                        )


def _holds_constant(module: Module, node: ast.AST) -> bool:
    around = module.parent(node)
    if isinstance(around, ast.Assign) and node in around.targets:
        return _is_constant(around.value)
    if isinstance(around, ast.AnnAssign) and around.target is node and around.value is not None:
        return _is_constant(around.value)
    return isinstance(around, ast.AugAssign) and around.target is node and _is_constant(around.value)


def _is_constant(node: ast.expr) -> bool:
    if isinstance(node, ast.List | ast.Tuple | ast.Set):
        return not node.elts
    if isinstance(node, ast.Dict):
        return not node.keys
    if isinstance(node, ast.UnaryOp):
        node = node.operand
    return isinstance(node, ast.Constant)
