"""rex: a hyperbola to zero that stays high for long, by default over wall-clock time."""

from typing import ClassVar

from torch import nn
from torch.optim import Optimizer

from graff.budget import Budget
from graff.planners._planner import Planner
from graff.planners._report import Moment
from graff.planners._shape import Over, Progress, checked_warmup, rex


class Rex(Planner):
    """A short warm-up, then REX, a hyperbola that reaches zero when training stops (arXiv 2107.04197).

    Parameters
    ----------
    optimizer, model, budget, max_grad_norm
        As for every planner.
    over
        ``"time"`` follows the budget, evaluations included; ``"steps"`` follows ``total_steps``.
    total_steps
        The number of steps of a plan over steps.
    warmup_fraction
        The share of the training over which the rate rises linearly from zero.
    """

    name: ClassVar[str] = "rex"

    def __init__(
        self,
        optimizer: Optimizer,
        model: nn.Module | None,
        budget: Budget,
        *,
        over: Over = "time",
        total_steps: int | None = None,
        warmup_fraction: float = 0.02,
        max_grad_norm: float | None = None,
    ) -> None:
        super().__init__(optimizer, model, budget, max_grad_norm=max_grad_norm)
        self._warmup = checked_warmup(warmup_fraction)
        self._progress = Progress(over, total_steps)

    def _plan(self, moment: Moment) -> float:
        return rex(self._progress.done(moment.reading, moment.step), self._warmup)
