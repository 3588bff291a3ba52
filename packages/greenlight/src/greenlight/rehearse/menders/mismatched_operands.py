"""Two operands have different types or are on different devices."""

from __future__ import annotations

import ast
import re
from collections.abc import Mapping
from typing import ClassVar

from greenlight.rehearse.menders.edits import Change, around, changed, text_of
from greenlight.rehearse.menders.mender import Mended, Mender
from greenlight.rehearse.menders.place import Place, place
from greenlight.rehearse.observer.record import Raised

_TYPES = re.compile(
    r"must have the same dtype|to have the same dtype|expected scalar type \w+ but found|"
    r"Input type \(.*\) and (?:bias|weight) type|expected .*dtype .* but got|must be the same dtype"
)
_DEVICES = re.compile(r"[Ee]xpected all tensors to be on the same device|should be the same.*cuda|same device")
_PRODUCTS = {"matmul", "mm", "bmm", "addmm", "dot", "mv", "linear", "einsum"}


class MismatchedOperands(Mender):
    """A network in float is fed with bfloat16, or one on the CPU with a tensor of the GPU."""

    name: ClassVar[str] = "mismatched-operands"

    def mend(self, raised: Raised, files: Mapping[str, bytes]) -> Mended | None:
        """Return the files with an input that fits the network, or an operand that fits the other one."""
        types, devices = _TYPES.search(raised.root_message), _DEVICES.search(raised.root_message)
        where = place(raised, files)
        if where is None or (types is None and devices is None):
            return None
        what = "device" if devices is not None else "dtype"
        changes = _inputs(where, what) or _products(where, what)
        said = f"{where.module.path}:{where.line}: the operands have one {what}"
        return Mended(changed(files, where.module.path, changes), said) if changes else None


def _inputs(where: Place, what: str) -> list[Change]:
    """Return the changes that fit the first input of each network that is called."""
    changes: list[Change] = []
    for call in where.inside(ast.Call):
        if not call.args or isinstance(call.args[0], ast.Starred) or not _is_network(where, call.func):
            continue
        network = text_of(where.module, call.func)
        changes += around(call.args[0], "(", f").to(next({network}.parameters()).{what})")
    return changes


def _is_network(where: Place, function: ast.expr) -> bool:
    """Tell whether an attribute of ``self`` was assigned an object of a class, as networks are."""
    if not (isinstance(function, ast.Attribute) and isinstance(function.value, ast.Name)):
        return False
    for node in where.module.nodes:
        if isinstance(node, ast.Assign) and isinstance(node.value, ast.Call):
            made = node.value.func
            name = made.attr if isinstance(made, ast.Attribute) else made.id if isinstance(made, ast.Name) else ""
            if name.lstrip("_")[:1].isupper() and any(
                isinstance(t, ast.Attribute) and t.attr == function.attr for t in node.targets
            ):
                return name not in ("Parameter", "ParameterList", "Tensor")
    return False


def _products(where: Place, what: str) -> list[Change]:
    changes: list[Change] = []
    for node in where.inside(ast.BinOp, ast.Call):
        if isinstance(node, ast.BinOp):
            left, right = node.left, node.right
        elif isinstance(node, ast.Call) and len(node.args) > 1 and _called(node) in _PRODUCTS:
            left, right = node.args[0], node.args[1]
        else:
            continue
        if isinstance(left, ast.Constant) or isinstance(right, ast.Constant):
            continue
        return list(around(right, "(", f").to(({text_of(where.module, left)}).{what})"))
    return changes


def _called(call: ast.Call) -> str:
    return call.func.attr if isinstance(call.func, ast.Attribute) else getattr(call.func, "id", "")
