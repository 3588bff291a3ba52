"""A TOML file as rules see it: its values, and the line of every key that stands in it."""

from __future__ import annotations

import re
import tomllib
from typing import Any

_HEADER = re.compile(r"^\s*\[\[?\s*(?P<name>[^\]]+?)\s*\]\]?\s*(?:#.*)?$")
_KEY = re.compile(
    r"""^\s*(?P<key>(?:[A-Za-z0-9_-]+|"[^"]*"|'[^']*')(?:\s*\.\s*(?:[A-Za-z0-9_-]+|"[^"]*"|'[^']*'))*)\s*="""
)
_PART = re.compile(r"""[A-Za-z0-9_-]+|"[^"]*"|'[^']*'""")
_WHERE = re.compile(r"\(at line (?P<line>\d+), column (?P<column>\d+)\)")


class TomlFile:
    """A parsed TOML file; ``data`` is empty where it cannot be parsed, and ``error`` tells line, column and reason."""

    def __init__(self, path: str, content: bytes) -> None:
        self.path = path
        self.text = content.decode("utf-8-sig", errors="replace")
        self.lines = self.text.splitlines()
        self.data: dict[str, Any] = {}
        self.error: tuple[int, int, str] | None = None
        try:
            self.data = tomllib.loads(content.decode("utf-8-sig"))
        except UnicodeDecodeError as error:
            self.error = (content[: error.start].count(b"\n") + 1, 1, "a byte that is not UTF-8")
        except tomllib.TOMLDecodeError as error:
            found = _WHERE.search(str(error))
            line, column = (int(found["line"]), int(found["column"])) if found else (len(self.lines) or 1, 1)
            self.error = (line, column, _WHERE.sub("", str(error)).strip())
        except RecursionError:
            self.error = (1, 1, "nested too deeply to be parsed")
        self._lines = _lines_of_keys(self.lines)

    def get(self, *path: str, default: Any = None) -> Any:
        """Return the value at a path of keys."""
        found: Any = self.data
        for key in path:
            if not isinstance(found, dict) or key not in found:
                return default
            found = found[key]
        return found

    def line(self, *path: str) -> int:
        """Return the line of a key or table, or of the nearest table above it; 1 where none stands in the file."""
        while path:
            if path in self._lines:
                return self._lines[path]
            path = path[:-1]
        return 1

    def line_with(self, text: str, *path: str) -> int:
        """Return the first line at or after a key's line that contains a text; the key's line where none does."""
        start = self.line(*path)
        for number in range(start, len(self.lines) + 1):
            if text in self.lines[number - 1]:
                return number
        return start


def _lines_of_keys(lines: list[str]) -> dict[tuple[str, ...], int]:
    found: dict[tuple[str, ...], int] = {}
    table: tuple[str, ...] = ()
    for number, line in enumerate(lines, start=1):
        if header := _HEADER.match(line):
            table = _parts(header["name"])
            found.setdefault(table, number)
        elif key := _KEY.match(line):
            found.setdefault((*table, *_parts(key["key"])), number)
    return found


def _parts(dotted: str) -> tuple[str, ...]:
    return tuple(part.strip("\"'") for part in _PART.findall(dotted))
