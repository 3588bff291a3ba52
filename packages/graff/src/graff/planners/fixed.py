"""fixed: one learning rate from the first step to the last."""

from typing import ClassVar

from torch import nn
from torch.optim import Optimizer

from graff.budget import Budget
from graff.planners._planner import Planner
from graff.planners._report import Moment
from graff.planners._shape import Progress, checked_warmup, warm


class Fixed(Planner):
    """A constant learning rate, after a warm-up over time if one is asked for.

    Parameters
    ----------
    optimizer, model, budget, max_grad_norm
        As for every planner.
    warmup_fraction
        The share of the training time over which the rate rises linearly from zero.
    """

    name: ClassVar[str] = "fixed"

    def __init__(
        self,
        optimizer: Optimizer,
        model: nn.Module | None,
        budget: Budget,
        *,
        warmup_fraction: float = 0.0,
        max_grad_norm: float | None = None,
    ) -> None:
        super().__init__(optimizer, model, budget, max_grad_norm=max_grad_norm)
        self._warmup = checked_warmup(warmup_fraction)
        self._progress = Progress("time", None)

    def _plan(self, moment: Moment) -> float:
        return warm(self._progress.done(moment.reading, moment.step), self._warmup)
