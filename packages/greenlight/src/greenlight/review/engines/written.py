"""What src/evaluate.py writes as JSON, and to which file."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from greenlight.review.engines.flow import is_parameter
from greenlight.review.engines.readback import Readback
from greenlight.review.module import Module, parameters


def written(readback: Readback) -> Iterator[tuple[ast.Call, ast.expr]]:
    """Yield each call that writes JSON as it stands, without ``default=``, and the expression that is written.

    A call of an own function whose parameter goes into ``json.dump`` counts as one; the ``json.dump`` inside it then
    does not.
    """
    module = readback.module
    if module is None:
        return
    for call in module.calls("json.dump", "json.dumps"):
        if not call.args or any(k.arg in ("default", "cls", None) for k in call.keywords):
            continue
        content = call.args[0]
        function = module.function_around(call)
        callers = [] if function is None else readback.flow.calls_of(function)
        if callers and function is not None and isinstance(content, ast.Name) and is_parameter(function, content.id):
            for where, outer in callers:
                given = readback.flow.argument_of(function, content.id, outer)
                if where is module and given is not None:
                    yield outer, given
        else:
            yield call, content


def parts(readback: Readback, content: ast.expr, depth: int = 4) -> Iterator[ast.expr]:
    """Yield the values inside of a written expression: of dictionaries and lists, and of names assigned such once."""
    yield content
    if depth == 0 or readback.module is None:
        return
    if isinstance(content, ast.Dict):
        for value in content.values:
            yield from parts(readback, value, depth - 1)
    elif isinstance(content, ast.List | ast.Tuple):
        for value in content.elts:
            yield from parts(readback, value, depth - 1)
    elif isinstance(content, ast.Name):
        assigned = readback.module.assigned(content)
        if assigned is not None:
            yield from parts(readback, assigned, depth - 1)


def target_of(readback: Readback, call: ast.Call) -> str | None:
    """Return the last part of the path that a writing call writes to, as far as the text tells."""
    module = readback.module
    if module is None:
        return None
    for given in [*call.args[1:], *(k.value for k in call.keywords)]:
        found = _path(module, given)
        if found is not None:
            return found
    return None


def _path(module: Module, node: ast.expr, depth: int = 5) -> str | None:
    if depth == 0:
        return None
    if isinstance(node, ast.Name):
        assigned = module.assigned(node)
        if assigned is not None:
            return _path(module, assigned, depth - 1)
        function = module.function_around(node)
        if function is not None and any(a.arg == node.id for a in parameters(function)):
            return None
        return next((p for opened in _opened(module, node) if (p := _path(module, opened, depth - 1))), None)
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Div):
        return _path(module, node.right, depth - 1)
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
        if node.func.attr == "join" and node.args:
            return _path(module, node.args[-1], depth - 1)
        return _path(module, node.func.value, depth - 1) if node.func.attr == "open" else None
    if (
        isinstance(node, ast.Call)
        and isinstance(node.func, ast.Name)
        and node.func.id in ("open", "Path", "str")
        and node.args
    ):
        return _path(module, node.args[0], depth - 1)
    return module.string(node)


def _opened(module: Module, name: ast.Name) -> Iterator[ast.expr]:
    """Yield what ``with ... as name`` around a name opens."""
    for around in module.ancestors(name):
        if isinstance(around, ast.With):
            for item in around.items:
                if isinstance(item.optional_vars, ast.Name) and item.optional_vars.id == name.id:
                    yield item.context_expr
