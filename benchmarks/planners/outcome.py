"""What one cell measured, as it is written to its file."""

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from benchmarks.planners.spec import Cell

Status = Literal["ok", "diverged", "crashed", "died"]


@dataclass(frozen=True)
class Evaluation:
    """The development questions at one moment of the budget.

    Attributes
    ----------
    elapsed_s, training_s
        Seconds on the cell's clock when it began, with and without the evaluations before.
    took_s
        Seconds that it took on that clock.
    steps
        Training steps before it.
    right, questions
        How many answers were right, of how many; none where the task is scored by its loss.
    loss
        Mean loss of the answers in nats per token; None when it was not finite.
    """

    elapsed_s: float
    training_s: float
    took_s: float
    steps: int
    right: int
    questions: int
    loss: float | None

    @property
    def exact_match(self) -> float:
        """The share of right answers, from 0 to 1."""
        return self.right / self.questions if self.questions else 0.0


@dataclass(frozen=True)
class TracePoint:
    """One training step of a run, thinned out for long ones."""

    step: int
    elapsed_s: float
    loss: float | None
    rate: float


@dataclass(frozen=True)
class Outcome:
    """One cell's result. A run that failed is one too.

    Attributes
    ----------
    cell
        What was run.
    status, reason
        ``diverged``: the final loss is not finite or above the untrained model's. ``crashed``: training raised an
        error; what was left of the model was evaluated. ``died``: the process ended without a result.
    evaluations
        On the clock, at the shares of the budget and at its end.
    test_right
        For each test question whether it was answered right by the final weights; none where nothing is scored.
        Answered after the clock stopped, for everyone.
    test_losses
        Where the task is scored by its loss: that of each test question in nats, None where it was not finite.
    steps, tokens, skipped
        Training steps, tokens that carried a loss, steps that the planner skipped.
    elapsed_s, training_s, overhead_s
        Seconds on the clock: all, without evaluations, and those of planning.
    started_loss
        Mean development loss of the untrained model.
    peak_memory_mb, memory_kind
        Of the training parts, in MiB.
    energy_j, energy_missing
        Joules from hardware counters, or why there are none.
    trace
        Up to about 200 steps.
    machine
        Where and when it ran, with real and processor seconds of the whole process.
    """

    cell: Cell
    status: Status
    reason: str | None
    evaluations: tuple[Evaluation, ...] = ()
    test_right: tuple[bool, ...] = ()
    test_losses: tuple[float | None, ...] = ()
    steps: int = 0
    tokens: float = 0.0
    skipped: int = 0
    elapsed_s: float = 0.0
    training_s: float = 0.0
    overhead_s: float = 0.0
    started_loss: float | None = None
    peak_memory_mb: float | None = None
    memory_kind: str = ""
    energy_j: float | None = None
    energy_missing: str | None = None
    trace: tuple[TracePoint, ...] = ()
    machine: Mapping[str, Any] = dataclasses.field(default_factory=dict)

    @property
    def final(self) -> Evaluation | None:
        """The last evaluation; None for a process that died and a task without questions."""
        return self.evaluations[-1] if self.evaluations else None

    @property
    def dev_exact_match(self) -> float:
        """Share of right development answers at the end; 0 where there is no evaluation."""
        return self.final.exact_match if self.final is not None else 0.0

    @property
    def overhead(self) -> float | None:
        """Planning over the clock's time without evaluations; None for a process that died."""
        return self.overhead_s / self.training_s if self.training_s > 0 else None

    def as_json(self) -> dict[str, Any]:
        """Return the outcome as a JSON object; answers as one text of 0 and 1."""
        value = dataclasses.asdict(self)
        value["cell"] = self.cell.as_json()
        value["test_right"] = "".join("1" if right else "0" for right in self.test_right)
        return value

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> "Outcome":
        """Return an outcome that was written by :meth:`as_json`."""
        return cls(
            **{
                **value,
                "cell": Cell.from_json(value["cell"]),
                "evaluations": tuple(Evaluation(**entry) for entry in value["evaluations"]),
                "test_right": tuple(digit == "1" for digit in value["test_right"]),
                "test_losses": tuple(value.get("test_losses", ())),
                "trace": tuple(TracePoint(**entry) for entry in value["trace"]),
            }
        )
