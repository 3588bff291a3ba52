"""Planners whose rate is a function of the share of the training that is done, and of nothing else."""

from abc import abstractmethod

from torch import nn
from torch.optim import Optimizer

from graff.budget import Budget
from graff.planners._planner import Planner
from graff.planners._report import Moment
from graff.planners._shape import Over, Progress, checked_cooldown, checked_warmup


class Scheduled(Planner):
    """A rate that follows a shape over wall-clock time, or over steps, after a short warm-up.

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

    Raises
    ------
    GraffError
        For an unknown ``over``, steps that are missing or have no effect, or a warm-up outside of [0, 1).
    """

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
        return self._factor(self._progress.done(moment.reading, moment.step))

    @abstractmethod
    def _factor(self, done: float) -> float:
        """Return the factor on the base rates after a share ``done`` of the training."""


class Cooled(Scheduled):
    """A short warm-up, a plateau, and a cooldown at the end.

    Parameters
    ----------
    optimizer, model, budget, max_grad_norm, over, total_steps, warmup_fraction
        As for :class:`Scheduled`.
    cooldown_fraction
        The share of the training, at its end, over which the rate falls to zero. One fifth is where arXiv 2405.18392
        finds the gain of a longer cooldown to level off.

    Raises
    ------
    GraffError
        For a warm-up and a cooldown that do not fit into the training.
    """

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
        super().__init__(
            optimizer,
            model,
            budget,
            over=over,
            total_steps=total_steps,
            warmup_fraction=warmup_fraction,
            max_grad_norm=max_grad_norm,
        )
        self._cooldown = checked_cooldown(cooldown_fraction, warmup_fraction)
