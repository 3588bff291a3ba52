"""Changes of a Python file's text at the places of its syntax tree, as small as they can be."""

from __future__ import annotations

import ast
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from greenlight.rehearse.menders.place import Place
from greenlight.review.module import Module

_BOM = b"\xef\xbb\xbf"


@dataclass(frozen=True)
class Change:
    """The text from one position to another becomes ``text``; lines from 1, columns in bytes from 0."""

    line: int
    column: int
    end_line: int
    end_column: int
    text: str


def over(node: ast.expr | ast.stmt, text: str) -> Change:
    """Replace a node."""
    return Change(node.lineno, node.col_offset, node.end_lineno or 0, node.end_col_offset or 0, text)


def before(node: ast.expr | ast.stmt, text: str) -> Change:
    """Insert directly before a node."""
    return Change(node.lineno, node.col_offset, node.lineno, node.col_offset, text)


def after(node: ast.expr | ast.stmt, text: str) -> Change:
    """Insert directly after a node."""
    line, column = node.end_lineno or 0, node.end_col_offset or 0
    return Change(line, column, line, column, text)


def around(node: ast.expr, left: str, right: str) -> tuple[Change, Change]:
    """Put text to both sides of a node."""
    return before(node, left), after(node, right)


def statement_before(module: Module, statement: ast.stmt, text: str) -> Change | None:
    """Insert a line before a statement; None where it does not begin its line."""
    first = min([statement.lineno, *(d.lineno for d in getattr(statement, "decorator_list", ()))])
    head = module.lines[first - 1].encode()[: statement.col_offset].decode() if first <= len(module.lines) else "x"
    if head.strip():
        return None
    return Change(first, 0, first, 0, f"{head}{text}\n")


def statement_after(module: Module, statement: ast.stmt, text: str) -> Change | None:
    """Insert a line after a simple statement; None where it shares its lines with another one."""
    line = statement.end_lineno or 0
    head = module.lines[statement.lineno - 1].encode()[: statement.col_offset].decode()
    tail = module.lines[line - 1].encode()[statement.end_col_offset or 0 :].decode().strip()
    if head.strip() or (tail and not tail.startswith("#")):
        return None
    width = len(module.lines[line - 1].encode())
    return Change(line, width, line, width, f"\n{head}{text}")


def with_keyword(call: ast.Call, keyword: str) -> Change | None:
    """Add ``name=value`` to a call; None where there is no safe place for it."""
    given = [*call.args, *(k.value for k in call.keywords)]
    if any(isinstance(a, ast.GeneratorExp) for a in call.args):
        return None
    if not given:
        line, column = call.end_lineno or 0, (call.end_col_offset or 1) - 1
        return Change(line, column, line, column, keyword)
    last = max(given, key=lambda n: (n.end_lineno or 0, n.end_col_offset or 0))
    return after(last, f", {keyword}")


def without_keyword(place: Place, call: ast.Call, name: str) -> Change | None:
    """Drop an argument of a call by its name, with the comma behind or before it."""
    found = next((k for k in call.keywords if k.arg == name), None)
    if found is None:
        return None
    lines = place.content.removeprefix(_BOM).splitlines(keepends=True)
    start = _offset(lines, found.lineno, found.col_offset)
    end = _offset(lines, found.end_lineno or 0, found.end_col_offset or 0)
    text = b"".join(lines)
    rest = text[end:]
    behind = rest.lstrip(b" \t\r\n")
    if behind.startswith(b","):
        end += len(rest) - len(behind) + 1
    else:
        ahead = text[:start].rstrip(b" \t\r\n")
        if ahead.endswith(b","):
            start = len(ahead) - 1
    return Change(*_position(text, start), *_position(text, end), "")


def text_of(module: Module, node: ast.AST) -> str:
    """Return a node's own text."""
    return ast.get_source_segment(module.text, node) or ast.unparse(node)


def changed(files: Mapping[str, bytes], path: str, changes: Iterable[Change]) -> dict[str, bytes]:
    """Return the files with changes made in one of them; changes that overlap an earlier one are left out."""
    content = files[path]
    start = len(_BOM) if content.startswith(_BOM) else 0
    lines = content[start:].splitlines(keepends=True)
    spans = [
        (_offset(lines, c.line, c.column), _offset(lines, c.end_line, c.end_column), place, c.text.encode())
        for place, c in enumerate(changes)
    ]
    text, limit = b"".join(lines), None
    for first, last, _, new in sorted(spans, key=lambda span: (span[0], span[1], span[2]), reverse=True):
        if limit is not None and last > limit:
            continue
        text = text[:first] + new + text[last:]
        limit = first
    return dict(files) | {path: content[:start] + text}


def _offset(lines: list[bytes], line: int, column: int) -> int:
    return sum(map(len, lines[: line - 1])) + column


def _position(text: bytes, offset: int) -> tuple[int, int]:
    lines = text[:offset].splitlines(keepends=True)
    if not lines:
        return 1, 0
    if lines[-1].endswith((b"\n", b"\r")):
        return len(lines) + 1, 0
    return len(lines), len(lines[-1])
