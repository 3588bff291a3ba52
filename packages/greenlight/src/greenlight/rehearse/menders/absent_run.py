"""A run of the tracker is used where there is none, because tracking is disabled."""

from __future__ import annotations

import ast
import re
from collections.abc import Mapping
from typing import ClassVar

from greenlight.rehearse.menders.edits import Change, before, changed, over, text_of
from greenlight.rehearse.menders.mender import Mended, Mender
from greenlight.rehearse.menders.place import place
from greenlight.rehearse.observer.record import Raised

_USED = (
    "log", "summary", "finish", "config", "save", "watch", "define_metric", "log_artifact", "alert", "url",
    "id", "name", "get_url", "path", "project", "entity", "dir", "use_artifact",
)  # fmt: skip
_ABSENT = re.compile(rf"'NoneType' object has no attribute '({'|'.join(_USED)})'")
_RUN = re.compile(r"(?:^|[._])(?:run|wandb|wb|tracker|logger)\w*$")


class AbsentRun(Mender):
    """``run.log(...)`` where ``run`` is None in trial mode."""

    name: ClassVar[str] = "absent-run"

    def mend(self, raised: Raised, files: Mapping[str, bytes]) -> Mended | None:
        """Return the files with statements that are passed over where there is no run."""
        found = _ABSENT.search(raised.root_message)
        where = place(raised, files)
        if found is None or where is None:
            return None
        used = next((n for n in where.inside(ast.Attribute) if n.attr == found[1]), None)
        owner = text_of(where.module, used.value) if used is not None else ""
        if not _RUN.search(owner):
            return None
        changes: list[Change] = []
        for node in where.module.nodes:
            if not isinstance(node, ast.Attribute) or node.attr not in _USED:
                continue
            if text_of(where.module, node.value) != owner:
                continue
            statement = where.module.statement(node)
            if statement is None:
                continue
            if isinstance(statement, ast.Expr | ast.AugAssign) or _writes(statement, node):
                if _begins_its_line(where.module.lines, statement):
                    changes.append(before(statement, f"if {owner} is not None: "))
            elif isinstance(node.ctx, ast.Load):
                changes.append(over(node, f'getattr({owner}, "{node.attr}", None)'))
        said = f"{where.module.path}:{where.line}: {owner} is not used where it is None"
        return Mended(changed(files, where.module.path, dict.fromkeys(changes)), said) if changes else None


def _writes(statement: ast.stmt, node: ast.Attribute) -> bool:
    """Tell whether an assignment's target is below the run, such as ``run.summary["x"] = 1``."""
    return isinstance(statement, ast.Assign) and any(n is node for t in statement.targets for n in ast.walk(t))


def _begins_its_line(lines: list[str], statement: ast.stmt) -> bool:
    return not lines[statement.lineno - 1].encode()[: statement.col_offset].strip()
