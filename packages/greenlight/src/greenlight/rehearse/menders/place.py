"""Where a crash happened: the file, the statement, and what was being evaluated in it."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping
from functools import cached_property
from typing import TypeVar

from greenlight.rehearse.observer.record import Frame, Raised
from greenlight.review.module import Module

N = TypeVar("N", bound=ast.AST)


class Place:
    """One frame of a crash in the syntax tree.

    Parameters
    ----------
    module
        The file.
    content
        Its bytes.
    frame
        The frame.

    Attributes
    ----------
    statement
        The innermost statement on the frame's line.
    exact
        The expression that was being evaluated, where the interpreter told.
    """

    def __init__(self, module: Module, content: bytes, frame: Frame) -> None:
        self.module = module
        self.content = content
        self.line = frame.line
        around = [n for n in module.nodes if isinstance(n, ast.stmt) and _covers(n, frame.line)]
        self.statement: ast.stmt | None = around[-1] if around else None
        span = (frame.line, frame.column, frame.end_line, frame.end_column)
        self.exact: ast.expr | None = next(
            (n for n in module.nodes if isinstance(n, ast.expr) and _span(n) == span), None
        )

    def inside(self, *kinds: type[N]) -> Iterator[N]:
        """Yield the nodes of some kinds in what was being evaluated, the outermost first.

        Where the interpreter told no columns, that is whatever of the statement touches the line.
        """
        for node in self._looked_at:
            if isinstance(node, kinds):
                yield node

    @cached_property
    def _looked_at(self) -> list[ast.AST]:
        if self.exact is not None:
            return list(ast.walk(self.exact))
        return self.in_statement()

    def in_statement(self) -> list[ast.AST]:
        """Return the nodes of the statement that touch the line, its inner statements not included."""
        if self.statement is None:
            return []
        return [
            n
            for n in self.module.nodes
            if _covers(n, self.line) and isinstance(n, ast.expr) and self.module.statement(n) is self.statement
        ]

    def name_of(self, dotted: str) -> str:
        """Return an expression for an installed module's name that needs no new import."""
        first, _, rest = dotted.partition(".")
        tail = f".{rest}" if rest else ""
        for name, stands_for in self.module.imports.items():
            if stands_for == first and _is_global(self.module, name):
                return name + tail
        return f'__import__("{first}"){tail}'


def places(raised: Raised, files: Mapping[str, bytes]) -> Iterator[Place]:
    """Yield the subject's own places on the way to a crash, the innermost first."""
    frames = raised.frames or ((Frame(raised.path, raised.line, raised.code, ""),) if raised.path else ())
    for frame in reversed(frames):
        content = files.get(frame.path)
        if content is not None and frame.path.endswith(".py"):
            module = Module(frame.path, content)
            if module.error is None:
                yield Place(module, content, frame)


def place(raised: Raised, files: Mapping[str, bytes]) -> Place | None:
    """Return the innermost of the subject's own places, or None where the crash has none."""
    return next(places(raised, files), None)


def _covers(node: ast.AST, line: int) -> bool:
    first, last = getattr(node, "lineno", None), getattr(node, "end_lineno", None)
    return first is not None and last is not None and first <= line <= last


def _span(node: ast.AST) -> tuple[int, int, int, int]:
    return (
        getattr(node, "lineno", 0),
        getattr(node, "col_offset", -1),
        getattr(node, "end_lineno", 0) or 0,
        getattr(node, "end_col_offset", -1) or -1,
    )


def _is_global(module: Module, name: str) -> bool:
    return any(
        isinstance(n, ast.Import) and any((a.asname or a.name) == name for a in n.names) for n in module.tree.body
    )
