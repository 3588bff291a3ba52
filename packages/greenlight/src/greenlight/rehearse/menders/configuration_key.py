"""A key is read at a place of the configuration where it does not stand, and stands at another or nearly so."""

from __future__ import annotations

import ast
import difflib
import re
from collections.abc import Iterator, Mapping
from typing import Any, ClassVar

from greenlight.rehearse.menders.mender import Mended, Mender
from greenlight.rehearse.menders.place import Place, places
from greenlight.rehearse.menders.yaml_text import with_key
from greenlight.rehearse.observer.record import Raised
from greenlight.review.yaml_file import YamlFile

_MISSING = re.compile(r"(?:Missing key|Key) '?([\w-]+)'?(?: is not in struct)?")
_FULL = re.compile(r"full_key: ([\w.\-]+)")
_CONFIGURATION = re.compile(r"(?:^|_)(?:cfg|conf|config|configuration|params|hparams|settings)$")
_NEAR = 0.8
_OF_ITS_OWNER = {"name", "type", "id", "path", "dir", "mode", "value", "size", "split", "kind", "method", "enabled"}


class ConfigurationKey(Mender):
    """``cfg.training.evaluation`` where the file has ``evaluation`` at its top."""

    name: ClassVar[str] = "configuration-key"
    rank: ClassVar[int] = 60  # after those that know a key that is written

    def mend(self, raised: Raised, files: Mapping[str, bytes]) -> Mended | None:
        """Return the files with the key where it is read, with the value that stands elsewhere."""
        wanted = _wanted(raised, files)
        if not wanted:
            return None
        yamls = {
            p: YamlFile(p, c) for p, c in files.items() if p.startswith("config/") and p.endswith((".yaml", ".yml"))
        }
        result, source = dict(files), ""
        for path, file in yamls.items():
            if file.error is not None:
                continue
            found = _found(file, wanted)
            if found is None:
                continue
            name, value = found
            if not isinstance(value, dict) and re.search(rf"\b{re.escape(wanted[-1])}\b['\"]?\]?\s*[.\[]", raised.code):
                continue  # what is read is below it
            written = with_key(files[path], wanted, value)
            if written is not None:
                result[path], source = written, name
        if result == files:
            return None
        said = f"config: {'.'.join(wanted)} was added with the value of {source}"
        return Mended(result, said, rough=not _is_related(tuple(source.split(".")), wanted))


def _wanted(raised: Raised, files: Mapping[str, bytes]) -> tuple[str, ...]:
    """Return the path of the key that was read."""
    for kind, message in ((raised.root_type, raised.root_message), (raised.type, raised.message)):
        if kind in ("ConfigAttributeError", "ConfigKeyError"):
            full = _FULL.search(message)
            if full:
                return tuple(full[1].split("."))
            missing = _MISSING.search(message)
            return (missing[1],) if missing else ()
    if raised.root_type == "KeyError":
        key = raised.root_message.strip("'\"")
        for where in places(raised, files):
            return _chain(where, key)
    return ()


def _chain(where: Place, key: str) -> tuple[str, ...]:
    """Return the keys of ``cfg["a"]["b"]`` up to the one that is missing."""
    for node in where.inside(ast.Subscript):
        keys: list[str] = []
        inner: ast.expr = node
        while isinstance(inner, ast.Subscript) and isinstance(inner.slice, ast.Constant):
            keys.insert(0, str(inner.slice.value))
            inner = inner.value
        if isinstance(inner, ast.Name) and _CONFIGURATION.search(inner.id) and key in keys and len(keys) > 1:
            return tuple(keys[: keys.index(key) + 1])
    return ()


def _found(file: YamlFile, wanted: tuple[str, ...]) -> tuple[str, Any] | None:
    """Return where the value is: under the same name elsewhere, or under nearly the same beside it."""
    parent: Any = file.get(*wanted[:-1]) if len(wanted) > 1 else file.data
    if isinstance(parent, dict) and wanted[-1] in parent:
        return None
    elsewhere = [(p, v) for p, v in _mappings(file.data, ()) if p[-1] == wanted[-1] and _may_stand_for(p, wanted)]
    if len(elsewhere) == 1:
        return ".".join(elsewhere[0][0]), elsewhere[0][1]
    if not elsewhere and isinstance(parent, dict):
        near = difflib.get_close_matches(wanted[-1], list(map(str, parent)), n=2, cutoff=_NEAR)
        if len(near) == 1:
            return ".".join((*wanted[:-1], near[0])), parent[near[0]]
    return None


def _may_stand_for(path: tuple[str, ...], wanted: tuple[str, ...]) -> bool:
    """Tell whether a key of the same name can mean the same: a ``name`` means what it belongs to."""
    if wanted[-1] not in _OF_ITS_OWNER:
        return True
    return len(path) > 1 and len(wanted) > 1 and _is_related(path, wanted)


def _is_related(path: tuple[str, ...], wanted: tuple[str, ...]) -> bool:
    """Tell whether one stands at or below the other's parent: a level too high or too low."""
    one, other = path[:-1], wanted[:-1]
    return one[: len(other)] == other or other[: len(one)] == one


def _mappings(value: Any, path: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], Any]]:
    if isinstance(value, dict):
        for key, inner in value.items():
            yield (*path, str(key)), inner
            yield from _mappings(inner, (*path, str(key)))
