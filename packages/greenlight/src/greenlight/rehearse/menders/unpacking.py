"""A call returns more or fewer values than are unpacked."""

from __future__ import annotations

import ast
import re
from collections.abc import Mapping
from typing import ClassVar

from greenlight.rehearse.menders.edits import after, around, changed
from greenlight.rehearse.menders.mender import Mended, Mender
from greenlight.rehearse.menders.place import place
from greenlight.rehearse.observer.record import Raised

_TOO_MANY = re.compile(r"^too many values to unpack")
_TOO_FEW = re.compile(r"^not enough values to unpack \(expected (\d+), got (\d+)\)")


class Unpacking(Mender):
    """``train, test = loaders()`` where three come back."""

    name: ClassVar[str] = "unpacking"

    def mend(self, raised: Raised, files: Mapping[str, bytes]) -> Mended | None:
        """Return the files with names that take what comes; what is missing is the last value again."""
        where = place(raised, files)
        if where is None or not isinstance(where.statement, ast.Assign):
            return None
        statement = where.statement
        target = statement.targets[0]
        # A loop over a dictionary or a string unpacks too many as well, and there the count is not the mistake.
        if not isinstance(target, ast.Tuple) or not isinstance(statement.value, ast.Call | ast.Name):
            return None
        if any(isinstance(e, ast.Starred) for e in target.elts):
            return None
        path = where.module.path
        if _TOO_MANY.search(raised.root_message):
            changes = [after(target.elts[-1], ", *_")]
            said = f"{path}:{where.line}: what is returned beyond {len(target.elts)} values is left aside"
            return Mended(changed(files, path, changes), said)
        few = _TOO_FEW.search(raised.root_message)
        if few is None or few[2] == "0":
            return None
        missing = int(few[1]) - int(few[2])
        left, right = "(lambda values: (*values, *values[-1:] * ", ")"
        changes = [*around(statement.value, f"{left}{missing}))(tuple(", f"){right}")]
        said = f"{path}:{where.line}: the last of {few[2]} returned values stands for the {few[1]} that are unpacked"
        return Mended(changed(files, path, changes), said, rough=True)
