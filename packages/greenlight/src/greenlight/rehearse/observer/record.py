"""What an observer noted: the facts of all processes of one command."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

STARTUP = Path(__file__).with_name("startup")
_LARGEST_LINE = 1 << 20


@dataclass(frozen=True)
class Raised:
    """An exception that ended a process.

    Attributes
    ----------
    type, message
        Of the exception that was not caught.
    root_type, root_message
        Of the first one in its chain, which is what went wrong.
    path, line, code
        The last line of the subject's own files on the way to the root; empty, 0 and empty where there is none.
    """

    type: str
    message: str
    root_type: str
    root_message: str
    path: str
    line: int
    code: str


@dataclass(frozen=True)
class Record:
    """The facts of one command.

    Attributes
    ----------
    raised
        What ended processes, the first in time first.
    written
        Absolute paths of files that were opened for writing.
    reached, asked_names
        Addresses and host names that a connection was tried to.
    subprocesses
        Commands with their working directories, ``"None"`` where it was inherited.
    totals
        Facts that grow, by what they are about, one entry per process.
    notes
        Single facts by kind.
    """

    raised: tuple[Raised, ...] = ()
    written: tuple[str, ...] = ()
    reached: tuple[tuple[str, int], ...] = ()
    asked_names: tuple[str, ...] = ()
    subprocesses: tuple[tuple[tuple[str, ...], str], ...] = ()
    totals: Mapping[str, tuple[Mapping[str, Any], ...]] = field(default_factory=dict)
    notes: Mapping[str, tuple[Mapping[str, Any], ...]] = field(default_factory=dict)


def environment(folder: Path, *, clock_speed: float = 1.0, most_trials: int | None = None) -> dict[str, str]:
    """Return the variables that make Python processes note what they do in a folder.

    Parameters
    ----------
    folder
        An existing folder that the processes can write.
    clock_speed
        How many times as fast Python's clocks run.
    most_trials
        The largest number of trials of a search.
    """
    chosen = {
        "PYTHONPATH": str(STARTUP),
        "GREENLIGHT_OBSERVE": str(folder),
        "GREENLIGHT_CLOCK_SPEED": repr(clock_speed),
    }
    return chosen if most_trials is None else chosen | {"GREENLIGHT_MOST_TRIALS": str(most_trials)}


def read(folder: Path, subject: Path) -> Record:
    """Return what was noted in a folder; lines that are no JSON object are left out.

    Parameters
    ----------
    folder
        What :func:`environment` was given.
    subject
        The folder of the subject's own files.
    """
    lines: list[dict[str, Any]] = []
    for file in sorted(folder.glob("*.jsonl"), key=lambda path: path.stat().st_mtime):
        with file.open(encoding="utf-8", errors="replace") as text:
            for line in text:
                try:
                    entry = json.loads(line[:_LARGEST_LINE])
                except ValueError:
                    continue
                if isinstance(entry, dict) and isinstance(entry.get("kind"), str):
                    lines.append(entry)
    kinds: dict[str, list[dict[str, Any]]] = {}
    for entry in lines:
        kinds.setdefault(entry.pop("kind"), []).append(entry)
    totals: dict[str, list[Mapping[str, Any]]] = {}
    for entry in kinds.pop("total", []):
        totals.setdefault(str(entry.pop("of", "")), []).append(entry)
    return Record(
        raised=tuple(_raised(entry, subject) for entry in kinds.pop("exception", [])),
        written=tuple(dict.fromkeys(str(e.get("path", "")) for e in kinds.pop("write", []))),
        reached=tuple(dict.fromkeys((str(e.get("host", "")), int(e.get("port", 0))) for e in kinds.pop("connect", []))),
        asked_names=tuple(dict.fromkeys(str(e.get("host", "")) for e in kinds.pop("resolve", []))),
        subprocesses=tuple(
            (tuple(map(str, e.get("command", ()))), str(e.get("cwd", ""))) for e in kinds.pop("subprocess", [])
        ),
        totals={key: tuple(entries) for key, entries in totals.items()},
        notes={key: tuple(entries) for key, entries in kinds.items()},
    )


def _raised(entry: Mapping[str, Any], subject: Path) -> Raised:
    own = [f for f in entry.get("root_frames", ()) if _is_below(str(f.get("file", "")), subject)]
    own = own or [f for f in entry.get("frames", ()) if _is_below(str(f.get("file", "")), subject)]
    place = own[-1] if own else {}
    path = str(Path(str(place["file"])).relative_to(subject)) if place else ""
    return Raised(
        str(entry.get("type", "")),
        str(entry.get("message", "")),
        str(entry.get("root_type", "")),
        str(entry.get("root_message", "")),
        path,
        int(place.get("line", 0) or 0),
        str(place.get("code", "")),
    )


def _is_below(path: str, folder: Path) -> bool:
    return Path(path).is_relative_to(folder)
