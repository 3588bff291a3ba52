"""What a tracker holds: every run with its configuration, summary and rows, read from its store."""

from __future__ import annotations

import json
import math
import sqlite3
from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from greenlight.rehearse.standins.tracker.database import FILE, HISTORY

_MOST_ROWS = 20_000  # of one run; a rehearsal is short
_WORDS = {"NaN": math.nan, "Infinity": math.inf, "-Infinity": -math.inf}


@dataclass(frozen=True)
class TrackedRun:
    """One run of the tracker.

    Attributes
    ----------
    entity, project, run_id
        Where it was logged and under which id.
    state
        ``running``, ``finished``, ``failed``, ``crashed`` or ``killed``.
    config, summary
        As the user wrote them; W&B's own entries (names that begin with ``_``) are left out.
    rows
        The history in order of steps, with W&B's own entries.
    """

    entity: str
    project: str
    run_id: str
    state: str
    config: Mapping[str, Any]
    summary: Mapping[str, Any]
    rows: tuple[Mapping[str, Any], ...]

    @property
    def keys(self) -> tuple[str, ...]:
        """The keys that rows hold, without W&B's own, in the order in which they first appear."""
        return tuple(dict.fromkeys(key for row in self.rows for key in row if not key.startswith("_")))

    def series(self, key: str) -> list[float]:
        """Return the numbers that were logged under a key, in order; what is no number is left out."""
        return [number for row in self.rows if (number := _number(row.get(key))) is not None]


def _number(value: Any) -> float | None:
    if isinstance(value, str):
        return _WORDS.get(value)
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else None


def tracked(data: Path) -> tuple[TrackedRun, ...]:
    """Return the runs in a tracker's folder, in the order in which they were begun; none where there is no store."""
    if not (data / FILE).is_file():
        return ()
    with closing(sqlite3.connect(f"file:{data / FILE}?mode=ro", uri=True, timeout=30.0)) as connection:
        found = connection.execute(
            "SELECT run.id, entity, project.name, run.name, state, config, summary FROM run"
            " JOIN project ON project.id = project_id ORDER BY run.id"
        ).fetchall()
        return tuple(
            TrackedRun(
                entity, project, name, state, _settings(config), _own(json.loads(summary)), _rows(connection, key)
            )
            for key, entity, project, name, state, config, summary in found
        )


def _settings(config: str) -> dict[str, Any]:
    content = {key: value for key, value in json.loads(config).items() if key not in ("_wandb", "wandb_version")}
    return {key: v["value"] if isinstance(v, dict) and "value" in v else v for key, v in content.items()}


def _own(content: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in content.items() if not key.startswith("_")}


def _rows(connection: sqlite3.Connection, key: int) -> tuple[Mapping[str, Any], ...]:
    lines = connection.execute(
        "SELECT text FROM line WHERE run_id = ? AND stream = ? ORDER BY step, number LIMIT ?",
        (key, HISTORY, _MOST_ROWS),
    )
    return tuple(row for (text,) in lines if isinstance(row := json.loads(text), dict))
