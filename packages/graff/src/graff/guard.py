"""The stability guard: how long a step may be, given the curvature along it."""

import logging
import math
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.optim import Optimizer

from graff import agreement
from graff.hypergradient import norms, preconditioned_square, stability_threshold
from graff.probes import Curvature, Probe, curvature_along, reach_for

_log = logging.getLogger("graff")


@dataclass(frozen=True)
class Verdict:
    """How a probed step compares with the two bounds.

    Attributes
    ----------
    rho
        ``rate u^T H u / <g, u>``: the step in units of the exact line search; 2 is where the loss stops falling. None
        without positive curvature and slope.
    sharpness
        ``rate * lambda`` in the optimizer's own units; None where it is not known or not positive.
    allowed
        The largest factor on the probed rate, infinity for no bound.
    by
        Which guard is the tighter one: ``"rho"``, ``"sharpness"`` or None.
    """

    rho: float | None
    sharpness: float | None
    allowed: float
    by: str | None


def judge(
    *,
    curvature: float,
    gain: float,
    preconditioned: float | None,
    rho_bound: float,
    sharpness_bound: float | None,
) -> Verdict:
    """Compare one step with the directional and the classical bound; the tighter one wins.

    No curvature, or a negative one, means no bound and not a large step.

    Parameters
    ----------
    curvature
        ``delta^T H delta`` of the step in nats.
    gain
        ``<g, delta>``, what it gains to first order in nats.
    preconditioned
        ``delta^T (P / rate) delta`` in nats, or None where the preconditioner is not known.
    rho_bound, sharpness_bound
        The largest values of the two quantities; None switches the classical bound off.

    Examples
    --------
    >>> judge(curvature=4.0, gain=2.0, preconditioned=None, rho_bound=1.0, sharpness_bound=None).allowed
    0.5
    """
    if not math.isfinite(curvature) or curvature <= 0.0:
        return Verdict(None, None, math.inf, None)
    rho = curvature / gain if math.isfinite(gain) and gain > 0.0 else None
    sharpness = None
    if preconditioned is not None and math.isfinite(preconditioned) and preconditioned > 0.0:
        sharpness = curvature / preconditioned
    allowed, by = math.inf, None
    if rho is not None:
        allowed, by = rho_bound / rho, "rho"
    if sharpness is not None and sharpness_bound is not None and sharpness_bound / sharpness < allowed:
        allowed, by = sharpness_bound / sharpness, "sharpness"
    return Verdict(rho, sharpness, allowed, by)


class StabilityGuard:
    """Probes a step that was just made, says whether it is too long, and remembers what it learned.

    Parameters
    ----------
    optimizer
        Its kind decides the classical bound.
    stability_guard
        The classical bound on ``rate * lambda`` for gradient descent, whose edge is 2.
    rho_guard
        The directional bound.
    """

    def __init__(self, optimizer: Optimizer, *, stability_guard: float, rho_guard: float) -> None:
        self._optimizer = optimizer
        self._rho_bound = rho_guard
        edge = stability_threshold(optimizer)
        self._sharpness_bound = None if edge is None else stability_guard / 2.0 * edge
        self.counts = {"guard_rho": 0, "guard_sharpness": 0, "guard_unbounded": 0, "probe_failures": 0}
        self.log_curvature: float | None = None
        self.log_curvature_change: float | None = None

    @torch.no_grad()
    def measure(
        self, probe: Probe, tensors: list[Tensor], before: list[Tensor], *, gain: float, loss: float, follows: float
    ) -> tuple[Verdict, dict[str, float]]:
        """Measure the step from ``before`` to where the weights are now, and judge its length.

        Parameters
        ----------
        probe
            Mean loss of a slice of the batch that made the step.
        tensors
            The weights, after the step.
        before
            Their values before it.
        gain
            ``<g, delta>`` with the whole batch's raw gradient, in nats.
        loss
            The batch's mean loss in nats.
        follows
            How far the weights follow the optimizer's step, 1 without averaging: what moves by a part of a step
            stays stable at longer ones.

        Returns
        -------
        tuple
            The verdict, without any bound where the probe failed, and what was measured, for logging.
        """
        weights = [t.detach() for t in tensors]
        after = torch._foreach_clone(weights)
        moved = list(torch._foreach_sub(before, after))
        torch._foreach_copy_(weights, before)
        try:
            measured = curvature_along(probe, weights, moved, reach=reach_for(loss, gain))
        except Exception as error:  # noqa: BLE001 - a probe is the caller's code, and it must not end or bend the run
            _log.warning("probe failed and is ignored: %s: %s", type(error).__name__, error)
            measured = Curvature(math.nan, math.nan, math.nan)
        finally:
            torch._foreach_copy_(weights, after)
        curvature = agreement.mean(measured.curvature)
        if not math.isfinite(curvature):
            self.counts["probe_failures"] += 1
            return Verdict(None, None, math.inf, None), {}
        verdict = judge(
            curvature=curvature,
            gain=gain,
            preconditioned=preconditioned_square(self._optimizer, moved),
            rho_bound=self._rho_bound,
            sharpness_bound=None if self._sharpness_bound is None else self._sharpness_bound / follows,
        )
        self._remember(curvature, moved)
        metrics = {"curvature": curvature, "probe_loss": measured.loss}
        if verdict.rho is not None:
            metrics["rho"] = verdict.rho
        if verdict.sharpness is not None:
            metrics["sharpness"] = verdict.sharpness
        if verdict.by is None:
            self.counts["guard_unbounded"] += 1
        elif verdict.allowed < 1.0:
            self.counts[f"guard_{verdict.by}"] += 1
        return verdict, metrics

    def _remember(self, curvature: float, moved: list[Tensor]) -> None:
        square = float(norms(moved).square().sum())
        if curvature <= 0.0 or square <= 0.0:
            return
        now = math.log(curvature / square)
        self.log_curvature_change = None if self.log_curvature is None else now - self.log_curvature
        self.log_curvature = now

    def state_dict(self) -> dict[str, Any]:
        """Return the counts and the last curvature as plain numbers."""
        return {
            "counts": dict(self.counts),
            "log_curvature": self.log_curvature,
            "log_curvature_change": self.log_curvature_change,
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Continue from a saved state."""
        self.counts = dict(state["counts"])
        self.log_curvature, self.log_curvature_change = state["log_curvature"], state["log_curvature_change"]
