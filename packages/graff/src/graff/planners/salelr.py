"""salelr: the rate is a share of the exact line search along the update, from the curvature of the caller's probe."""

import logging
import math
from typing import Any, ClassVar

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from graff import agreement
from graff.budget import Budget
from graff.errors import GraffError
from graff.hypergradient import dots
from graff.planners._planner import Planner
from graff.planners._report import Moment
from graff.probes import Cadence, Curvature, Probe, curvature_along, reach_for

_log = logging.getLogger("graff")

_FIRST_PROBE = 4  # steps; LoRA's zero matrices have no usable curvature at the start
_EPS = 1e-12  # nats; a straight loss gives a large rate, which the bound holds, and not a division by zero


class Salelr(Planner):
    """SALeLR: ``rate = sigma * max(-<g, u>, 0) / (|u^T H u| + eps)``, with ``u`` the optimizer's update.

    No publication defines SALeLR; this is CDAT (Roulet et al., arXiv 2407.06183), the nearest published relative of
    its description. A probed step is made at the rate that its own probe asks for, which then holds until the next
    probe; before the first one, and in a loop without a probe, the rate is the base rate. Nothing anneals.

    Parameters
    ----------
    optimizer, model, budget, max_grad_norm
        As for every planner; ``step`` needs a probe, and steps without one are counted in ``unprobed_steps``.
    sigma
        The rate in units of the exact line search: 1 minimises the batch's quadratic, 2 is the edge of stability at
        which the batch's loss stops falling, and CDAT's choice.
    smoothing
        Weight of the past in the averages of numerator and denominator, which are averaged separately, per probe.
        Probes are many steps apart, so it is lower than for averages over steps.
    probe_share
        The largest share of the wall clock that probes may take.
    rate_bound
        The largest factor by which the rate may leave the base rate, up or down.

    Raises
    ------
    GraffError
        For an option out of its range.
    """

    name: ClassVar[str] = "salelr"

    def __init__(
        self,
        optimizer: Optimizer,
        model: nn.Module | None,
        budget: Budget,
        *,
        sigma: float = 2.0,
        smoothing: float = 0.5,
        probe_share: float = 0.02,
        rate_bound: float = 30.0,
        max_grad_norm: float | None = None,
    ) -> None:
        super().__init__(optimizer, model, budget, max_grad_norm=max_grad_norm)
        rules: tuple[tuple[str, float, bool, str], ...] = (
            ("sigma", sigma, sigma > 0, "a positive number; use 2"),
            ("smoothing", smoothing, 0 <= smoothing < 1, "a weight in [0, 1); use 0.5"),
            ("probe_share", probe_share, 0 < probe_share < 1, "a share in (0, 1); use 0.02"),
            ("rate_bound", rate_bound, rate_bound > 1, "a factor above 1; use 30"),
        )
        for option, value, holds, rule in rules:
            if not holds:
                raise GraffError(f"{option} of {value}: it is {rule}")
        self._sigma, self._smoothing, self._bound = sigma, smoothing, rate_bound
        self._cadence = Cadence(probe_share, first_step=_FIRST_PROBE)
        self._factor = 1.0
        # Averages of <g, d> and |d^T H d| for the update d at a factor of one, and the weight that they have collected.
        self._gain, self._curvature, self._weight = 0.0, 0.0, 0.0
        self._unprobed = 0
        self._failures = 0
        self._before: list[Tensor] | None = None  # the weights before a step that is probed

    def _plan(self, moment: Moment) -> float:
        self._unprobed += moment.probe is None
        return self._factor

    def _before_move(self, moment: Moment) -> None:
        reading = moment.reading
        if moment.probe is not None and self._cadence.due(moment.step, reading.elapsed_s, reading.step_s):
            self._before = list(torch._foreach_clone([t.detach() for t in self._tensors]))

    def _after_move(self, moment: Moment) -> None:
        before, self._before = self._before, None
        if before is not None and moment.probe is not None:
            clock = self.budget.clock
            began = clock()
            self._probe(moment, moment.probe, before)
            self._synchronize()
            self._cadence.took(*agreement.from_rank_zero([clock() - began]))
        moment.metrics |= {
            "factor": self._factor,
            "probes": float(self._cadence.count),
            "probe_s": self._cadence.spent_s,
            "probe_failures": float(self._failures),
            "unprobed_steps": float(self._unprobed),
        }

    @torch.no_grad()
    def _probe(self, moment: Moment, probe: Probe, before: list[Tensor]) -> None:
        """Measure the step just made, choose the rate, and make that step at the chosen rate instead."""
        weights = [t.detach() for t in self._tensors]
        after = torch._foreach_clone(weights)
        moved = list(torch._foreach_sub(before, after))
        raw = max(1.0, moment.grad_norm / self._max_grad_norm) if self._max_grad_norm is not None else 1.0
        gain = raw * float(dots(self._gradients(), moved).sum())
        torch._foreach_copy_(weights, before)
        try:
            measured = curvature_along(probe, weights, moved, reach=reach_for(moment.loss, gain))
        except Exception as error:  # noqa: BLE001 - a probe is the caller's code, and it must not end or bend the run
            _log.warning("probe failed and is ignored: %s: %s", type(error).__name__, error)
            measured = Curvature(math.nan, math.nan, math.nan)
        finally:
            torch._foreach_copy_(weights, after)
        curvature = agreement.mean(measured.curvature)
        if not math.isfinite(curvature) or not math.isfinite(gain):
            self._failures += 1
            return
        made = self._factor
        self._factor = self._learn(gain / made, curvature / made**2)
        moment.metrics |= {"curvature": curvature, "gain": gain, "probe_loss": measured.loss}
        torch._foreach_copy_(weights, before)
        torch._foreach_add_(weights, moved, alpha=-self._factor / made)
        self._set_rates(self._factor)

    def _learn(self, gain: float, curvature: float) -> float:
        """Average what one probe saw, per unit of the factor and its square, and return the factor to use."""
        keep = self._smoothing
        self._gain = keep * self._gain + (1.0 - keep) * max(0.0, gain)
        self._curvature = keep * self._curvature + (1.0 - keep) * abs(curvature)
        self._weight = keep * self._weight + (1.0 - keep)
        wanted = self._sigma * (self._gain / self._weight) / (self._curvature / self._weight + _EPS)
        return min(self._bound, max(1.0 / self._bound, wanted))

    def state_dict(self) -> dict[str, Any]:
        """Return everything a resumed run needs: the averages and the bookings of the probes."""
        return super().state_dict() | {
            "factor": self._factor,
            "averages": [self._gain, self._curvature, self._weight],
            "unprobed": self._unprobed,
            "failures": self._failures,
            "cadence": self._cadence.state_dict(),
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Continue a saved run; load the optimizer's state first."""
        super().load_state_dict(state)
        self._factor = float(state["factor"])
        self._gain, self._curvature, self._weight = (float(value) for value in state["averages"])
        self._unprobed, self._failures = int(state["unprobed"]), int(state["failures"])
        self._cadence.load_state_dict(state["cadence"])
