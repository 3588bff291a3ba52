"""How values flow inside of one function: what is derived from what, what is a plain number, what left the graph."""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator

from greenlight.review.module import Function, Module, walk

LEAVING = frozenset({"item", "tolist", "numpy", "detach"})
"""Methods whose result carries no gradient."""
_NUMBER_FUNCTIONS = frozenset({"float", "int", "len", "round"})
_CHOICE_FUNCTIONS = frozenset({"max", "min", "abs", "sum"})
_ROOTS = frozenset({"cfg", "config", "conf"})


def names_in(node: ast.AST) -> Iterator[ast.Name]:
    """Yield every name that an expression reads."""
    return (n for n in walk(node) if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Load))


def derived_names(
    module: Module, function: Function, start: Iterable[str], stops: frozenset[str] = LEAVING
) -> set[str]:
    """Return the names of a function whose value comes from some names, but not through a call that `stops` it.

    Parameters
    ----------
    module, function
        Where to look; functions inside of it are not entered.
    start
        The names to start from.
    stops
        Methods after which a value counts as another one, such as ``item``; ``float(x)`` and ``int(x)`` always do.
    """
    found = set(start)
    assignments = [n for n in walk(function) if isinstance(n, ast.Assign) and module.function_around(n) is function]
    for _ in range(3):
        before = len(found)
        for node in assignments:
            if carries(node.value, found, stops):
                for target in node.targets:
                    elements = target.elts if isinstance(target, ast.Tuple | ast.List) else [target]
                    found |= {e.id for e in elements if isinstance(e, ast.Name)}
        if len(found) == before:
            break
    return found


def carries(node: ast.AST, names: set[str], stops: frozenset[str] = LEAVING) -> bool:
    """Return whether an expression hands on the value of one of some names without a call that stops it."""
    if isinstance(node, ast.Name):
        return node.id in names
    if isinstance(node, ast.Call):
        if isinstance(node.func, ast.Attribute):
            if node.func.attr in stops:
                return False
            if carries(node.func.value, names, stops):
                return True
        if isinstance(node.func, ast.Name) and node.func.id in _NUMBER_FUNCTIONS:
            return False
        if isinstance(node.func, ast.Name) and node.func.id in names:
            return True
        return any(carries(a, names, stops) for a in (*node.args, *(k.value for k in node.keywords)))
    if isinstance(node, ast.Attribute) and node.attr in ("shape", "device", "dtype", "ndim"):
        return False
    if isinstance(node, ast.Compare | ast.Constant | ast.Lambda):
        return False
    return any(carries(child, names, stops) for child in ast.iter_child_nodes(node))


def is_number(module: Module, node: ast.AST | None, depth: int = 6) -> bool:
    """Return whether an expression is a plain Python number for sure, never a tensor.

    Settings of the configuration count as numbers where they are computed with.
    """
    if node is None or depth == 0:
        return False
    if isinstance(node, ast.Constant):
        return isinstance(node.value, int | float) and not isinstance(node.value, bool)
    if isinstance(node, ast.Name):
        return is_number(module, module.assigned(node), depth - 1)
    if isinstance(node, ast.IfExp):
        return is_number(module, node.body, depth - 1) and is_number(module, node.orelse, depth - 1)
    if isinstance(node, ast.UnaryOp):
        return is_number(module, node.operand, depth - 1)
    if isinstance(node, ast.BinOp):
        return is_number(module, node.left, depth - 1) and is_number(module, node.right, depth - 1)
    if isinstance(node, ast.Attribute):
        return is_setting(module, node) or is_number(module, _own_value(module, node), depth - 1)
    if isinstance(node, ast.Call):
        if isinstance(node.func, ast.Attribute) and node.func.attr == "item" and not node.args:
            return True
        if (module.dotted(node.func) or "").startswith("math."):
            return True
        if isinstance(node.func, ast.Name) and node.func.id not in module.top_level:
            if node.func.id in _NUMBER_FUNCTIONS:
                return True
            if node.func.id in _CHOICE_FUNCTIONS and node.args:
                return all(is_number(module, a, depth - 1) for a in node.args)
    return False


def is_setting(module: Module, node: ast.AST) -> bool:
    """Return whether an expression reads a key of the configuration, ``cfg.training.lr``, or an attribute set to it."""
    steps = 0
    inner: ast.AST = node
    while isinstance(inner, ast.Attribute):
        inner, steps = inner.value, steps + 1
    if isinstance(inner, ast.Name) and inner.id in _ROOTS and steps:
        return True
    own = _own_value(module, node)
    return own is not None and is_setting(module, own)


def _own_value(module: Module, node: ast.AST) -> ast.expr | None:
    """Return what ``self.name`` is assigned, if its class does so exactly once."""
    if not (isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "self"):
        return None
    around = next((a for a in module.ancestors(node) if isinstance(a, ast.ClassDef)), None)
    if around is None:
        return None
    values: list[ast.expr | None] = []
    for n in walk(around):
        if isinstance(n, ast.Attribute) and n.attr == node.attr and isinstance(n.ctx, ast.Store):
            statement = module.parent(n)
            values.append(statement.value if isinstance(statement, ast.Assign) else None)
    return values[0] if len(values) == 1 else None


def statements_of(module: Module, node: ast.AST) -> list[ast.stmt]:
    """Return the list of statements that a statement stands in, its siblings included."""
    around = module.parent(node)
    for name in ("body", "orelse", "finalbody"):
        block = getattr(around, name, None)
        if isinstance(block, list) and node in block:
            return block
    return []
