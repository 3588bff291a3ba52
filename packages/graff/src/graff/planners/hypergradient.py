"""hypergradient: the rate follows the derivative of the loss by itself, on any optimizer; no graph, no budget."""

import math
from typing import Any, ClassVar, Literal

from torch import Tensor, nn
from torch.optim import Optimizer

from graff.budget import Budget
from graff.errors import GraffError
from graff.hypergradient import LastStep
from graff.planners._planner import Planner
from graff.planners._report import Moment

Update = Literal["multiplicative", "additive"]

# The paper's additive updates use 1e-7 for Adam. The multiplicative one has no published value: of .005 to .5, .1 had
# the lowest loss over six base rates from 3e-4 to 1e-1 on a regression of 140 steps.
_DEFAULT_HYPER_LR: dict[Update, float] = {"multiplicative": 0.1, "additive": 1e-7}
# Keeps an additive rate positive, so that the direction of the last step can still be read, and any rate finite.
_LARGEST_FACTOR = 1e6
_LONGEST_CHANGE = 50.0  # of the logarithm in one step; the exponential of a reckless hyper_lr would overflow


class Hypergradient(Planner):
    """Hypergradient descent (Baydin et al. 2018, arXiv 1703.04782) on the rate of any optimizer.

    The last step moved the weights by ``-delta = -rate * u``, so ``d loss / d rate = -<g, u>`` at the next batch's
    gradient ``g``. All groups share one factor. Nothing anneals and nothing looks at the budget.

    Parameters
    ----------
    optimizer, model, budget, max_grad_norm
        As for every planner; hypergradients use the raw gradient.
    update
        ``"multiplicative"``, the default: ``log rate += hyper_lr * cos(g, u)``, the paper's normalised rule in the
        logarithm. It has no unit, so one ``hyper_lr`` serves every optimizer, loss scale and base rate, and the rate
        cannot become negative. ``"additive"``: ``rate += hyper_lr * <g, u>`` as published first; its ``hyper_lr``
        depends on all of those, and the rate is held at a millionth of the base rate where it would fall below.
    hyper_lr
        The rate of the rate; left out, 0.1 for the multiplicative update and the paper's 1e-7 for the additive one.
        With several groups the additive update moves their mean rate.

    Raises
    ------
    GraffError
        For an unknown update or a ``hyper_lr`` that is not a positive number.
    """

    name: ClassVar[str] = "hypergradient"

    def __init__(
        self,
        optimizer: Optimizer,
        model: nn.Module | None,
        budget: Budget,
        *,
        update: Update = "multiplicative",
        hyper_lr: float | None = None,
        max_grad_norm: float | None = None,
    ) -> None:
        super().__init__(optimizer, model, budget, max_grad_norm=max_grad_norm)
        if update not in _DEFAULT_HYPER_LR:
            raise GraffError(f"update of {update!r}: it is {' or '.join(map(repr, _DEFAULT_HYPER_LR))}; choose one")
        self._update: Update = update
        self._hyper_lr = _DEFAULT_HYPER_LR[update] if hyper_lr is None else hyper_lr
        if not (self._hyper_lr > 0 and math.isfinite(self._hyper_lr)):
            raise GraffError(f"hyper_lr of {hyper_lr}: it is a positive number; leave it out for the default")
        self._factor = 1.0
        self._held = 0
        self._last_step = LastStep(optimizer, self._tensors, self._groups)

    def _facts(self) -> Tensor:
        return self._last_step.facts(self._gradients())

    def _plan(self, moment: Moment) -> float:
        if self._last_step.exists:
            gain = float(moment.facts[0].sum())
            moved = float(moment.facts[2].square().sum().sqrt())
            wanted = self._wanted(gain, moment.grad_norm * moved)
            self._factor = min(_LARGEST_FACTOR, max(1.0 / _LARGEST_FACTOR, wanted))
            self._held += self._factor != wanted
            moment.metrics["hypergradient"] = -gain  # by the logarithm of the rate, in nats
        moment.metrics |= {"log_factor": math.log(self._factor), "held_at_bound": float(self._held)}
        return self._factor

    def _wanted(self, gain: float, norms: float) -> float:
        """Return the next factor from ``<g, delta>`` and ``|g| |delta|``."""
        if self._update == "multiplicative":
            change = self._hyper_lr * gain / norms if norms > 0 else 0.0
            return self._factor * math.exp(max(-_LONGEST_CHANGE, min(_LONGEST_CHANGE, change)))
        base = sum(self._base_rates) / len(self._base_rates)
        rate = base * self._factor
        return (rate + self._hyper_lr * gain / rate) / base if rate > 0 else self._factor

    def _before_move(self, moment: Moment) -> None:  # noqa: ARG002
        self._last_step.before()

    def _after_move(self, moment: Moment) -> None:  # noqa: ARG002
        self._last_step.after()

    def state_dict(self) -> dict[str, Any]:
        """Return everything a resumed run needs, the last step's direction included."""
        return super().state_dict() | {
            "factor": self._factor,
            "held": self._held,
            "last_step": self._last_step.state_dict(),
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Continue a saved run; load the optimizer's state first."""
        super().load_state_dict(state)
        self._factor, self._held = float(state["factor"]), int(state["held"])
        self._last_step.load_state_dict(state["last_step"])
