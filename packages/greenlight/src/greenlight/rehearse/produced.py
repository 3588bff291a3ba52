"""The files that a rehearsal left in its results folder."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

_LARGEST_JSON = 16 * 2**20
_MOST_FILES = 5_000


@dataclass(frozen=True)
class JsonFile:
    """A JSON file; ``trouble`` says why a strict parser refuses it, and ``content`` is what a lenient one reads."""

    content: Any
    trouble: str | None


@dataclass(frozen=True)
class Produced:
    """Files below a folder by relative path, with their sizes in bytes, and the content of JSON files."""

    sizes: dict[str, int]
    json: dict[str, JsonFile]

    def figures(self) -> tuple[str, ...]:
        """Return the paths of figures."""
        return tuple(path for path in self.sizes if path.endswith((".pdf", ".png", ".svg", ".jpg", ".jpeg")))


def produced(folder: Path) -> Produced:
    """Return what lies below a folder; links are left out, and so is what comes after the first 5,000 files."""
    sizes: dict[str, int] = {}
    contents: dict[str, JsonFile] = {}
    for place, folders, names in os.walk(folder, followlinks=False):
        folders.sort()
        for name in sorted(names):
            path = Path(place, name)
            if path.is_symlink() or not path.is_file() or len(sizes) >= _MOST_FILES:
                continue
            relative = path.relative_to(folder).as_posix()
            sizes[relative] = path.stat().st_size
            if name.endswith(".json") and sizes[relative] <= _LARGEST_JSON:
                contents[relative] = read_json(path.read_bytes())
    return Produced(sizes, contents)


def read_json(content: bytes) -> JsonFile:
    """Return what a file holds, and what is wrong with it as JSON (RFC 8259).

    Examples
    --------
    >>> read_json(b'{"a": NaN}').trouble
    'NaN is no JSON value'
    """
    lenient: Any = None
    try:
        text = content.decode("utf-8")
        lenient = json.loads(text)
        json.loads(text, parse_constant=_refused, parse_float=_finite(_refused))
    except _RefusedError as error:
        return JsonFile(lenient, str(error))
    except (ValueError, RecursionError) as error:
        return JsonFile(None, f"cannot be parsed: {' '.join(str(error).split())[:200]}")
    return JsonFile(lenient, None)


class _RefusedError(Exception):
    pass


def _refused(word: str) -> NoReturn:
    raise _RefusedError(f"{word} is no JSON value")


def _finite(refuse: Callable[[str], NoReturn]) -> Callable[[str], float]:
    def parse(text: str) -> float:
        value = float(text)
        if math.isinf(value):
            refuse(text)
        return value

    return parse
