"""A module of the experiment is imported under a name that it does not have from where the command starts."""

from __future__ import annotations

import ast
import re
from collections.abc import Mapping
from typing import ClassVar

from greenlight.rehearse.menders.edits import Change, changed
from greenlight.rehearse.menders.mender import Mended, Mender
from greenlight.rehearse.menders.place import place
from greenlight.rehearse.observer.record import Raised

_MISSING = re.compile(r"^No module named '([\w.]+)'")
_UNKNOWN = re.compile(r"^cannot import name '(\w+)' from '([\w.]+)'")


class OwnImport(Mender):
    """``from preprocess import build`` where ``-m src.train`` finds the file as ``src.preprocess``."""

    name: ClassVar[str] = "own-import"

    def mend(self, raised: Raised, files: Mapping[str, bytes]) -> Mended | None:
        """Return the files with the import under the module's own name."""
        where = place(raised, files)
        if where is None or not isinstance(where.statement, ast.Import | ast.ImportFrom):
            return None
        path, statement = where.module.path, where.statement
        missing, unknown = _MISSING.search(raised.root_message), _UNKNOWN.search(raised.root_message)
        if missing is not None and missing[1].partition(".")[0] == "src" and "src/" in "".join(files):
            # The file was started as a script: its own folder is on the path, the experiment's is not.
            up = path.count("/")
            text = f'import sys; sys.path.insert(0, str(__import__("pathlib").Path(__file__).resolve().parents[{up}]))'
            change = Change(statement.lineno, 0, statement.lineno, 0, f"{text}\n")
            return Mended(changed(files, path, [change]), f"{path}: the experiment's folder is put on the path")
        if missing is not None:
            name = missing[1]
            if f"src/{name.replace('.', '/')}.py" not in files:
                return None
            line = where.module.lines[statement.lineno - 1]
            new = re.sub(rf"\b(from|import)\s+{re.escape(name)}\b", rf"\1 src.{name}", line, count=1)
            if isinstance(statement, ast.Import):
                new = re.sub(rf"\bimport\s+{re.escape(name)}\b", f"from src import {name}", line, count=1)
            change = Change(statement.lineno, 0, statement.lineno, len(line.encode()), new)
            return Mended(changed(files, path, [change]), f"{path}:{statement.lineno}: src.{name} is imported")
        if unknown is not None and isinstance(statement, ast.ImportFrom):
            return _moved(raised, files, unknown[1], unknown[2])
        return None


# What newer versions of a library have under another name.
_MOVED = {
    ("transformers", "AdamW"): "from torch.optim import AdamW",
    ("transformers.optimization", "AdamW"): "from torch.optim import AdamW",
    ("torch.optim.lr_scheduler", "_LRScheduler"): "from torch.optim.lr_scheduler import LRScheduler as _LRScheduler",
    ("scipy.integrate", "trapz"): "from scipy.integrate import trapezoid as trapz",
    ("datasets", "load_metric"): "from evaluate import load as load_metric",
}


def _moved(raised: Raised, files: Mapping[str, bytes], name: str, source: str) -> Mended | None:
    where = place(raised, files)
    line = _MOVED.get((source, name))
    statement = where.statement if where is not None else None
    if where is None or line is None or not isinstance(statement, ast.ImportFrom):
        return None
    if any(a.asname for a in statement.names):
        return None
    kept = [a.name for a in statement.names if a.name != name]
    head = where.module.lines[statement.lineno - 1].encode()[: statement.col_offset].decode()
    text = line if not kept else f"from {statement.module} import {', '.join(kept)}\n{head}{line}"
    change = Change(
        statement.lineno, statement.col_offset, statement.end_lineno or 0, statement.end_col_offset or 0, text
    )
    said = f"{where.module.path}:{statement.lineno}: {line}"
    return Mended(changed(files, where.module.path, [change]), said)
