"""The training loop under a wall-clock budget: when it measures, when it saves, and what ends it."""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import Any, Protocol, TypeVar

from greenlight.harness.journal import ClockFile

BatchT = TypeVar("BatchT")
TakenT = TypeVar("TakenT", contravariant=True)
Row = dict[str, float]


class Clock(Protocol):
    """What a budget tells and does; :class:`graff.Budget` is one."""

    @property
    def total_s(self) -> float:
        """Seconds of the whole budget."""

    @property
    def elapsed_s(self) -> float:
        """Seconds used."""

    @property
    def remaining_s(self) -> float:
        """Seconds left."""

    @property
    def training_s(self) -> float:
        """Seconds used without what ran aside."""

    @property
    def reserve_s(self) -> float:
        """Seconds kept for the end."""

    @property
    def spent(self) -> bool:
        """Whether another step would eat into the reserve."""

    def start(self) -> None:
        """Start the clock, once."""

    def reserve(self, seconds: float) -> None:
        """Keep time for the end."""

    def aside(self) -> AbstractContextManager[None]:
        """Mark what is no part of a step."""


@dataclass
class Progress:
    """What a run has done; all of it survives a crash.

    Attributes
    ----------
    step
        Optimiser steps done.
    epoch, next_batch
        Where in the data the next step begins.
    examples
        Training examples seen, cumulative.
    loss_mean, best_loss
        Running mean of the training loss (decay 0.9) and its lowest value.
    dev_curve
        Points [elapsed seconds, development metric, step].
    s_per_example
        Seconds per development example of the last two evaluations.
    checkpoint_s
        Seconds that a checkpoint took.
    resumed
        How often the run was interrupted and resumed.
    """

    step: int = 0
    epoch: int = 0
    next_batch: int = 0
    examples: int = 0
    loss_mean: float = math.nan
    best_loss: float = math.nan
    dev_curve: list[list[float]] = field(default_factory=list)
    s_per_example: list[float] = field(default_factory=list)
    checkpoint_s: float = 0.0
    resumed: int = 0

    def note_loss(self, loss: float) -> None:
        """Update the running mean and its best value; a non-finite loss changes neither."""
        if not math.isfinite(loss):
            return
        self.loss_mean = loss if math.isnan(self.loss_mean) else 0.9 * self.loss_mean + 0.1 * loss
        self.best_loss = self.loss_mean if math.isnan(self.best_loss) else min(self.best_loss, self.loss_mean)

    def note_dev(self, elapsed_s: float, value: float, *, took_s: float, examples: int) -> None:
        """Add a development evaluation that took some seconds over some examples."""
        self.s_per_example = [*self.s_per_example[-1:], took_s / examples]
        self.dev_curve.append([elapsed_s, value, self.step])


class Loop(Protocol[TakenT]):
    """What an experiment says about its training; :func:`train_until_spent` does the rest."""

    @property
    def progress(self) -> Progress:
        """What was done."""

    def step(self, batch: TakenT) -> Row:
        """Take one optimiser step, count it in the progress, and return what is logged of it."""

    def measure_dev(self) -> Row:
        """Measure the development metric, note it in the progress, and return what is logged of it."""

    def dev_takes_s(self) -> float:
        """Return how many seconds a development evaluation may take."""

    def save(self) -> None:
        """Write a checkpoint."""

    def shown(self) -> Mapping[str, Any]:
        """Return what a progress display shows besides the clock, the step and the loss."""

    def ended(self) -> str | None:
        """Return why the last step was the last one, or None; the clock is not asked here."""


@dataclass(frozen=True)
class Pace:
    """How often is measured, in steps, and saved, in seconds."""

    interval_steps: int
    checkpoint_seconds: float


class BudgetClock:
    """The clock of a run for its rows and for the file that a progress display reads."""

    def __init__(self, budget: Clock, file: ClockFile) -> None:
        self.budget = budget
        self._file = file

    def row(self) -> Row:
        """Return the clock's columns of a logged row, of one moment."""
        elapsed_s = self.budget.elapsed_s
        return {
            "elapsed_s": elapsed_s,
            "remaining_s": max(0.0, self.budget.total_s - elapsed_s),
            "training_s": self.budget.training_s,
        }

    def show(self, progress: Progress, *, now: bool = False, **shown: Any) -> None:
        """Refresh the clock on disk, at most about once a second unless `now`."""
        self._file.write(
            self.budget.elapsed_s, self.budget.total_s, progress.step, now=now, loss=progress.loss_mean, **shown
        )

    def summary(self, progress: Progress, stop_reason: str) -> dict[str, Any]:
        """Return what the summary of a run says about its time."""
        elapsed_s = self.budget.elapsed_s
        return {
            "steps": progress.step,
            "resumed": progress.resumed,
            "budget_s": self.budget.total_s,
            "elapsed_s": elapsed_s,
            "training_s": self.budget.training_s,
            "overrun_s": max(0.0, elapsed_s - self.budget.total_s),
            "stop_reason": stop_reason,
        }

    def used_before_s(self) -> float:
        """Return how many seconds the file says were used beyond what the budget knows: those of a killed process."""
        return max(0.0, self._file.elapsed_s() - self.budget.elapsed_s)


def train_until_spent(
    loop: Loop[BatchT],
    batches: Iterable[BatchT],
    clock: BudgetClock,
    pace: Pace,
    *,
    log: Callable[[int, Mapping[str, Any]], None],
    interrupted: threading.Event,
) -> str:
    """Take steps until the budget, or what the experiment names, ends them; return which it was.

    Parameters
    ----------
    loop
        The experiment's part.
    batches
        What each step takes, from the position of the progress on.
    clock
        The budget, started with the first batch; evaluations and checkpoints count, and are no part of a step.
    pace
        How often is measured and saved. The last step is always measured. A periodic evaluation that would not end
        before the time kept for the end begins is left out.
    log
        Called after every step with its number and row.
    interrupted
        Where it is set, a checkpoint is written and KeyboardInterrupt raised between two steps.
    """
    budget, progress = clock.budget, loop.progress
    saved_at = time.monotonic()
    for batch in batches:
        budget.start()
        if budget.spent:
            # A run that was killed at the end of its budget comes back to no time at all.
            return "budget"
        if (why_none := loop.ended()) is not None:
            # Nor does one that was killed after its last step take another.
            return why_none
        if interrupted.is_set():
            loop.save()
            raise KeyboardInterrupt
        row = loop.step(batch)
        why_last = "budget" if budget.spent else loop.ended()
        due = progress.step % pace.interval_steps == 0
        if why_last or (due and loop.dev_takes_s() < budget.remaining_s - budget.reserve_s):
            with budget.aside():
                row |= loop.measure_dev()
            # What was measured may itself be the end, as in early stopping.
            why_last = why_last or ("budget" if budget.spent else loop.ended())
        log(progress.step, row | clock.row())
        clock.show(progress, **loop.shown())
        if why_last:
            return why_last
        if time.monotonic() - saved_at >= pace.checkpoint_seconds:
            with budget.aside():
                loop.save()
            saved_at = time.monotonic()
    # A run that was killed after its last batch gets none: what it measures now counts all the same.
    budget.start()
    return "epochs"
