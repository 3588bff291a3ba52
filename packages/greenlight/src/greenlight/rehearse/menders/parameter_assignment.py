"""A plain tensor is assigned to an attribute that is a parameter or a buffer of a module."""

from __future__ import annotations

import ast
import re
from collections.abc import Mapping
from typing import ClassVar

from greenlight.rehearse.menders.edits import after, around, changed
from greenlight.rehearse.menders.mender import Mended, Mender
from greenlight.rehearse.menders.place import place
from greenlight.rehearse.observer.record import Raised

_PARAMETER = re.compile(r"cannot assign '[\w.]+' (?:object )?as parameter '(\w+)'")
_BUFFER = re.compile(r"cannot assign '[\w.]+' object to buffer '(\w+)'")
_LEAF = "a leaf Variable that requires grad is being used in an in-place operation"


class ParameterAssignment(Mender):
    """``self.h = self.cell(self.h)`` where ``self.h`` is an ``nn.Parameter``."""

    name: ClassVar[str] = "parameter-assignment"

    def mend(self, raised: Raised, files: Mapping[str, bytes]) -> Mended | None:
        """Return the files with an assignment to the parameter's data."""
        where = place(raised, files)
        if where is None or where.statement is None:
            return None
        parameter, buffer = _PARAMETER.search(raised.root_message), _BUFFER.search(raised.root_message)
        in_place = _LEAF in raised.root_message
        statement = where.statement
        value = getattr(statement, "value", None)
        if isinstance(statement, ast.Assign):
            targets = statement.targets
        elif isinstance(statement, ast.AugAssign | ast.AnnAssign):
            targets = [statement.target]
        else:
            return None
        if not isinstance(value, ast.expr):
            return None
        if buffer is not None:
            left, right = f"{where.name_of('torch')}.as_tensor(", ")"
            changes = [*around(value, left, right)]
            said = f"{where.module.path}:{where.line}: the buffer {buffer[1]} is given a tensor"
            return Mended(changed(files, where.module.path, changes), said)
        named = [t for t in targets if isinstance(t, ast.Attribute) and parameter and t.attr == parameter[1]]
        if in_place and isinstance(statement, ast.AugAssign):
            named = [t for t in targets if isinstance(t, ast.Attribute | ast.Name)]  # type: ignore[misc]
        if not named:
            return None
        changes = [after(named[0], ".data"), *(() if in_place else around(value, "(", ").detach()"))]
        said = f"{where.module.path}:{where.line}: the parameter keeps its place and takes the tensor's values"
        return Mended(changed(files, where.module.path, changes), said)
