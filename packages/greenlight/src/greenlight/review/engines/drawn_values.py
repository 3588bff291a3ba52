"""What becomes of the values that a search draws: whether anything but a message is done with them."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from greenlight.review.module import Module, argument, parameters, walk
from greenlight.review.subject import Subject

_DRAWS = frozenset({"suggest_float", "suggest_int", "suggest_categorical", "suggest_uniform", "suggest_loguniform"})
_SAYS = frozenset({"print", "info", "debug", "warning", "log"})


def unused_draws(subject: Subject) -> Iterator[tuple[Module, ast.AST, str, str]]:
    """Yield file, node, name and a few words where drawn values are used for nothing, or only for a message."""
    for module in subject.code:
        drawing = {f.name for f in module.functions if any(_name_of(n) in _DRAWS for n in walk(f))}
        for function in module.functions if drawing else ():
            if "trial" not in {a.arg for a in parameters(function)}:
                continue
            for node in walk(function):
                if not isinstance(node, ast.Assign) or not isinstance(node.targets[0], ast.Name):
                    continue
                name = node.targets[0].id
                draws = any(_name_of(n) in _DRAWS or getattr(_func(n), "id", "") in drawing for n in walk(node.value))
                if draws and not _is_used(module, function, name):
                    yield module, node, name, "is drawn for the trial and used for nothing"
        for call in module.calls("greenlight.harness.search.search"):
            yield from _ignored_values(module, argument(call, "objective", 2))


def _ignored_values(module: Module, given: ast.expr | None) -> Iterator[tuple[Module, ast.AST, str, str]]:
    """Yield where the function that a search calls ignores the values that it is given."""
    name, index = (given.id, 0) if isinstance(given, ast.Name) else ("", 0)
    if isinstance(given, ast.Lambda) and isinstance(given.body, ast.Call) and given.args.args:
        passed = [getattr(a, "id", "") for a in given.body.args]
        values = given.args.args[0].arg
        if values not in passed or not isinstance(given.body.func, ast.Name):
            return
        name, index = given.body.func.id, passed.index(values)
    function = module.top_level.get(name)
    if not isinstance(function, ast.FunctionDef) or len(function.args.args) <= index:
        return
    values = function.args.args[index].arg
    if not _is_used(module, function, values):
        yield module, function, values, f"of the search is used for nothing in {function.name}"


def _func(node: ast.AST) -> ast.AST | None:
    return node.func if isinstance(node, ast.Call) else None


def _name_of(node: ast.AST) -> str:
    """Return the name of the method that a call calls."""
    return getattr(_func(node), "attr", "")


def _is_used(module: Module, function: ast.AST, name: str) -> bool:
    """Return whether a name is read for more than a message about it."""
    reads = (n for n in walk(function) if isinstance(n, ast.Name) and n.id == name and isinstance(n.ctx, ast.Load))
    return any(_acts(module, n) for n in reads)


def _acts(module: Module, node: ast.AST) -> bool:
    for around in module.ancestors(node):
        if isinstance(around, ast.Call):
            return getattr(around.func, "attr", getattr(around.func, "id", "")) not in _SAYS
        if isinstance(around, ast.stmt):
            return True
    return True
