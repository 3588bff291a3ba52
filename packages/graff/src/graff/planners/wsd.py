"""wsd: warm-up, stable, linear decay to zero, by default over wall-clock time."""

from typing import ClassVar

from torch import nn
from torch.optim import Optimizer

from graff.budget import Budget
from graff.planners._planner import Planner
from graff.planners._report import Moment
from graff.planners._shape import Over, Progress, checked_cooldown, checked_warmup, wsd


class Wsd(Planner):
    """A short warm-up, a plateau, then a straight line to zero when training stops (WSD, arXiv 2404.06395).

    MiniCPM, where the name comes from, decays exponentially; the straight line is the form of arXiv 2405.18392.

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
    cooldown_fraction
        The share of the training, at its end, over which it falls to zero. One fifth is where arXiv 2405.18392 finds
        the gain of a longer cooldown to level off.

    Raises
    ------
    GraffError
        For a warm-up and a cooldown that do not fit into the training.
    """

    name: ClassVar[str] = "wsd"

    def __init__(
        self,
        optimizer: Optimizer,
        model: nn.Module | None,
        budget: Budget,
        *,
        over: Over = "time",
        total_steps: int | None = None,
        warmup_fraction: float = 0.02,
        cooldown_fraction: float = 0.2,
        max_grad_norm: float | None = None,
    ) -> None:
        super().__init__(optimizer, model, budget, max_grad_norm=max_grad_norm)
        self._warmup = checked_warmup(warmup_fraction)
        self._cooldown = checked_cooldown(cooldown_fraction, warmup_fraction)
        self._progress = Progress(over, total_steps)

    def _plan(self, moment: Moment) -> float:
        return wsd(self._progress.done(moment.reading, moment.step), self._warmup, self._cooldown)
