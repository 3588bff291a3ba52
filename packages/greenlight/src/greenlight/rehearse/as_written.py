"""Places in a scratch copy are told as places of the experiment as it was written."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from dataclasses import replace
from functools import lru_cache
from pathlib import Path
from typing import Any

from greenlight.rehearse.observer.record import Frame, Raised
from greenlight.rehearse.rehearsal import Act


def as_written(act: Act, experiment: Path, scratch: Mapping[str, bytes], written: Mapping[str, bytes]) -> Act:
    """Return an act whose lines are those of the experiment, whatever was inserted into its scratch copy.

    Parameters
    ----------
    act
        What was seen of a command.
    experiment
        The folder of the scratch copy.
    scratch, written
        The files that the command ran with, and those of the experiment.
    """
    changed = {path: _Lines.of(scratch[path], content) for path, content in written.items() if path in scratch}
    lines = {path: found for path, found in changed.items() if found is not None}
    if not lines:
        return act
    seen = replace(
        act.seen,
        raised=tuple(_raised(one, lines) for one in act.seen.raised),
        totals={k: tuple(_facts(one, experiment, lines) for one in facts) for k, facts in act.seen.totals.items()},
        notes={k: tuple(_facts(one, experiment, lines) for one in facts) for k, facts in act.seen.notes.items()},
    )
    crash = act.crash
    if crash is not None and crash.raised is not None:
        crash = replace(crash, raised=_raised(crash.raised, lines))
    return replace(act, seen=seen, crash=crash)


class _Lines(tuple[int, ...]):
    """For every line of a scratch copy the line of the experiment, both counted from one."""

    @staticmethod
    @lru_cache(maxsize=256)
    def of(scratch: bytes, written: bytes) -> _Lines | None:
        """Return the lines, or None where the two are the same."""
        if scratch == written:
            return None
        ours, theirs = scratch.splitlines(), written.splitlines()
        found: list[int] = []
        for _, i1, i2, j1, j2 in difflib.SequenceMatcher(None, theirs, ours, autojunk=False).get_opcodes():
            # What was inserted stands for the line after it, and lines that were changed for each other.
            last = max(i1, i2 - 1)
            found += [min(i1 + n, last) + 1 for n in range(j2 - j1)]
        return _Lines(min(line, max(1, len(theirs))) for line in found)

    def at(self, line: int) -> int:
        """Return the experiment's line; 0 and what is beyond the end stay."""
        return self[line - 1] if 0 < line <= len(self) else line


def _raised(raised: Raised, lines: Mapping[str, _Lines]) -> Raised:
    line = lines[raised.path].at(raised.line) if raised.path in lines else raised.line
    return replace(raised, line=line, frames=tuple(_frame(frame, lines) for frame in raised.frames))


def _frame(frame: Frame, lines: Mapping[str, _Lines]) -> Frame:
    if frame.path not in lines:
        return frame
    found = lines[frame.path]
    return replace(frame, line=found.at(frame.line), end_line=found.at(frame.end_line))


def _facts(facts: Any, experiment: Path, lines: Mapping[str, _Lines]) -> Any:
    """Return facts in which every ``{"file": ..., "line": ...}`` names the experiment's line."""
    if isinstance(facts, list):
        return [_facts(one, experiment, lines) for one in facts]
    if not isinstance(facts, Mapping):
        return facts
    told = {key: _facts(value, experiment, lines) for key, value in facts.items()}
    file, line = facts.get("file"), facts.get("line")
    if isinstance(file, str) and isinstance(line, int) and Path(file).is_relative_to(experiment):
        path = str(Path(file).relative_to(experiment))
        told["line"] = lines[path].at(line) if path in lines else line
    return told
