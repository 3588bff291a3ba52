"""Which keys the rows of a data set class of the experiment have, read from its ``__getitem__``."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from greenlight.review.engines.batch_values import OPEN, Columns
from greenlight.review.module import Function, Module, walk


def method_of(owner: ast.ClassDef, name: str) -> Function | None:
    """Return a method that a class defines itself."""
    return next((n for n in owner.body if isinstance(n, ast.FunctionDef) and n.name == name), None)


def changes_what_it_is_given(function: Function) -> bool:
    """Return whether a function writes a key into anything, so that a row that it was given may have more after it."""
    return any(
        (isinstance(n, ast.Subscript) and isinstance(n.ctx, ast.Store | ast.Del))
        or (isinstance(n, ast.Attribute) and n.attr in ("update", "setdefault", "pop", "popitem", "clear"))
        for n in walk(function)
    )


def columns_of_items(module: Module, owner: ast.ClassDef) -> Columns:
    """Return the keys of what ``__getitem__`` returns: a dictionary in the open, or an element of a list of such."""
    method = method_of(owner, "__getitem__")
    returns = [n for n in walk(method) if isinstance(n, ast.Return)] if method is not None else []
    if len(returns) != 1 or owner.decorator_list:
        return OPEN
    value = returns[0].value
    if isinstance(value, ast.Dict):
        return _united(module, [value])
    if isinstance(value, ast.Subscript) and _own(value.value) is not None:
        rows = list(_rows(module, owner, str(_own(value.value))))
        return _united(module, [row for row in rows if row is not None]) if rows and None not in rows else OPEN
    return OPEN


def _united(module: Module, rows: list[ast.Dict]) -> Columns:
    found = []
    for row in rows:
        keys = [module.value(key) for key in row.keys]
        if not all(isinstance(key, str) for key in keys):
            return OPEN
        found.append(frozenset(str(key) for key in keys))
    sure = frozenset.intersection(*found)
    return Columns(sure, frozenset().union(*found) - sure, open=False)


def _rows(module: Module, owner: ast.ClassDef, name: str) -> Iterator[ast.Dict | None]:
    """Yield every dictionary that is put into ``self.name``; None for each use that may put another thing there."""
    for node in walk(owner):
        if _own(node) != name:
            continue
        around = module.parent(node)
        if isinstance(around, ast.Assign | ast.AnnAssign):
            value = around.value
            if isinstance(value, ast.List):
                yield from (one if isinstance(one, ast.Dict) else None for one in value.elts)
            elif isinstance(value, ast.ListComp):
                yield value.elt if isinstance(value.elt, ast.Dict) else None
            else:
                yield None
        elif isinstance(around, ast.Attribute):
            call = module.parent(around)
            one = call.args[0] if around.attr == "append" and isinstance(call, ast.Call) and call.args else None
            yield one if isinstance(one, ast.Dict) else None
        elif not _only_looks(around):
            yield None


def _only_looks(around: ast.AST | None) -> bool:
    """Return whether what stands around a list reads it and cannot change it."""
    if isinstance(around, ast.Call):
        return isinstance(around.func, ast.Name) and around.func.id in ("len", "bool", "print")
    if isinstance(around, ast.Subscript):
        return isinstance(around.ctx, ast.Load)
    return isinstance(around, ast.UnaryOp | ast.If)


def _own(node: ast.AST) -> str | None:
    if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "self":
        return node.attr
    return None
