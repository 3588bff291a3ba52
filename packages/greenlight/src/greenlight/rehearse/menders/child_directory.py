"""A child process is started in a directory in which the experiment's package is not found."""

from __future__ import annotations

import ast
import re
from collections.abc import Mapping
from typing import ClassVar

from greenlight.rehearse.menders.edits import Change, changed, over, with_keyword
from greenlight.rehearse.menders.mender import Mended, Mender
from greenlight.rehearse.observer.record import Raised
from greenlight.review.module import Module

_MISSING = re.compile(r"No module named '([\w.]+)'|can't open file '.*?([\w/]+)\.py'")
_STARTING = tuple(f"subprocess.{name}" for name in ("run", "call", "check_call", "check_output", "Popen"))


class ChildDirectory(Mender):
    """``python -m src.train`` after Hydra or the experiment itself changed the working directory."""

    name: ClassVar[str] = "child-directory"

    def mend(self, raised: Raised, files: Mapping[str, bytes]) -> Mended | None:
        """Return the files with children that are started in the experiment's folder."""
        found = _MISSING.search(raised.root_message)
        if found is None or raised.path or (not found[1] and "can't open" not in raised.root_message):
            return None
        missing = (found[1] or found[2].replace("/", ".")).partition(".")[0]
        if not any(path == f"{missing}.py" or path.startswith(f"{missing}/") for path in files):
            return None
        result, said = dict(files), ""
        for path in files:
            if path.endswith(".py"):
                module = Module(path, files[path])
                changes = _changes(module, missing)
                if changes:
                    result = changed(result, path, changes)
                    said = said or f"{path}: the child process is started in the experiment's folder (cwd=)"
        return Mended(result, said) if said else None


def _changes(module: Module, missing: str) -> list[Change]:
    if not any(isinstance(n, ast.Constant) and _names(n.value, missing) for n in module.nodes):
        return []
    up = module.path.count("/")
    folder = f'__import__("pathlib").Path(__file__).resolve().parents[{up}]'
    changes: list[Change] = []
    for call in module.calls(*_STARTING):
        given = next((k.value for k in call.keywords if k.arg == "cwd"), None)
        change = with_keyword(call, f"cwd={folder}") if given is None else over(given, folder)
        if change is not None:
            changes.append(change)
    return changes


def _names(value: object, missing: str) -> bool:
    return isinstance(value, str) and (value == missing or value.startswith((f"{missing}.", f"{missing}/")))
