"""A program starts another one with an override of a key that the configuration does not have."""

from __future__ import annotations

import ast
import re
from collections.abc import Mapping
from typing import ClassVar

from greenlight.rehearse.menders.edits import Change, changed, text_of
from greenlight.rehearse.menders.mender import Mended, Mender
from greenlight.rehearse.observer.record import Raised
from greenlight.review.module import Module

_REFUSED = re.compile(r"Could not override '([\w.]+)'")
_OVERRIDE = re.compile(r"""^([fFrR]{0,2}["'])([A-Za-z_]\w*(?:\.\w+)*=)""")


class RefusedOverride(Mender):
    """``"optuna.n_trials=0"`` in the command of a child where only ``+optuna.n_trials=0`` is taken.

    The overrides of dotted keys beside it are of the same kind; one without a dot, as ``mode=``, may choose a group.
    """

    name: ClassVar[str] = "refused-override"

    def mend(self, raised: Raised, files: Mapping[str, bytes]) -> Mended | None:
        """Return the files with overrides that add the key where it is missing."""
        found = _REFUSED.search(raised.message) or _REFUSED.search(raised.root_message)
        if found is None:
            return None
        result = dict(files)
        for path in files:
            if path.endswith(".py"):
                module = Module(path, files[path])
                changes = _changes(module, found[1])
                result = changed(result, path, changes) if changes else result
        said = f"the override of {found[1]} adds the key (++), as do those of dotted keys beside it"
        return Mended(result, said, rough=True) if result != files else None


def _changes(module: Module, key: str) -> list[Change]:
    """Return the changes of all overrides of dotted keys that stand beside the one that was refused."""
    changes: list[Change] = []
    for node in module.nodes:
        if not isinstance(node, ast.List | ast.Tuple | ast.Call):
            continue
        parts: list[ast.expr] = node.args if isinstance(node, ast.Call) else node.elts
        found = [(p, _OVERRIDE.match(text_of(module, p))) for p in parts if isinstance(p, ast.Constant | ast.JoinedStr)]
        if any(match is not None and match[2] == f"{key}=" for _, match in found):
            for part, match in found:
                if match is not None and (match[2] == f"{key}=" or "." in match[2]):
                    column = part.col_offset + len(match[1])
                    changes.append(Change(part.lineno, column, part.lineno, column, "++"))
    return changes
