"""What the client streams while a run runs: history, system metrics, console lines, the summary and the end."""

from __future__ import annotations

import json
import sqlite3
import time
from dataclasses import dataclass, field
from typing import Any, Final

from .database import EVENTS, HISTORY, LOG, Database
from .runs import RefusedError

SUMMARY_FILE: Final = "wandb-summary.json"
STREAMS: Final = {"wandb-history.jsonl": HISTORY, "wandb-events.jsonl": EVENTS, "output.log": LOG}
COUNTS: Final = {HISTORY: "history_lines", EVENTS: "event_lines", LOG: "log_lines"}
MAX_LINES: Final = 10_000_000


@dataclass(frozen=True)
class Chunk:
    """Consecutive lines of one stream file."""

    offset: int
    """Position of the first line."""
    lines: list[str]


@dataclass(frozen=True)
class Post:
    """One request of the client's file stream."""

    chunks: dict[str, Chunk] = field(default_factory=dict)
    complete: bool = False
    exit_code: int | None = None
    preempting: bool = False


def parse_post(body: bytes) -> Post:
    """Return what a file-stream request says.

    Raises
    ------
    RefusedError
        If the body is not the JSON that the client sends, with the place that is wrong.
    """
    try:
        data = json.loads(body)
    except ValueError as error:
        raise RefusedError(f"file_stream: the body is not JSON ({error})") from error
    if not isinstance(data, dict) or not isinstance(data.get("files", {}), dict):
        raise RefusedError("file_stream: the body is an object whose 'files' is an object")
    chunks = {name: _chunk(name, value) for name, value in data.get("files", {}).items()}
    exit_code = data.get("exitcode")
    if exit_code is not None and (not isinstance(exit_code, int) or abs(exit_code) > 1 << 32):
        raise RefusedError("file_stream: 'exitcode' is a small integer")
    return Post(chunks, data.get("complete") is True, exit_code, data.get("preempting") is True)


def _chunk(name: str, value: object) -> Chunk:
    if not isinstance(value, dict):
        raise RefusedError(f"file_stream: {name!r} is an object with 'offset' and 'content'")
    offset, lines = value.get("offset", 0), value.get("content")
    if not isinstance(offset, int) or isinstance(offset, bool) or not 0 <= offset <= MAX_LINES:
        raise RefusedError(f"file_stream: the offset of {name!r} is a number from 0 to {MAX_LINES}")
    if not isinstance(lines, list) or not all(isinstance(line, str) for line in lines):
        raise RefusedError(f"file_stream: the content of {name!r} is a list of strings")
    return Chunk(offset, lines)


class Stream:
    """Applies the client's file stream to the store, each request whole or not at all."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def apply(self, run_id: int, post: Post) -> bool:
        """Store one request and return whether the run was asked to stop.

        A line belongs to its position, so a request that the client sends twice changes nothing.

        Raises
        ------
        RefusedError
            If the run is gone or a line is not the JSON it has to be; nothing of the request is kept then.
        """
        history = [_history_line(line) for line in _lines(post, "wandb-history.jsonl")]
        for name in ("wandb-events.jsonl", SUMMARY_FILE):
            for line in _lines(post, name):
                _json_object(name, line)
        now = time.time()
        with self._database.write() as connection:
            run = connection.execute("SELECT * FROM run WHERE id = ?", (run_id,)).fetchone()
            if run is None:
                raise RefusedError("file_stream: run not found, it may have been deleted")
            for name, chunk in post.chunks.items():
                if name == SUMMARY_FILE and chunk.lines:
                    connection.execute("UPDATE run SET summary = ? WHERE id = ?", (chunk.lines[-1], run_id))
                elif name == "wandb-history.jsonl":
                    _store_history(connection, run, chunk.offset, history)
                elif name in STREAMS:
                    _store_lines(connection, run, STREAMS[name], chunk)
            connection.execute(
                "UPDATE run SET state = ?, exit_code = ?, ended_at = ?, heartbeat_at = ?, revision = revision + ?"
                " WHERE id = ?",
                (*_outcome(post, now), now, 1 if post.chunks or post.complete else 0, run_id),
            )
        return bool(run["stopped"])


def _outcome(post: Post, now: float) -> tuple[str, int | None, float | None]:
    if post.complete:
        return ("finished" if not post.exit_code else "failed"), post.exit_code or 0, now
    return ("preempting" if post.preempting else "running"), None, None


def _lines(post: Post, name: str) -> list[str]:
    chunk = post.chunks.get(name)
    return [] if chunk is None else chunk.lines


def _json_object(name: str, line: str) -> dict[str, Any]:
    try:
        row = json.loads(line)
    except (ValueError, RecursionError):
        row = None
    if not isinstance(row, dict):
        raise RefusedError(f"file_stream: a line of {name!r} is not a JSON object: {line[:60]!r}")
    return row


@dataclass(frozen=True)
class HistoryLine:
    """A row of the history: its text as it came, its step, and the kinds of its values by key."""

    text: str
    step: int | None
    kinds: list[tuple[str, str]]


def _history_line(text: str) -> HistoryLine:
    row = _json_object("wandb-history.jsonl", text)
    step = row.get("_step")
    if isinstance(step, float) and step.is_integer():
        step = int(step)
    if not isinstance(step, int) or isinstance(step, bool) or abs(step) >= 1 << 63:
        step = None
    return HistoryLine(text, step, list(kinds(row)))


def kinds(row: dict[str, Any], prefix: str = "") -> list[tuple[str, str]]:
    """Return the keys of a row, nested ones joined by dots, each with the kind of its value."""
    found: list[tuple[str, str]] = []
    for key, value in row.items():
        if isinstance(value, dict):
            tag = value.get("_type")
            if isinstance(tag, str):
                found.append((prefix + key, tag))
            else:
                found += kinds(value, f"{prefix}{key}.")
        else:
            found.append((prefix + key, _kind(value)))
    return found


def _kind(value: object) -> str:
    if isinstance(value, bool):
        return "boolean"
    if isinstance(value, (int, float)):
        return "number"
    if isinstance(value, str):
        # the client writes NaN and infinities as JSON numbers, other writers as words
        return "number" if value in ("NaN", "Infinity", "-Infinity") else "string"
    return "list" if isinstance(value, list) else "null"


def _store_history(connection: sqlite3.Connection, run: sqlite3.Row, offset: int, lines: list[HistoryLine]) -> None:
    if not lines:
        return
    run_id, count = run["id"], run["history_lines"]
    known: dict[int, str] = {}
    if offset < count:
        rows = connection.execute(
            "SELECT number, text FROM line WHERE run_id = ? AND stream = 0 AND number >= ? AND number < ?",
            (run_id, offset, offset + len(lines)),
        )
        known = {row["number"]: row["text"] for row in rows}
    fresh = [(offset + i, line) for i, line in enumerate(lines) if known.get(offset + i) != line.text]
    if not fresh:
        return
    tallies: dict[tuple[str, str], int] = {}
    for number, line in fresh:
        for entry in line.kinds:
            tallies[entry] = tallies.get(entry, 0) + 1
        if number in known:
            for entry in _history_line(known[number]).kinds:
                tallies[entry] = tallies.get(entry, 0) - 1
    replaced = any(number in known for number, _ in fresh)
    connection.executemany(
        "INSERT OR REPLACE INTO line (run_id, stream, number, step, text) VALUES (?, 0, ?, ?, ?)",
        [(run_id, number, number if line.step is None else line.step, line.text) for number, line in fresh],
    )
    connection.executemany(
        "INSERT INTO metric (run_id, key, kind, rows) VALUES (?, ?, ?, ?)"
        " ON CONFLICT (run_id, key, kind) DO UPDATE SET rows = rows + excluded.rows",
        [(run_id, key, kind, rows) for (key, kind), rows in tallies.items() if rows],
    )
    if replaced:
        connection.execute("DELETE FROM metric WHERE run_id = ? AND rows <= 0", (run_id,))
    last_step = max(number if line.step is None else line.step for number, line in fresh)
    connection.execute(
        "UPDATE run SET history_lines = max(history_lines, ?), last_step = max(last_step, ?), epoch = epoch + ?"
        " WHERE id = ?",
        (offset + len(lines), last_step, int(replaced), run_id),
    )


def _store_lines(connection: sqlite3.Connection, run: sqlite3.Row, stream: int, chunk: Chunk) -> None:
    connection.executemany(
        "INSERT OR REPLACE INTO line (run_id, stream, number, step, text) VALUES (?, ?, ?, NULL, ?)",
        [(run["id"], stream, chunk.offset + i, line) for i, line in enumerate(chunk.lines)],
    )
    count = COUNTS[stream]
    connection.execute(
        f"UPDATE run SET {count} = max({count}, ?) WHERE id = ?",  # noqa: S608 - the name is ours
        (chunk.offset + len(chunk.lines), run["id"]),
    )
