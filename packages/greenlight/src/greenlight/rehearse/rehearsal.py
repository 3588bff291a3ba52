"""What a rehearsal was: the commands that were performed, how each ended, and what they left."""

from __future__ import annotations

import enum
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from greenlight.contract.submission import Submission
from greenlight.rehearse.cast import Cast
from greenlight.rehearse.observer.record import Raised, Record
from greenlight.rehearse.produced import Produced
from greenlight.rehearse.sandbox import Stop
from greenlight.rehearse.shrinking import WHOLE, Shrinking
from greenlight.rehearse.tracked import TrackedRun

_LONGEST_WORDS = 300


class Phase(enum.StrEnum):
    """The documented commands, in their order; the last one evaluates a single run by itself."""

    TRIAL = "trial"
    FULL = "full"
    EVALUATE = "evaluate"
    ALONE = "evaluate one run"


@dataclass(frozen=True)
class Crash:
    """Why a command failed.

    Attributes
    ----------
    raised
        The exception that ended it; None where it ended in another way.
    said
        The last lines of its output, for what no exception tells.
    """

    raised: Raised | None
    said: str


@dataclass(frozen=True)
class Act:
    """One command that was performed.

    Attributes
    ----------
    phase, run_ids
        What it was for.
    command
        As it was typed.
    status, seconds, stopped
        Exit status, elapsed time, and the limit that ended it.
    seen
        What the observer noted.
    crash
        Set where the status is not 0 and no limit ended it, and where it is 0 although an exception ended one of
        the command's processes that run a file of the experiment.
    mended, rough
        What was changed in the scratch copy after it, so that the rehearsal could go on, and whether a value was made
        up for that: what happens to it later proves nothing.
    shrinking
        How it was made short.
    peak_memory_bytes
        Resident memory of all its processes.
    tail
        The last lines of its output.
    excused
        Why an end with another status than 0 is no crash: it refused what should be refused, or its stand-in was too
        small for it; None where it is one.
    deprecations
        Lines of its output that say that something is deprecated: some libraries log that and do not warn.
    """

    phase: Phase
    run_ids: tuple[str, ...]
    command: tuple[str, ...]
    status: int
    seconds: float
    stopped: Stop | None
    seen: Record
    crash: Crash | None = None
    mended: str | None = None
    rough: bool = False
    shrinking: Shrinking = WHOLE
    peak_memory_bytes: int = 0
    tail: str = ""
    deprecations: tuple[str, ...] = ()
    excused: str | None = None

    @property
    def is_through(self) -> bool:
        """Whether the command came to its own end with status 0."""
        return self.status == 0 and self.stopped is None


@dataclass(frozen=True)
class InstallTrouble:
    """What was wrong with the environment.

    Attributes
    ----------
    words
        uv's own, or those of the import that failed.
    line
        The line of pyproject.toml, where one can be told.
    mended
        What was changed in the scratch copy to go on.
    """

    words: str
    line: int | None = None
    mended: str | None = None


@dataclass(frozen=True)
class Rehearsal:
    """Everything that was seen; rules judge it.

    Attributes
    ----------
    submission
        What was handed in, unchanged.
    run_ids
        The runs that were rehearsed.
    cast
        What stood in for models and data sets.
    acts
        All commands in the order in which they ended; one that was performed again after a change appears again.
    tracked_after_trial, tracked
        The tracker's runs after all trials, and at the end.
    produced, produced_alone
        What lies in the results folder at the end, and in that of the evaluation of one run.
    environment
        One sentence about the packages that the commands ran with.
    install
        What was wrong with installing them; None where nothing was installed.
    confined
        Whether there was a sandbox.
    work
        The folder that the commands could write, as they knew it.
    final_files
        The experiment's files after what was changed to go on.
    """

    submission: Submission
    run_ids: tuple[str, ...]
    cast: Cast
    acts: tuple[Act, ...]
    tracked_after_trial: tuple[TrackedRun, ...]
    tracked: tuple[TrackedRun, ...]
    produced: Produced
    produced_alone: Produced
    environment: str
    install: tuple[InstallTrouble, ...] | None = None
    confined: bool = True
    work: str = ""
    final_files: Mapping[str, bytes] = field(default_factory=dict)

    def last(self, phase: Phase) -> tuple[Act, ...]:
        """Return the last act of each command of a phase: what it came to after all changes."""
        found = {act.run_ids: act for act in self.acts if act.phase is phase}
        return tuple(found.values())

    def through(self, phase: Phase) -> tuple[Act, ...]:
        """Return the acts of a phase that came to their own end with status 0."""
        return tuple(act for act in self.last(phase) if act.is_through)

    def place(self, at: Mapping[str, Any]) -> tuple[str, int]:
        """Return the relative path and the line of a place that the observer noted; empty and 0 where it is none."""
        file, line = str(at.get("file", "")), at.get("line", 0)
        root = f"{self.work}/experiment/"
        known = file.startswith(root) and file.removeprefix(root) in self.submission.files
        return (file.removeprefix(root), int(line) if isinstance(line, int) else 0) if known else ("", 0)

    def line_of(self, texts: Sequence[str], paths: Sequence[str]) -> tuple[str, int]:
        """Return the first place in some files at which one of some texts stands; line 1 of the first if none does."""
        for path in paths:
            lines = self.submission.files.get(path, b"").decode("utf-8", errors="replace").splitlines()
            for number, line in enumerate(lines, start=1):
                if any(text in line for text in texts):
                    return path, number
        return paths[0], 1

    def told(self, acts: Sequence[Act]) -> str:
        """Return what some acts of one kind were, in words: the phase, and the first run of how many."""
        runs = sorted({run_id for act in acts for run_id in act.run_ids})
        others = f" and {len(runs) - 1} more" if len(runs) > 1 else ""
        return f"{acts[0].phase} of {runs[0]}{others}" if len(acts[0].run_ids) == 1 else str(acts[0].phase)

    def plain(self, words: str, run_ids: Sequence[str]) -> str:
        """Return an exception's words without the folders of this rehearsal and runs' ids, 300 characters at most.

        Two runs that fail for the same cause then say the same.
        """
        for folder, name in ((f"{self.work}/experiment/", ""), (self.work, "."), *((r, "RUN") for r in run_ids)):
            words = words.replace(folder, name) if folder else words
        text = " ".join(words.split())
        return text if len(text) <= _LONGEST_WORDS else f"{text[: _LONGEST_WORDS - 3]}..."

    def run_of(self, run_id: str) -> TrackedRun | None:
        """Return what the tracker holds under a run id, or None."""
        return next((run for run in self.tracked if run.run_id == run_id), None)
