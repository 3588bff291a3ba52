"""What src/evaluate.py writes as JSON, and to which file."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass

from greenlight.review.engines.flow import is_parameter
from greenlight.review.engines.readback import Readback
from greenlight.review.module import Function, Module, parameters, walk


@dataclass(frozen=True)
class Written:
    """One call that writes JSON as it stands, without ``default=``.

    Attributes
    ----------
    call
        The call: of ``json.dump``, ``json.dumps``, or of an own function that hands a parameter on to one.
    content
        The expression that is written.
    cleaners
        The own functions that the content goes through on its way.
    """

    call: ast.Call
    content: ast.expr
    cleaners: tuple[Function, ...] = ()


def written(readback: Readback) -> Iterator[Written]:
    """Yield each call that writes JSON as it stands.

    A call of an own function whose parameter goes into ``json.dump`` counts as one; the ``json.dump`` inside it then
    does not.
    """
    module = readback.module
    if module is None:
        return
    for call in module.calls("json.dump", "json.dumps"):
        if not call.args or any(k.arg in ("default", "cls", None) for k in call.keywords):
            continue
        yield from _traced(readback, Written(call, call.args[0]), call, 3)


def _traced(readback: Readback, found: Written, call: ast.Call, depth: int) -> Iterator[Written]:
    module = readback.module
    assert module is not None
    content, cleaners = found.content, found.cleaners
    while isinstance(content, ast.Call) and len(content.args) == 1 and not content.keywords:
        target = readback.flow.target(module, content)
        inner = content.args[0]
        if target is None or not (isinstance(inner, ast.Name) or cleaners):
            break
        if not _keeps_shape(target[1]):
            break
        content, cleaners = inner, (*cleaners, target[1])
    function = module.function_around(call)
    callers = [] if function is None else readback.flow.calls_of(function)
    name = content.id if isinstance(content, ast.Name) and module.assigned(content) is None else ""
    if depth and callers and function is not None and is_parameter(function, name):
        for where, outer in callers:
            given = readback.flow.argument_of(function, name, outer)
            if where is module and given is not None:
                yield from _traced(readback, Written(outer, given, cleaners), outer, depth - 1)
        return
    yield Written(found.call, content, cleaners)


def _keeps_shape(function: Function) -> bool:
    """Return whether a function makes values ready for JSON: it goes into containers by calling itself."""
    return any(
        isinstance(n, ast.Call) and isinstance(n.func, ast.Name) and n.func.id == function.name for n in walk(function)
    )


def parts(readback: Readback, content: ast.expr, depth: int = 4) -> Iterator[ast.expr]:
    """Yield the values inside of a written expression: of dictionaries and lists, and of names assigned such once."""
    yield content
    if depth == 0 or readback.module is None:
        return
    if isinstance(content, ast.Dict):
        for value in content.values:
            yield from parts(readback, value, depth - 1)
    elif isinstance(content, ast.BinOp) and isinstance(content.op, ast.BitOr):
        yield from parts(readback, content.left, depth - 1)
        yield from parts(readback, content.right, depth - 1)
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
    around = module.parent(call)
    first: list[ast.expr] = []
    if isinstance(around, ast.Call) and isinstance(around.func, ast.Attribute) and around.func.attr == "write_text":
        first = [around.func.value]  # path.write_text(json.dumps(...))
    elif isinstance(around, ast.BinOp) and isinstance(over := module.parent(around), ast.Call):
        first = [over.func.value] if isinstance(over.func, ast.Attribute) and over.func.attr == "write_text" else []
    for given in [*first, *call.args, *(k.value for k in call.keywords)]:
        found = path_name(module, given)
        if found is not None and ("." in found or "/" in found):
            return found
    return None


def path_name(module: Module, node: ast.expr, depth: int = 5) -> str | None:
    """Return the last part of a path expression, as far as the text tells."""
    if depth == 0:
        return None
    if isinstance(node, ast.Name):
        assigned = module.assigned(node)
        if assigned is not None:
            return path_name(module, assigned, depth - 1)
        function = module.function_around(node)
        if function is not None and any(a.arg == node.id for a in parameters(function)):
            return None
        return next((p for opened in _opened(module, node) if (p := path_name(module, opened, depth - 1))), None)
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Div):
        return path_name(module, node.right, depth - 1)
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
        if node.func.attr == "join" and node.args:
            return path_name(module, node.args[-1], depth - 1)
        return path_name(module, node.func.value, depth - 1) if node.func.attr == "open" else None
    if (
        isinstance(node, ast.Call)
        and isinstance(node.func, ast.Name)
        and node.func.id in ("open", "Path", "str")
        and node.args
    ):
        return path_name(module, node.args[0], depth - 1)
    return module.string(node)


def _opened(module: Module, name: ast.Name) -> Iterator[ast.expr]:
    """Yield what ``with ... as name`` around a name opens."""
    for around in module.ancestors(name):
        if isinstance(around, ast.With):
            for item in around.items:
                if isinstance(item.optional_vars, ast.Name) and item.optional_vars.id == name.id:
                    yield item.context_expr
