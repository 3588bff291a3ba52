"""schedule_free: schedule-free AdamW of the package ``schedulefree``, whose average takes the place of annealing."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, ClassVar

import torch
from torch import nn
from torch.optim import Optimizer

from graff.budget import Budget
from graff.errors import GraffError
from graff.planners._planner import Planner
from graff.planners._replacement import adamw_groups, imported
from graff.planners._report import Moment
from graff.planners._shape import Progress, checked_warmup, warm
from graff.probes import Probe


class ScheduleFree(Planner):
    """Schedule-free AdamW (Defazio et al. 2024, arXiv 2405.15682) at a constant rate after a warm-up over time.

    It makes the package's ``AdamWScheduleFree`` from the groups of the caller's AdamW (rate, betas, eps and weight
    decay); from then on it is ``planner.optimizer`` that is saved and resumed, and the caller's is not to be used. Its
    authors find good rates at 1 to 10 times those of a schedule.

    The weights in training are those the gradient is taken at. Those to evaluate and to keep are an average: use
    :meth:`evaluating`. It puts the training weights back bit for bit, so that an evaluation changes nothing, at the
    cost of one copy of the trainable weights while it lasts.

    Parameters
    ----------
    optimizer
        A fresh AdamW with a first beta above 0.
    model, budget, max_grad_norm
        As for every planner.
    warmup_fraction
        The share of the training time over which the rate rises linearly from zero. The package's own warm-up is off:
        it counts steps, whose number nobody knows.

    Raises
    ------
    GraffError
        Without the package, for another optimizer than a fresh AdamW, and for a step or a state within
        :meth:`evaluating`.

    Notes
    -----
    The running statistics of batch normalisation belong to the training weights; measure them anew before evaluating
    a model that has some.
    """

    name: ClassVar[str] = "schedule_free"

    def __init__(
        self,
        optimizer: Optimizer,
        model: nn.Module | None,
        budget: Budget,
        *,
        warmup_fraction: float = 0.02,
        max_grad_norm: float | None = None,
    ) -> None:
        groups = adamw_groups(optimizer, self.name)
        for group in groups:
            if not group["betas"][0] > 0.0:
                raise GraffError(f"betas of {group['betas']}: schedule_free needs the first one above 0; use 0.9")
        replaced = imported("schedulefree", "schedule-free").AdamWScheduleFree(groups)
        super().__init__(replaced, model, budget, max_grad_norm=max_grad_norm)
        self._warmup = checked_warmup(warmup_fraction)
        self._progress = Progress("time", None)
        self._schedule_free: Any = replaced
        self._schedule_free.train()
        self._evaluating = False

    @contextmanager
    def evaluating(self) -> Iterator[None]:
        """Hold the averaged weights in the model, and put the training weights back as they were."""
        if self._evaluating:
            yield
            return
        weights = [t.detach() for t in self._tensors]
        kept = torch._foreach_clone(weights)
        self._evaluating = True
        self._schedule_free.eval()
        try:
            yield
        finally:
            self._schedule_free.train()
            # The package moves back by arithmetic, which rounds: visibly so in half precision.
            torch._foreach_copy_(weights, kept)
            self._evaluating = False

    def before_step(self, probe: Probe | None = None) -> bool:
        """Set the learning rates for the gradients at hand; see :meth:`Planner.before_step`."""
        if self._evaluating:
            raise GraffError("step within evaluating: the model holds averaged weights; leave the block first")
        return super().before_step(probe)

    def _plan(self, moment: Moment) -> float:
        return warm(self._progress.done(moment.reading, moment.step), self._warmup)

    def state_dict(self) -> dict[str, Any]:
        """Return everything a resumed run needs; the averages are in the state of ``planner.optimizer``."""
        if self._evaluating:
            raise GraffError("state within evaluating: the model holds averaged weights; save it outside the block")
        return super().state_dict()
