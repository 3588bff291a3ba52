"""Reading the streams of a run back: by position, by step, thinned, as columns."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Final, TypeVar

from .database import EVENTS, HISTORY, LOG, Database

Row = TypeVar("Row")
WORDS: Final = {math.inf: "Infinity", -math.inf: "-Infinity"}


@dataclass(frozen=True)
class LogLine:
    """A console line and its position."""

    number: int
    text: str


@dataclass(frozen=True)
class Columns:
    """Rows of a stream as columns: what a page draws without parsing every row."""

    next: int
    """Position after the last row."""
    numbers: list[int]
    columns: dict[str, list[Any]]
    """A value for each row and key, nested keys joined by dots; None where the row lacks the key."""


class History:
    """Reads streams; every answer is one consistent snapshot."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def lines(self, run_id: int, stream: int, *, samples: int | None = None) -> list[str]:
        """Return the rows of a stream as text, thinned evenly to `samples` if there are more; first and last stay."""
        rows = self._database.read().execute(
            "SELECT text FROM line WHERE run_id = ? AND stream = ? ORDER BY number", (run_id, stream)
        )
        return thinned([row["text"] for row in rows], samples)

    def between(self, run_id: int, min_step: int, max_step: int) -> list[str]:
        """Return every history row with ``min_step <= step < max_step``, in the order of steps."""
        rows = self._database.read().execute(
            "SELECT text FROM line WHERE run_id = ? AND stream = 0 AND step >= ? AND step < ? ORDER BY step, number",
            (run_id, _clamped(min_step), _clamped(max_step)),
        )
        return [row["text"] for row in rows]

    def with_keys(
        self, run_id: int, keys: Sequence[str], *, min_step: int | None, max_step: int | None, samples: int | None
    ) -> list[dict[str, Any]]:
        """Return the rows that hold all `keys`, cut down to them.

        Parameters
        ----------
        keys
            History keys; ``a.b`` reaches into a nested value unless a key of that very name exists.
        min_step, max_step
            Bounds, both inclusive. With bounds every row is returned.
        samples
            Without bounds, the number of rows to thin to.
        """
        low = -(1 << 62) if min_step is None else min_step
        high = (1 << 62) if max_step is None else max_step + 1
        found = []
        for text in self.between(run_id, low, high):
            row = json.loads(text)
            values = {key: value for key in keys if (value := dig(row, key)) is not None}
            if len(values) == len(set(keys)):
                found.append({key: plain(value) for key, value in values.items()})
        bounded = min_step is not None or max_step is not None
        return thinned(found, None if bounded else samples)

    def keys(self, run_id: int) -> list[tuple[str, str, int]]:
        """Return the history keys with the kind of their values and the number of rows that hold them."""
        rows = self._database.read().execute(
            "SELECT key, kind, rows FROM metric WHERE run_id = ? ORDER BY key, kind", (run_id,)
        )
        return [(row["key"], row["kind"], row["rows"]) for row in rows]

    def tail(self, run_id: int, stream: int) -> list[str]:
        """Return the last row of a stream, as the list that the client expects."""
        rows = self._database.read().execute(
            "SELECT text FROM line WHERE run_id = ? AND stream = ? ORDER BY number DESC LIMIT 1", (run_id, stream)
        )
        return [row["text"] for row in rows]

    def log(self, run_id: int, *, first: int | None = None, after: int = -1, last: int | None = None) -> list[LogLine]:
        """Return console lines: the first ones behind position `after`, or the last ones."""
        if last is not None:
            rows = self._database.read().execute(
                "SELECT number, text FROM (SELECT number, text FROM line WHERE run_id = ? AND stream = ?"
                " ORDER BY number DESC LIMIT ?) ORDER BY number",
                (run_id, LOG, last),
            )
        else:
            rows = self._database.read().execute(
                "SELECT number, text FROM line WHERE run_id = ? AND stream = ? AND number > ? ORDER BY number LIMIT ?",
                (run_id, LOG, after, -1 if first is None else first),
            )
        return [LogLine(row["number"], row["text"]) for row in rows]

    def columns(self, run_id: int, stream: int, *, start: int, limit: int) -> Columns:
        """Return up to `limit` rows from position `start` as columns of numbers; other values are left out."""
        assert stream in (HISTORY, EVENTS)
        rows = self._database.read().execute(
            "SELECT number, text FROM line WHERE run_id = ? AND stream = ? AND number >= ? ORDER BY number LIMIT ?",
            (run_id, stream, start, limit),
        )
        numbers: list[int] = []
        columns: dict[str, list[Any]] = {}
        for index, row in enumerate(rows):
            numbers.append(row["number"])
            for key, value in _numeric(json.loads(row["text"])):
                column = columns.setdefault(key, [])
                column.extend([None] * (index - len(column)))
                column.append(value)
        for column in columns.values():
            column.extend([None] * (len(numbers) - len(column)))
        return Columns(numbers[-1] + 1 if numbers else start, numbers, columns)


def thinned(rows: Sequence[Row], samples: int | None) -> list[Row]:
    """Return `rows`, or `samples` of them at even distances with the first and the last."""
    if samples is None or samples >= len(rows):
        return list(rows)
    if samples <= 1:
        return list(rows[-1:]) if samples == 1 else []
    return [rows[round(i * (len(rows) - 1) / (samples - 1))] for i in range(samples)]


def dig(row: dict[str, Any], key: str) -> Any:
    """Return the value of a key, or of a path with dots into nested values; None if there is none."""
    if key in row:
        return row[key]
    head, dot, rest = key.partition(".")
    while dot:
        inner = row.get(head)
        if isinstance(inner, dict) and (value := dig(inner, rest)) is not None:
            return value
        more, dot, rest = rest.partition(".")
        head = f"{head}.{more}"
    return None


def plain(value: Any) -> Any:
    """Return a value that strict JSON can carry: NaN and infinities become the words that float() reads back."""
    if isinstance(value, float) and not math.isfinite(value):
        return WORDS.get(value, "NaN")
    if isinstance(value, dict):
        return {key: plain(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [plain(inner) for inner in value]
    return value


def _numeric(row: dict[str, Any], prefix: str = "") -> Iterable[tuple[str, Any]]:
    for key, value in row.items():
        if isinstance(value, dict):
            if "_type" not in value:
                yield from _numeric(value, f"{prefix}{key}.")
        elif isinstance(value, (bool, int, float)):
            yield prefix + key, plain(float(value)) if isinstance(value, bool) else plain(value)


def _clamped(step: int) -> int:
    return max(-(1 << 62), min(1 << 62, step))
