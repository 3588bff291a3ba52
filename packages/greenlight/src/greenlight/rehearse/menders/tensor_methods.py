"""A tensor's method is called on a plain number, or `numpy` on a tensor that cannot be converted as it is."""

from __future__ import annotations

import ast
import re
from collections.abc import Mapping
from typing import ClassVar

from greenlight.rehearse.menders.edits import around, changed
from greenlight.rehearse.menders.mender import Mended, Mender
from greenlight.rehearse.menders.place import place
from greenlight.rehearse.observer.record import Raised

_ON_NUMBER = re.compile(
    r"'(?:float|int|bool|list)' object has no attribute '"
    r"(item|detach|cpu|numpy|tolist|mean|sum|to|float|backward|max|min|size|shape|dim)'"
)
_NUMPY = re.compile(
    r"unsupported ScalarType BFloat16|Can't call numpy\(\) on Tensor that requires grad|device type tensor to numpy"
)


class TensorMethods(Mender):
    """``eta.item()`` where ``eta`` became a float."""

    name: ClassVar[str] = "tensor-methods"

    def mend(self, raised: Raised, files: Mapping[str, bytes]) -> Mended | None:
        """Return the files with a number that is a tensor, or a tensor that can be converted."""
        where = place(raised, files)
        if where is None:
            return None
        found = _ON_NUMBER.search(raised.root_message)
        if found is not None and found[1] != "backward":
            torch = where.name_of("torch")
            owners = [n.value for n in where.inside(ast.Attribute) if n.attr == found[1]]
            changes = [change for owner in owners[:1] for change in around(owner, f"{torch}.as_tensor(", ")")]
            said = f"{where.module.path}:{where.line}: .{found[1]} is asked of a tensor, not of a number"
        elif _NUMPY.search(raised.root_message):
            owners = [n.value for n in where.in_statement() if isinstance(n, ast.Attribute) and n.attr == "numpy"]
            changes = [c for owner in owners for c in around(owner, "(", ").detach().float().cpu()")]
            said = f"{where.module.path}:{where.line}: the tensor is detached, float and on the CPU before numpy"
        else:
            return None
        return Mended(changed(files, where.module.path, changes), said) if changes else None
