"""Where tensors and networks are: which names of a function are on the device, and what can move a module there."""

from __future__ import annotations

import ast

from greenlight.review.engines.aliases import Life
from greenlight.review.engines.networks import Network
from greenlight.review.module import Function, Module, walk
from greenlight.review.subject import Subject

LEAVES_DEVICE = frozenset({"item", "tolist", "numpy", "cpu"})
"""Methods whose result is not where the tensor was."""
_MOVES = frozenset({"to", "cuda"})
_LEAVING_IT = ("torch.optim.", "torch.nn.utils.clip_grad", "isinstance")
_MAKERS = frozenset(f"torch.{name}" for name in ("tensor", "zeros", "ones", "full", "randn", "rand", "arange"))


def stays(life: Life) -> bool:
    """Return whether nothing that happens to a module can move it."""
    return (
        not life.escapes
        and not any(_is_moved_inside(module, node) for module, node in life.attributes)
        and not life.reads(*_MOVES, "load", "add_module", "prepare", "apply", "share_memory", "_apply", "data")
        and all((to or "").startswith(_LEAVING_IT) for _, _, to in life.given)
    )


def names_on_device(function: Function) -> set[str]:
    """Return the names of a function that hold tensors of the device for sure."""
    found = set()
    for node in walk(function):
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
            value: ast.expr = node.value
            value = value.value if isinstance(value, ast.DictComp) else value
            if (
                isinstance(value, ast.Call)
                and isinstance(value.func, ast.Attribute)
                and value.func.attr in _MOVES
                and (value.func.attr == "cuda" or (value.args and _names_device(value.args[0])))
            ):
                found.add(node.targets[0].id)
    stored = [n.id for n in walk(function) if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Store)]
    return {name for name in found if stored.count(name) == 1}


def moved_names(module: Module, function: Function) -> set[str]:
    """Return the names of a function that are moved to a device."""
    moved = set()
    for node in walk(function):
        if not (isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in _MOVES):
            continue
        given = ast.unparse(node.args[0]) if node.args else ""
        if node.func.attr == "to" and "device" not in given and "cuda" not in given:
            continue
        if isinstance(node.func.value, ast.Name):
            moved.add(node.func.value.id)
        statement = module.parent(node)
        if isinstance(statement, ast.Assign) and isinstance(statement.targets[0], ast.Name):
            moved.add(statement.targets[0].id)
    return moved


def minds_devices(network: Network, call: ast.AST) -> bool:
    """Return whether a class or the call that makes it says anything about devices."""
    for node in (*walk(network.node), *walk(call)):
        words = [w for w in (getattr(node, "attr", None), getattr(node, "id", None), getattr(node, "arg", None)) if w]
        if any("device" in w or w in ("to", "cuda", "cpu", "to_empty") for w in words if isinstance(w, str)):
            return True
    return False


def stays_tensor(subject: Subject, module: Module, node: ast.expr) -> bool:
    """Return whether the functions that an argument comes through hand on tensors where they are."""
    if isinstance(node, ast.Name):
        assigned = module.assigned(node)
        if assigned is None:
            return False
        node = assigned
    while isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in ("detach", "float"):
        node = node.func.value
    if isinstance(node, ast.Name | ast.Attribute | ast.Subscript):
        return True
    if not isinstance(node, ast.Call):
        return False
    dotted = module.dotted(node.func)
    found = subject.find(dotted) if dotted else None
    if found is None:
        return isinstance(node.func, ast.Name) or (isinstance(node.func, ast.Attribute) and node.func.attr == "to")
    words = {n.attr for n in walk(found[1]) if isinstance(n, ast.Attribute)}
    called = {n.func.id for n in walk(found[1]) if isinstance(n, ast.Call) and isinstance(n.func, ast.Name)}
    return not words & LEAVES_DEVICE and not called & {"float", "int"}


def _is_moved_inside(module: Module, node: ast.Attribute) -> bool:
    """Return whether a part of a module is moved: ``model.encoder.to(...)``, or each of ``model.parameters()``."""
    around = module.parent(node)
    if isinstance(around, ast.Attribute):
        return around.attr in _MOVES
    loop = next((a for a in module.ancestors(node) if isinstance(a, ast.For)), None)
    if loop is None or not any(n is node for n in walk(loop.iter)):
        return False
    return any(isinstance(n, ast.Attribute) and n.attr in _MOVES for n in walk(loop))


def _names_device(node: ast.expr) -> bool:
    """Return whether an argument of ``to`` is the device of the experiment, not that of another tensor or model."""
    text = ast.unparse(node)
    return text in ("device", "self.device") or "cuda" in text


def is_made_there(module: Module, node: ast.expr) -> bool:
    """Return whether an expression is ``torch.tensor(..., device=device)``."""
    return (
        isinstance(node, ast.Call)
        and module.dotted(node.func) in _MAKERS
        and any(k.arg == "device" and _names_device(k.value) for k in node.keywords)
    )
