"""The cells of one task as a full table: every method at the same rates with the same seeds."""

import json
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from benchmarks.planners import tasks
from benchmarks.planners.grid import Grid, Method
from benchmarks.planners.measure import Measure
from benchmarks.planners.outcome import Outcome
from greenlight.errors import GreenlightError

Right = NDArray[np.bool_]
Values = NDArray[np.float64]
Key = tuple[str, float, int]


@dataclass(frozen=True)
class Board:
    """Outcomes of one grid, cut to what every method has.

    Attributes
    ----------
    grid
        What was asked for.
    rates, seeds
        What all methods have: the same search width for everyone.
    outcomes
        By label, rate and seed; complete over `rates` and `seeds`.
    notes
        What a reader of the table has to know: cells that are missing, machines that differ, other code.
    """

    grid: Grid
    rates: tuple[float, ...]
    seeds: tuple[int, ...]
    outcomes: dict[Key, Outcome]
    notes: tuple[str, ...]

    @property
    def methods(self) -> tuple[Method, ...]:
        """The methods, in the order of the command."""
        return self.grid.methods

    def of(self, label: str, rate: float) -> tuple[Outcome, ...]:
        """Return a method's outcomes at a rate, in the order of the seeds."""
        return tuple(self.outcomes[label, rate, seed] for seed in self.seeds)

    def all_of(self, label: str) -> tuple[Outcome, ...]:
        """Return all of a method's outcomes, each cell once."""
        every = (outcome for rate in self.rates for outcome in self.of(label, rate))
        return tuple({outcome.cell.path: outcome for outcome in every}.values())

    @property
    def measure(self) -> Measure:
        """What the task is scored by."""
        return tasks.task_class(self.grid.task.name).measure

    @property
    def scored(self) -> bool:
        """Whether the task has questions."""
        return any(outcome.test_right or outcome.test_losses for outcome in self.outcomes.values())

    @property
    def test_questions(self) -> int:
        """The number of test questions."""
        return max(max(len(outcome.test_right), len(outcome.test_losses)) for outcome in self.outcomes.values())

    def right(self, label: str, rate: float) -> Right:
        """Return which answers were right, shape (seeds, questions); a process that died answered none."""
        nothing = (False,) * self.test_questions
        return np.array([outcome.test_right or nothing for outcome in self.of(label, rate)], dtype=bool)

    def values(self, label: str, rate: float) -> Values:
        """Return the score of every test question, shape (seeds, questions): right as 1, or the loss in nats.

        A loss that is not finite, and that of a process that died, is the largest that any cell has on the question.
        """
        if self.measure.kind == "right":
            return self.right(label, rate).astype(np.float64)
        losses = np.array([self._losses(outcome) for outcome in self.of(label, rate)])
        return np.where(np.isfinite(losses), losses, self._largest)

    @cached_property
    def _largest(self) -> Values:
        losses = np.array([self._losses(outcome) for outcome in self.outcomes.values()])
        largest = np.where(np.isfinite(losses), losses, -np.inf).max(axis=0)
        # A question without one finite loss has that of the worst question.
        finite = largest[np.isfinite(largest)]
        return np.where(np.isfinite(largest), largest, finite.max() if len(finite) else 0.0)

    def _losses(self, outcome: Outcome) -> list[float]:
        losses = outcome.test_losses or (None,) * self.test_questions
        return [np.nan if loss is None else loss for loss in losses]

    def test_score(self, label: str, rate: float) -> Values:
        """Return the mean score over the test questions, shape (seeds,)."""
        means: Values = self.values(label, rate).mean(axis=1)
        return means

    def dev_score(self, label: str, rate: float) -> float:
        """Return the mean over seeds of the score on the development questions at the end."""
        if self.measure.kind == "loss":
            return self.dev_loss(label, rate)
        return float(np.mean([outcome.dev_exact_match for outcome in self.of(label, rate)]))

    @property
    def started(self) -> float:
        """The untrained model's mean development loss in nats, over the cells that know it; NaN where none does."""
        known = [o.started_loss for o in self.outcomes.values() if o.started_loss is not None]
        return float(np.mean(known)) if known else float("nan")

    def dev_loss(self, label: str, rate: float) -> float:
        """Return the mean over seeds of the final development loss in nats; infinite where one is not finite."""
        finals = [outcome.final for outcome in self.of(label, rate)]
        return float(np.mean([np.inf if f is None or f.loss is None else f.loss for f in finals]))


def read_board(grid: Grid, folder: Path, *, any_code: bool = False) -> Board:
    """Read the cells of a grid back.

    Parameters
    ----------
    grid
        What to compare.
    folder
        Where the cells are.
    any_code
        Take cells that other code made, the newest where there are several; the notes say so.

    Raises
    ------
    GreenlightError
        When there is not one rate and seed that all methods have.
    """
    found = _found(grid, folder, any_code=any_code)
    wanted = {(m.label, rate, seed) for m in grid.methods for rate in grid.rates for seed in grid.seeds}
    # Rates first: a rate that no seed has is not tried yet; of the rest, the seeds that have all of it.
    rates = tuple(r for r in grid.rates if all(any((m.label, r, s) in found for s in grid.seeds) for m in grid.methods))
    seeds = tuple(s for s in grid.seeds if all((m.label, r, s) in found for m in grid.methods for r in rates))
    if not rates or not seeds:
        raise GreenlightError(
            f"{len(found)} of {len(wanted)} cells of task {grid.task.name} in {folder}: no rate and seed that all "
            "methods have; run the grid with the same options first"
        )
    kept = {key: outcome for key, outcome in found.items() if key[1] in rates and key[2] in seeds}
    return Board(grid, rates, seeds, kept, tuple(_notes(grid, wanted, found, kept, rates, seeds)))


def _found(grid: Grid, folder: Path, *, any_code: bool) -> dict[Key, Outcome]:
    others: dict[str, tuple[str, Path]] = {}
    if any_code:
        for path in sorted((folder / grid.task.name).glob("*/*.json")):
            outcome = Outcome.from_json(json.loads(path.read_text(encoding="utf-8")))
            finished = str(outcome.machine.get("finished", ""))
            others[outcome.cell.without_code()] = max(
                (finished, path), others.get(outcome.cell.without_code(), ("", path))
            )
    found: dict[Key, Outcome] = {}
    for method in grid.methods:
        for rate in grid.rates:
            for seed in grid.seeds:
                cell = grid.cell(method, rate, seed)
                path = folder / cell.path
                if not path.is_file() and any_code and cell.without_code() in others:
                    path = others[cell.without_code()][1]
                if path.is_file():
                    text = path.read_text(encoding="utf-8")
                    found[method.label, rate, seed] = Outcome.from_json(json.loads(text))
    return found


def _notes(
    grid: Grid,
    wanted: set[Key],
    found: dict[Key, Outcome],
    kept: dict[Key, Outcome],
    rates: tuple[float, ...],
    seeds: tuple[int, ...],
) -> Iterable[str]:
    if len(found) < len(wanted):
        yield (
            f"INCOMPLETE: {len(found)} of {len(wanted)} cells exist; shown are the {len(rates)} rates and "
            f"{len(seeds)} seeds that every method has"
        )
    for what in ("processor", "device", "alone"):
        values = sorted({str(o.machine[what]) for o in kept.values() if what in o.machine})
        if len(values) > 1:
            yield f"MIXED: cells differ in {what}: {', '.join(values)}"
    codes = {(m.planner, kept[m.label, rates[0], seeds[0]].cell.code) for m in grid.methods}
    now = {(m.planner, grid.cell(m, rates[0], seeds[0]).code) for m in grid.methods}
    if codes - now:
        yield f"OTHER CODE: not made by the present code: {', '.join(sorted(planner for planner, _ in codes - now))}"
    died = [key for key, outcome in kept.items() if outcome.status == "died"]
    of_loss = tasks.task_class(grid.task.name).measure.kind == "loss"
    counted = "the largest loss of all cells" if of_loss else "0"
    if died:
        yield f"{len(died)} processes ended without a result and count as {counted}: {kept[died[0]].reason}"
    broken = sum(None in outcome.test_losses for outcome in kept.values())
    if broken:
        yield f"{broken} cells have test losses that are not finite, which count as {counted}"
