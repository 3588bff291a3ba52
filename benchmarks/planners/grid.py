"""The grid: methods x initial rates x seeds on a task."""

import dataclasses
import json
import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import graff
from benchmarks.planners import tasks
from benchmarks.planners.clocks import ClockName
from benchmarks.planners.fingerprint import fingerprint
from benchmarks.planners.spec import Cell
from greenlight.errors import GreenlightError


@dataclass(frozen=True)
class Choice:
    """A name with options, as ``NAME`` or ``NAME,option=value,...`` on the command line."""

    name: str
    options: Mapping[str, Any] = dataclasses.field(default_factory=dict)

    @classmethod
    def parsed(cls, text: str) -> "Choice":
        """Return what a text says; values are JSON where they can be, text otherwise.

        Raises
        ------
        GreenlightError
            For an option without a value.

        Examples
        --------
        >>> Choice.parsed("graff,graph_edges=false,outer_lr=1e-3").options
        {'graph_edges': False, 'outer_lr': 0.001}
        """
        name, *pairs = text.split(",")
        options: dict[str, Any] = {}
        for pair in pairs:
            key, separator, value = pair.partition("=")
            if not separator or not key or not value:
                raise GreenlightError(f"{text}: '{pair}' is no option=value; write NAME,option=value,option=value")
            try:
                options[key] = json.loads(value)
            except json.JSONDecodeError:
                options[key] = value
        return cls(name, options)


@dataclass(frozen=True)
class Method:
    """A planner with options under a label."""

    label: str
    planner: str
    options: Mapping[str, Any] = dataclasses.field(default_factory=dict)

    @classmethod
    def parsed(cls, text: str) -> "Method":
        """Return a variant from ``LABEL=planner,option=value,...``.

        Raises
        ------
        GreenlightError
            Where the text has no label or no planner.
        """
        label, separator, rest = text.partition("=")
        if not separator or "," in label or not label.replace("_", "").replace("-", "").isalnum():
            raise GreenlightError(f"variant {text!r}: it is LABEL=planner,option=value,...; give it a label")
        choice = Choice.parsed(rest)
        return cls(label, choice.name, choice.options)


@dataclass(frozen=True)
class Grid:
    """What one command compares: every method at every rate with every seed on one task."""

    task: Choice
    methods: tuple[Method, ...]
    rates: tuple[float, ...]
    seeds: tuple[int, ...]
    budget_s: float
    clock: ClockName
    shares: tuple[float, ...]
    max_grad_norm: float
    threads: int

    def __post_init__(self) -> None:
        labels = [method.label for method in self.methods]
        for name, values in (("method", labels), ("rate", self.rates), ("seed", self.seeds)):
            if not values or len(set(values)) < len(values):
                raise GreenlightError(f"{name}s {list(values)}: at least one, and none twice; correct the list")
        if not all(0 < rate < float("inf") for rate in self.rates):
            raise GreenlightError(f"rates {list(self.rates)}: a learning rate is positive; correct the list")
        if not all(0 < share < 1 for share in self.shares) or list(self.shares) != sorted(set(self.shares)):
            raise GreenlightError(
                f"shares {list(self.shares)}: rising shares of the budget in (0, 1); correct the list"
            )
        if not (0 < self.budget_s < float("inf") and self.max_grad_norm > 0 and self.threads >= 1):
            raise GreenlightError(
                f"budget {self.budget_s:g} s, clipping {self.max_grad_norm:g}, {self.threads} threads: "
                "all are positive; correct them"
            )

    def cell(self, method: Method, rate: float, seed: int) -> Cell:
        """Return one cell of the grid; a planner without an initial rate has one cell for all of them, the first."""
        if not graff.planners.planner_class(method.planner).takes_rate:
            rate = self.rates[0]
        return Cell(
            task=self.task.name,
            task_options=dict(self.task.options),
            planner=method.planner,
            planner_options=dict(method.options),
            rate=rate,
            seed=seed,
            budget_s=self.budget_s,
            clock=self.clock,
            shares=self.shares,
            max_grad_norm=self.max_grad_norm,
            threads=self.threads,
            code=code_of(method.planner, self.task.name),
        )

    def cells(self) -> Iterator[Cell]:
        """Yield every cell once, seed after seed and in a shuffled order within each.

        The load of a machine drifts; in this order it meets all methods and rates alike, and a grid that is stopped
        early has whole seeds.
        """
        seen: set[Path] = set()
        for seed in self.seeds:
            cells = [self.cell(method, rate, seed) for method in self.methods for rate in self.rates]
            random.Random(f"{self.task.name} {seed}").shuffle(cells)  # noqa: S311 - an order is no secret
            for cell in cells:
                if cell.path not in seen:
                    seen.add(cell.path)
                    yield cell


def code_of(planner: str, task: str) -> str:
    """Return the fingerprint of what a cell runs, and the version of PyTorch that runs it."""
    modules = (f"graff.planners.{planner}", f"benchmarks.planners.tasks.{task}", "benchmarks.planners.cell")
    return f"{fingerprint(*modules, *tasks.task_class(task).code)}-torch{version('torch')}"


def parsed_seeds(texts: Sequence[str]) -> tuple[int, ...]:
    """Return seeds from numbers and ranges with both ends.

    Raises
    ------
    GreenlightError
        For what is neither.

    Examples
    --------
    >>> parsed_seeds(["0-2", "7"])
    (0, 1, 2, 7)
    """
    seeds: list[int] = []
    for text in texts:
        first, _, last = text.partition("-")
        if not first.isdecimal() or (last and not last.isdecimal()) or text.endswith("-"):
            raise GreenlightError(f"seeds {text!r}: a seed is a number and a range is 0-5; correct it")
        seeds += range(int(first), int(last or first) + 1)
    return tuple(seeds)
