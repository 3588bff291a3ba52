"""prodigy: the optimizer of the package ``prodigyopt``, which finds its own rate."""

import logging
from typing import ClassVar, Literal

from torch import nn
from torch.optim import Optimizer

from graff.budget import Budget
from graff.errors import GraffError
from graff.planners._planner import Planner
from graff.planners._replacement import adamw_groups, imported
from graff.planners._report import Moment
from graff.planners._shape import Progress, checked_warmup, cosine, warm

_log = logging.getLogger("graff")

Annealing = Literal["none", "cosine"]
_ANNEALINGS = ("none", "cosine")


class Prodigy(Planner):
    """Prodigy (Mishchenko and Defazio 2024, arXiv 2306.06101): AdamW at a rate estimated from the distance travelled.

    It makes the package's ``Prodigy`` from the groups of the caller's AdamW (betas, eps and weight decay); from then on
    it is ``planner.optimizer`` that is saved and resumed, and the caller's is not to be used.

    There is no initial rate: the caller's is not used, every group has the rate 1 that the authors ask for, and
    ``learning_rate`` is what annealing makes of it. The estimate is the metric ``estimated_rate``. The package knows
    one rate for all groups, so their proportions are not kept (a warning is logged where there were any); a
    group whose rate is 0 stays at 0.

    Parameters
    ----------
    optimizer
        A fresh AdamW, with the same betas in all groups: the package reads those of the first.
    model, budget, max_grad_norm
        As for every planner.
    annealing
        ``"cosine"`` over time, or ``"none"``. The authors recommend either; the end is known here, so it anneals.
    d_coef
        Factor on the estimate, the authors' way to tune it: 0.5 to 2, or 0.1 to 10.
    bias_correction
        Adam's bias correction, which the package leaves out unless asked.
    warmup_fraction
        The share of the training time over which the rate rises linearly from zero. Above 0 it switches on the
        package's safeguard, without which a warm-up makes the estimate too large.

    Raises
    ------
    GraffError
        Without the package, for another optimizer than a fresh AdamW, or an option out of its range.
    """

    name: ClassVar[str] = "prodigy"
    takes_rate: ClassVar[bool] = False

    def __init__(
        self,
        optimizer: Optimizer,
        model: nn.Module | None,
        budget: Budget,
        *,
        annealing: Annealing = "cosine",
        d_coef: float = 1.0,
        bias_correction: bool = False,
        warmup_fraction: float = 0.0,
        max_grad_norm: float | None = None,
    ) -> None:
        if annealing not in _ANNEALINGS:
            raise GraffError(f"annealing of {annealing!r}: it is 'none' or 'cosine'; choose one")
        if not d_coef > 0:
            raise GraffError(f"d_coef of {d_coef}: it is a positive number; use 1")
        self._annealing, self._warmup = annealing, checked_warmup(warmup_fraction)
        groups = adamw_groups(optimizer, self.name)
        if len({group["betas"] for group in groups}) > 1:
            raise GraffError(f"betas of {[g['betas'] for g in groups]}: prodigy has one pair for all groups; give one")
        rates = sorted({group["lr"] for group in groups if group["lr"] > 0.0})
        if len(rates) > 1:
            _log.warning("rates of %s: prodigy estimates one for all groups, their proportions are not kept", rates)
        for group in groups:
            group["lr"] = 1.0 if group["lr"] > 0.0 else 0.0
        make = imported("prodigyopt", "prodigy").Prodigy
        replaced = make(
            groups, d_coef=d_coef, use_bias_correction=bias_correction, safeguard_warmup=warmup_fraction > 0
        )
        super().__init__(replaced, model, budget, max_grad_norm=max_grad_norm)
        self._progress = Progress("time", None)

    def _plan(self, moment: Moment) -> float:
        shape = cosine if self._annealing == "cosine" else warm
        return shape(self._progress.done(moment.reading, moment.step), self._warmup)

    def _after_move(self, moment: Moment) -> None:
        group = self.optimizer.param_groups[0]
        moment.metrics["estimated_rate"] = float(group["d"])
