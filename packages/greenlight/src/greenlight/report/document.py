"""What a report is made from: the verdict, the rules that were asked, and the lines that findings point at."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Protocol

from greenlight.review.criteria import Criterion
from greenlight.review.finding import Finding, Severity
from greenlight.review.fingerprint import fingerprints
from greenlight.review.verdict import Verdict


class Explained(Protocol):
    """What a report says about a rule: rules of the review have it, and so has whatever else makes findings."""

    @property
    def id(self) -> str: ...  # noqa: D102
    @property
    def name(self) -> str: ...  # noqa: D102
    @property
    def criterion(self) -> Criterion: ...  # noqa: D102
    @property
    def severity(self) -> Severity: ...  # noqa: D102
    @property
    def summary(self) -> str: ...  # noqa: D102
    @property
    def why(self) -> str: ...  # noqa: D102
    @property
    def remedy(self) -> str: ...  # noqa: D102


class Opined(Protocol):
    """An opinion about a line: marked as that everywhere, and never a finding."""

    @property
    def path(self) -> str: ...  # noqa: D102
    @property
    def line(self) -> int: ...  # noqa: D102
    @property
    def quote(self) -> str: ...  # noqa: D102
    @property
    def criterion(self) -> Criterion: ...  # noqa: D102
    @property
    def issue(self) -> str: ...  # noqa: D102
    @property
    def suggestion(self) -> str: ...  # noqa: D102


@dataclass(frozen=True)
class Command:
    """One command that was performed: ``ended`` says how, ``mended`` what was changed in a scratch copy after it."""

    phase: str
    runs: tuple[str, ...]
    command: str
    ended: str
    seconds: float
    peak_memory_bytes: int
    mended: str | None = None


@dataclass(frozen=True)
class Staged:
    """What was performed, in order, and on what.

    Attributes
    ----------
    commands
        All of them.
    parts
        For each model and data set: ``model`` or ``dataset``, its id, what was served for it, and details.
    environment
        The packages that the commands ran with.
    shrunk
        How full runs were made short; empty where they were not.
    confined
        Whether there was a sandbox.
    """

    commands: tuple[Command, ...]
    parts: tuple[tuple[str, str, str, str], ...]
    environment: str
    shrunk: str
    confined: bool


@dataclass(frozen=True)
class Document:
    """The verdict with what is needed to print it.

    Attributes
    ----------
    verdict
        What is reported.
    rules
        Every rule that was asked, whether it found something or not.
    files
        Content by path, for the lines that are shown.
    colour
        Whether the reader is a terminal.
    notes
        What else the reader has to know, one sentence each.
    opinions
        What a judge thinks, where one was asked.
    staged
        What was performed, where there was a rehearsal.
    """

    verdict: Verdict
    rules: Sequence[Explained]
    files: Mapping[str, bytes]
    colour: bool = False
    notes: tuple[str, ...] = ()
    opinions: tuple[Opined, ...] = ()
    staged: Staged | None = None
    _lines: dict[str, list[str]] = field(default_factory=dict, repr=False, compare=False)

    @cached_property
    def by_id(self) -> Mapping[str, Explained]:
        """The rules by id."""
        return {rule.id: rule for rule in self.rules}

    def line(self, path: str, number: int) -> str:
        """Return a line of a file without its end; empty where there is none."""
        if path not in self._lines:
            self._lines[path] = self.files.get(path, b"").decode("utf-8", errors="replace").splitlines()
        lines = self._lines[path]
        return lines[number - 1] if 0 < number <= len(lines) else ""

    @cached_property
    def fingerprints(self) -> Mapping[Finding, str]:
        """What identifies each finding while lines move."""
        return fingerprints(self.verdict.findings, self.line)
