"""A data set is loaded without its configuration's name, or a name or split that it does not have."""

from __future__ import annotations

import ast
import re
from collections.abc import Mapping
from typing import ClassVar

from greenlight.rehearse.menders.edits import Change, changed, over, with_keyword
from greenlight.rehearse.menders.mender import Mended, Mender
from greenlight.rehearse.menders.place import place
from greenlight.rehearse.observer.record import Raised
from greenlight.review.module import Module

_UNNAMED = re.compile(r"Config name is missing.*?\[(.*?)\]", re.DOTALL)
_UNKNOWN = re.compile(
    r"(?:BuilderConfig|[Uu]nknown split) ['\"](.+?)['\"](?: not found\. Available|\. Should be one of):? ?\[(.*?)\]",
    re.DOTALL,
)
_QUOTED = re.compile(r"['\"](.+?)['\"]")
_USUAL = ("main", "default", "plain_text")
_STANDING_FOR = {"validation": ("test", "dev"), "dev": ("validation", "test"), "val": ("validation", "test")}


class DataConfiguration(Mender):
    """``load_dataset("openai/gsm8k", split="train")``: the error lists the names that there are."""

    name: ClassVar[str] = "data-configuration"

    def mend(self, raised: Raised, files: Mapping[str, bytes]) -> Mended | None:
        """Return the files with a name that the data set has."""
        words = f"{raised.message}\n{raised.root_message}"
        unnamed, unknown = _UNNAMED.search(words), _UNKNOWN.search(words)
        where = place(raised, files)
        if unnamed is not None and where is not None:
            names = _QUOTED.findall(unnamed[1])
            chosen = next((n for n in _USUAL if n in names), names[0] if names else None)
            changes = _named(where.module, chosen) if chosen else []
            if changes:
                said = f"{where.module.path}:{where.line}: load_dataset got the configuration {chosen!r}"
                return Mended(changed(files, where.module.path, changes), said)
        if unknown is not None:
            given, names = unknown[1], _QUOTED.findall(unknown[2])
            wanted = (*_STANDING_FOR.get(given, ()), *_USUAL, *names)
            chosen = next((n for n in wanted if n in names), None)
            if chosen:
                return _replaced(files, given, chosen)
        return None


def _named(module: Module, chosen: str) -> list[Change]:
    """Return the changes of all calls that name no configuration; in one file it is one mistake."""
    changes: list[Change] = []
    for call in module.calls("datasets.load_dataset"):
        named = len(call.args) > 1 or any(k.arg in ("name", None) for k in call.keywords)
        if not named and not any(isinstance(a, ast.Starred) for a in call.args):
            change = with_keyword(call, f"name={chosen!r}")
            changes += [] if change is None else [change]
    return changes


def _replaced(files: Mapping[str, bytes], given: str, chosen: str) -> Mended | None:
    """Return the files with a name in place of another one, in calls and in values of the configuration."""
    result = dict(files)
    value = re.compile(rf"^(\s*(?:-\s+)?[\w-]+:\s*)(['\"]?){re.escape(given)}\2(?=\s*(?:#|$))", re.MULTILINE)
    for path, content in files.items():
        if path.startswith("config/"):
            written = value.sub(lambda found: f"{found[1]}{found[2]}{chosen}{found[2]}", content.decode("utf-8"))
            result[path] = written.encode()
        elif path.endswith(".py"):
            module = Module(path, content)
            changes = [
                over(n, repr(chosen))
                for call in module.calls("datasets.load_dataset")
                for n in [*call.args[1:], *(k.value for k in call.keywords if k.arg in ("name", "split"))]
                if isinstance(n, ast.Constant) and n.value == given
            ]
            result = changed(result, path, changes) if changes else result
    return Mended(result, f"{chosen!r} is loaded in place of {given!r}, which the data set does not have")
