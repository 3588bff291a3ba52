"""Everything that decides what one cell measures, and the file that it is kept in."""

import dataclasses
import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.planners.clocks import ClockName

PROTOCOL = 1  # raise it when cells of before can no longer be compared with cells of now


@dataclass(frozen=True)
class Cell:
    """Everything that decides what one run measures; equal cells are one file.

    Attributes
    ----------
    task, task_options, planner, planner_options
        What is trained by what.
    rate
        Initial learning rate, that of the optimizer's groups.
    seed
        Of initial weights, batches and the planner's own randomness.
    budget_s, clock
        Seconds on which clock; one second is one training step on the ``steps`` clock.
    shares
        Shares of the budget after which development questions are answered; the end is always evaluated.
    max_grad_norm
        Gradients are clipped to it, for every planner.
    threads
        Threads of the process.
    code
        Fingerprint of the planner's, the task's and the loop's code, and PyTorch's version.
    """

    task: str
    task_options: Mapping[str, Any]
    planner: str
    planner_options: Mapping[str, Any]
    rate: float
    seed: int
    budget_s: float
    clock: ClockName
    shares: tuple[float, ...]
    max_grad_norm: float
    threads: int
    code: str
    protocol: int = PROTOCOL

    def as_json(self) -> dict[str, Any]:
        """Return the cell as a JSON object."""
        return {**dataclasses.asdict(self), "shares": list(self.shares)}

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> "Cell":
        """Return a cell that was written by :meth:`as_json`."""
        return cls(**{**value, "shares": tuple(value["shares"])})

    @property
    def path(self) -> Path:
        """The cell's file in the results folder; other options or other code are another file."""
        text = json.dumps(self.as_json(), sort_keys=True)
        key = hashlib.sha256(text.encode()).hexdigest()[:10]
        return Path(self.task) / self.planner / f"{self.rate:g}-s{self.seed}-{self.clock}-{key}.json"

    def without_code(self) -> str:
        """Return what two runs share that differ in nothing but the code they ran."""
        return json.dumps(self.as_json() | {"code": ""}, sort_keys=True)
