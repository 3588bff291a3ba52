"""What a judge is shown of an experiment, within a budget of characters, and where a quote stands in it."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from itertools import accumulate

from greenlight.contract.experiment import FILES
from greenlight.contract.submission import Submission
from greenlight.judge.opinion import one_line

_PER_LINE = 9  # the number and the bar before it, the end after it
_PER_FILE = 160  # the two lines around it
_MOST_NAMED = 20


@dataclass(frozen=True)
class Shown:
    """The lines of a file that a judge is shown, from the first.

    Attributes
    ----------
    path
        Relative to the experiment.
    lines
        As they stand, without their ends.
    of
        How many lines the file has.
    """

    path: str
    lines: tuple[str, ...]
    of: int

    @cached_property
    def _words(self) -> tuple[str, list[int]]:
        """The text with white space run together, and where each line begins in it."""
        lines = [" ".join(line.split()) for line in self.lines]
        starts = accumulate((len(line) + 1 if line else 0 for line in lines), initial=0)
        return " ".join(line for line in lines if line), list(starts)[:-1]

    def line_of(self, quote: str, near: int) -> int | None:
        """Return the line where a quote begins, the nearest to a line where it stands more than once.

        Parameters
        ----------
        quote
            With white space run together; it may go over several lines.
        near
            The line that was named, from 1.
        """
        text, starts = self._words
        places, at = [], text.find(quote)
        while at >= 0:
            places.append(bisect_right(starts, at))
            at = text.find(quote, at + len(quote))
        return min(places, key=lambda line: (abs(line - near), line), default=None)


def shown_files(submission: Submission, budget: int) -> tuple[tuple[Shown, ...], tuple[str, ...]]:
    """Return what is shown of an experiment's files, and a sentence for each that is not shown to its end.

    The contract's seven come first, then the run files, then all others. Where not all fit, no file takes more than
    half of the budget, so that a long one does not hide what follows.

    Parameters
    ----------
    submission
        The experiment.
    budget
        Characters, line numbers and the lines around each file included.
    """
    every = {path: submission.files[path].decode("utf-8", errors="replace").splitlines() for path in _order(submission)}
    fits = sum(_cost(path, lines) for path, lines in every.items()) <= budget
    shown, left_out, left = [], [], budget
    for path, lines in every.items():
        allowed = left if fits else min(left, budget // 2)
        costs = accumulate((len(line) + _PER_LINE for line in lines), initial=_PER_FILE + len(path))
        count = sum(1 for cost in costs if cost <= allowed) - 1
        if count < 0 or (lines and not count):
            left_out.append(f"{one_line(path, 120)} as a whole")
            continue
        shown.append(Shown(path, tuple(lines[:count]), len(lines)))
        left -= _cost(path, lines[:count])
        if count < len(lines):
            left_out.append(f"{one_line(path, 120)} from line {count + 1} of {len(lines)}")
    left_out += [f"{one_line(path, 120)}: {one_line(why, 120)}" for path, why in sorted(submission.unread.items())]
    if len(left_out) > _MOST_NAMED:
        left_out[_MOST_NAMED:] = [f"{len(left_out) - _MOST_NAMED} more files"]
    return tuple(shown), tuple(left_out)


def _order(submission: Submission) -> Iterator[str]:
    paths = dict.fromkeys((*FILES, *submission.run_files.values(), *sorted(submission.files)))
    return (path for path in paths if path in submission.files)


def _cost(path: str, lines: list[str]) -> int:
    return _PER_FILE + len(path) + sum(len(line) + _PER_LINE for line in lines)
