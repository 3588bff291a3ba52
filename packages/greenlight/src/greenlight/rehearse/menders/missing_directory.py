"""A file is written into a directory that nobody made."""

from __future__ import annotations

import ast
import re
from collections.abc import Mapping
from typing import ClassVar

from greenlight.rehearse.menders.edits import changed, statement_before, text_of
from greenlight.rehearse.menders.mender import Mended, Mender
from greenlight.rehearse.menders.place import Place, places
from greenlight.rehearse.observer.record import Raised

_SAID = re.compile(r"No such file or directory|non-existent directory|[Pp]arent directory .* does not exist")
_FIRST = {"savefig", "to_csv", "to_json", "to_parquet", "to_pickle", "write_html", "write_image", "savetxt"}
_OWN = {"write_text", "write_bytes"}
_MODULES = {"torch.save": 1, "numpy.save": 0, "numpy.savez": 0, "matplotlib.pyplot.savefig": 0, "joblib.dump": 1}


class MissingDirectory(Mender):
    """``open(results / run_id / "metrics.json", "w")``."""

    name: ClassVar[str] = "missing-directory"
    rank: ClassVar[int] = 55  # after the one that knows a file of the experiment

    def mend(self, raised: Raised, files: Mapping[str, bytes]) -> Mended | None:
        """Return the files with a directory that is made before the file is written."""
        if not _SAID.search(raised.root_message):
            return None
        for where in places(raised, files):
            written = _written(where)
            if written is None or where.statement is None:
                continue
            path = f'__import__("pathlib").Path({text_of(where.module, written)})'
            change = statement_before(
                where.module, where.statement, f"{path}.parent.mkdir(parents=True, exist_ok=True)"
            )
            if change is not None:
                said = f"{where.module.path}:{where.line}: the directory is made before the file is written"
                return Mended(changed(files, where.module.path, [change]), said)
        return None


def _written(where: Place) -> ast.expr | None:
    """Return the expression of the path that is written; its text must be the same when it is evaluated twice."""
    for call in [n for n in where.in_statement() if isinstance(n, ast.Call)]:
        dotted = where.module.dotted(call.func) or ""
        name = call.func.attr if isinstance(call.func, ast.Attribute) else getattr(call.func, "id", "")
        found: ast.expr | None = None
        if dotted in _MODULES:
            found = call.args[_MODULES[dotted]] if len(call.args) > _MODULES[dotted] else None
        elif name == "open" and isinstance(call.func, ast.Name) and call.args:
            found = call.args[0] if _writes(call, 1) else None
        elif name == "open" and isinstance(call.func, ast.Attribute):
            found = call.func.value if _writes(call, 0) else None
        elif name in _OWN and isinstance(call.func, ast.Attribute):
            found = call.func.value
        elif name in _FIRST and call.args:
            found = call.args[0]
        if found is not None and not any(isinstance(n, ast.NamedExpr | ast.Await | ast.Yield) for n in ast.walk(found)):
            return found
    return None


def _writes(call: ast.Call, position: int) -> bool:
    given = [k.value for k in call.keywords if k.arg == "mode"] or call.args[position : position + 1]
    return bool(given) and isinstance(given[0], ast.Constant) and any(c in str(given[0].value) for c in "wax")
