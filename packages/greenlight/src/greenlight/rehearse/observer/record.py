"""What an observer noted: the facts of all processes of one command."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

STARTUP = Path(__file__).with_name("startup")
_LARGEST_LINE = 1 << 20
_LARGEST_TOTALS = 1 << 24
_WORKERS_FRAME = re.compile(r'^  File "([^"]+)", line (\d+), in (\S+)\n    (.*)$', re.MULTILINE)


@dataclass(frozen=True)
class Frame:
    """A place of the subject's own on the way to an exception.

    Attributes
    ----------
    path, line, code, function
        Relative path, line from 1, its text, and the function that it stands in.
    end_line, column, end_column
        What was being evaluated: columns count bytes from 0 as Python's syntax trees do; -1 where it is not known.
    """

    path: str
    line: int
    code: str
    function: str
    end_line: int = 0
    column: int = -1
    end_column: int = -1


@dataclass(frozen=True)
class Raised:
    """An exception that ended a process, or the one that was handled when ``sys.exit`` ended it with a status.

    Attributes
    ----------
    type, message
        Of the exception that was not caught.
    root_type, root_message
        Of the first one in its chain, which is what went wrong.
    path, line, code
        The last line of the subject's own files on the way to the root; empty, 0 and empty where there is none.
    frames
        All of those places, the outermost first.
    program
        The subject's file that the process was started with; empty where it was another program.
    refused
        Whether the program ended itself with words for its user, as ``sys.exit("error: ...")`` does.
    """

    type: str
    message: str
    root_type: str
    root_message: str
    path: str
    line: int
    code: str
    frames: tuple[Frame, ...] = ()
    program: str = ""
    refused: bool = False


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

    def facts(self, about: str) -> tuple[Mapping[str, Any], ...]:
        """Return the facts that grew about something, such as ``optimizer`` for ``optimizer 1`` and ``optimizer 2``."""
        return tuple(
            facts for key, entries in self.totals.items() if key.partition(" ")[0] == about for facts in entries
        )

    @property
    def optimizer_steps(self) -> int:
        """Steps of all optimizers."""
        return sum(int(facts.get("all", 0)) for facts in self.facts("steps"))


def environment(
    folder: Path,
    *,
    step_s: float = 0.0,
    most_trials: int | None = None,
    most_new_tokens: int | None = None,
) -> dict[str, str]:
    """Return the variables that make Python processes note what they do in a folder.

    Parameters
    ----------
    folder
        An existing folder that the processes can write.
    step_s
        Seconds that every optimizer step adds to what Python's clocks show.
    most_trials
        The largest number of trials of a search.
    most_new_tokens
        The largest number of tokens that one call of `generate` adds.
    """
    chosen = {
        "PYTHONPATH": str(STARTUP),
        "GREENLIGHT_OBSERVE": str(folder),
        "GREENLIGHT_STEP_SECONDS": repr(step_s),
    }
    if most_trials is not None:
        chosen["GREENLIGHT_MOST_TRIALS"] = str(most_trials)
    if most_new_tokens is not None:
        chosen["GREENLIGHT_MOST_NEW_TOKENS"] = str(most_new_tokens)
    return chosen


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
    for file in sorted(folder.glob("*.totals"), key=lambda path: path.stat().st_mtime):
        for key, facts in _grown(file).items():
            totals.setdefault(key, []).append(facts)
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


def _grown(file: Path) -> dict[str, Mapping[str, Any]]:
    """Return the facts that grew in one process; none where the file is none of the observer's."""
    try:
        content = json.loads(file.read_bytes()[:_LARGEST_TOTALS])
    except ValueError:
        return {}
    if not isinstance(content, dict):
        return {}
    return {str(key): facts for key, facts in content.items() if isinstance(facts, dict)}


def _raised(entry: Mapping[str, Any], subject: Path) -> Raised:
    frames = _frames(entry.get("root_frames"), subject) or _frames(entry.get("frames"), subject)
    # A loader's worker hands its exception on as text, the places in it included.
    workers = _WORKERS_FRAME.findall(str(entry.get("root_message", "")))
    frames += _frames([{"file": f, "line": int(n), "function": w, "code": c} for f, n, w, c in workers], subject)
    place = frames[-1] if frames else Frame("", 0, "", "")
    program = str(entry.get("program", ""))
    return Raised(
        str(entry.get("type", "")),
        str(entry.get("message", "")),
        str(entry.get("root_type", "")),
        str(entry.get("root_message", "")),
        place.path,
        place.line,
        place.code,
        tuple(frames),
        str(Path(program).relative_to(subject)) if _is_below(program, subject) else "",
        entry.get("refused") is True,
    )


def _frames(entries: Any, subject: Path) -> list[Frame]:
    return [
        Frame(
            str(Path(str(entry["file"])).relative_to(subject)),
            _number(entry.get("line"), 0),
            str(entry.get("code", "")),
            str(entry.get("function", "")),
            _number(entry.get("end_line"), 0),
            _number(entry.get("column"), -1),
            _number(entry.get("end_column"), -1),
        )
        for entry in (entries if isinstance(entries, list) else ())
        if isinstance(entry, dict) and _is_below(str(entry.get("file", "")), subject)
    ]


def _number(value: Any, otherwise: int) -> int:
    return value if isinstance(value, int) else otherwise


def _is_below(path: str, folder: Path) -> bool:
    return Path(path).is_relative_to(folder)
