"""What statements do: which names they bind and read, and whether they leave the block that they stand in."""

from __future__ import annotations

import ast
from collections.abc import Iterable

from greenlight.review.module import walk

ENDS = (ast.Return, ast.Raise, ast.Break, ast.Continue)
"""Statements after which the next one is not reached."""
_CLOCKS = ("time", "monotonic", "perf_counter", "process_time")
_TALKS = frozenset(
    {"print", "warn", "warning", "error", "info", "debug", "exception", "print_exc", "append", "log", "write"}
)


def races_the_clock(test: ast.expr) -> bool:
    """Return whether a loop's condition compares with the clock, so that it can be false when it is first asked.

    ``while step < total`` after ``step = 0``, with a total from the configuration, is as good as started.
    """
    return any(isinstance(part, ast.Compare) for part in walk(test)) and any(
        isinstance(part, ast.Call)
        and (part.func.attr if isinstance(part.func, ast.Attribute) else getattr(part.func, "id", "")) in _CLOCKS
        for part in walk(test)
    )


def bodies(node: ast.AST) -> Iterable[list[ast.stmt]]:
    """Yield the lists of statements of a block."""
    for name in ("body", "orelse", "finalbody"):
        body = getattr(node, name, None)
        if isinstance(body, list):
            yield body


def read_in(nodes: Iterable[ast.AST]) -> set[str]:
    """Return every name in some nodes."""
    return {part.id for node in nodes for part in walk(node) if isinstance(part, ast.Name)}


def leaves(statement: ast.stmt) -> bool:
    """Return whether a statement contains a way out of the block it stands in."""
    return any(isinstance(part, (*ENDS, ast.Assert)) or exits(part) for part in walk(statement))


def exits(node: ast.AST) -> bool:
    """Return whether a call ends the program."""
    if isinstance(node, ast.Expr):
        node = node.value
    if not isinstance(node, ast.Call):
        return False
    name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
    return name in ("exit", "_exit", "quit", "abort", "fail") or (
        name == "error" and isinstance(node.func, ast.Attribute) and "parser" in ast.unparse(node.func.value)
    )


def binds_directly(statement: ast.stmt, name: str) -> bool:
    """Return whether a statement itself binds a name."""
    if isinstance(statement, ast.With | ast.AsyncWith):
        return any(binds_directly(inner, name) for inner in statement.body) or any(
            name in stored(item.optional_vars) for item in statement.items if item.optional_vars is not None
        )
    targets = statement.targets if isinstance(statement, ast.Assign) else [getattr(statement, "target", None)]
    if isinstance(statement, ast.Assign | ast.AnnAssign):
        return any(target is not None and name in stored(target) for target in targets)
    return False


def stored(node: ast.AST) -> set[str]:
    """Return the names that a node binds."""
    return {part.id for part in walk(node) if isinstance(part, ast.Name) and isinstance(part.ctx, ast.Store)}


def falls_through(block: ast.Try, name: str) -> bool:
    """Return whether the body of a ``try`` alone binds a name and a handler goes on as if nothing had happened."""
    if not any(binds_directly(statement, name) for statement in block.body) or block.finalbody:
        return False
    return any(all(goes_on(statement) for statement in handler.body) for handler in block.handlers)


def goes_on(statement: ast.stmt) -> bool:
    """Return whether a statement of a handler neither leaves nor does anything about the error."""
    if isinstance(statement, ast.Pass):
        return True
    if isinstance(statement, ast.Expr):
        if isinstance(statement.value, ast.Constant):
            return True
        if isinstance(statement.value, ast.Call) and not exits(statement):
            function = statement.value.func
            return (function.attr if isinstance(function, ast.Attribute) else getattr(function, "id", "")) in _TALKS
        return False
    return isinstance(statement, ast.Assign | ast.AugAssign) and not any(
        isinstance(part, ast.Call) for part in walk(statement)
    )
