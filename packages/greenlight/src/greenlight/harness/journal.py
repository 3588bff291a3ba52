"""What a run must remember outside its checkpoints: every logged row, and how much of the budget is used up.

A tracker receives rows late, in batches, and a killed process loses the last of them. The journal holds each row as
soon as it is logged, so that a resumed run can hand the tracker what is missing and nothing twice. The clock file is
refreshed about once a second, so that a killed run does not get its spent time back.
"""

from __future__ import annotations

import json
import math
import os
import time
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

Row = dict[str, Any]


def strict(value: Any) -> Any:
    """Return a JSON-safe copy: non-finite numbers become the strings that Weights & Biases uses for them."""
    if isinstance(value, float) and not math.isfinite(value):
        return "NaN" if math.isnan(value) else ("Infinity" if value > 0 else "-Infinity")
    if isinstance(value, Mapping):
        return {key: strict(item) for key, item in value.items()}
    return value


def write_rows(path: Path, rows: Iterable[Mapping[str, Any]]) -> None:
    """Write rows as JSON lines, such as the outcome of every test question."""
    path.write_text("".join(json.dumps(strict(row), allow_nan=False) + "\n" for row in rows), encoding="utf-8")


class Journal:
    """The rows of one run as JSON lines.

    Parameters
    ----------
    path
        The file; made at the first row. A last line that a crash cut short is dropped.
    """

    def __init__(self, path: Path) -> None:
        self._path = path

    def append(self, step: int, row: Mapping[str, Any]) -> None:
        """Add the row of a step; it is in the operating system's hands when this returns."""
        with self._path.open("a", encoding="utf-8") as file:
            file.write(json.dumps({"step": step, **strict(row)}, allow_nan=False) + "\n")

    def rows(self) -> Iterator[Row]:
        """Yield the complete rows in the order in which they were added."""
        if not self._path.exists():
            return
        with self._path.open(encoding="utf-8") as file:
            for line in file:
                if line.endswith("\n"):
                    yield json.loads(line)

    def cut_after(self, step: int) -> None:
        """Drop the rows after a step, and what a crash left half-written."""
        kept = [row for row in self.rows() if row["step"] <= step]
        partial = self._path.with_suffix(".partial")
        partial.write_text("".join(json.dumps(row, allow_nan=False) + "\n" for row in kept), encoding="utf-8")
        partial.replace(self._path)


class ClockFile:
    """The elapsed seconds of a budget on disk, refreshed at most once in `every_s`.

    Parameters
    ----------
    path
        The JSON file, replaced atomically.
    every_s
        Shortest time between two writes, seconds.
    """

    def __init__(self, path: Path, every_s: float = 1.0) -> None:
        self._path = path
        self._every_s = every_s
        self._written = -math.inf

    def write(self, elapsed_s: float, budget_s: float, step: int, *, now: bool = False, **shown: Any) -> None:
        """Store the clock, with figures for a progress display, unless that was done less than `every_s` ago."""
        if not now and time.monotonic() - self._written < self._every_s:
            return
        self._written = time.monotonic()
        partial = self._path.with_suffix(f".{os.getpid()}.partial")
        content = {"elapsed_s": elapsed_s, "budget_s": budget_s, "step": step, **strict(shown)}
        partial.write_text(json.dumps(content, allow_nan=False), encoding="utf-8")
        partial.replace(self._path)

    def elapsed_s(self) -> float:
        """Return the stored seconds; 0 if nothing was stored."""
        return float(self.read().get("elapsed_s", 0.0))

    def read(self) -> dict[str, Any]:
        """Return what was stored last; empty if nothing was stored or it cannot be read."""
        try:
            content = json.loads(self._path.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return {}
        return content if isinstance(content, dict) else {}
