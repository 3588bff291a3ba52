"""Curvature along the update, measured by two more losses of the same slice, within a share of the wall clock."""

import math
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

Probe = Callable[[], float | Tensor]

# Three forwards of half a batch are half a step; a probe of a larger slice is measured before the second one.
_FIRST_PROBE_STEPS = 0.5


@dataclass(frozen=True)
class Curvature:
    """The loss of one slice along one step, ``phi(s) = loss(before - s delta)``, seen from before the step.

    Attributes
    ----------
    loss
        ``phi(0)``, the slice's mean loss in nats.
    slope
        ``-phi'(0)``, what the slice gains from the step to first order.
    curvature
        ``phi''(0) = delta^T H delta``.
    """

    loss: float
    slope: float
    curvature: float


def _evaluate(probe: Probe, devices: Sequence[torch.device]) -> float:
    # Dropout must draw the same mask at all three points, or its noise is taken for curvature: every evaluation starts
    # from the same random state, which is put back after it.
    cuda = [d.index if d.index is not None else torch.cuda.current_device() for d in devices if d.type == "cuda"]
    with torch.random.fork_rng(devices=cuda), torch.no_grad():
        return float(torch.as_tensor(probe()).double().mean())


@torch.no_grad()
def curvature_along(
    probe: Probe, tensors: Sequence[Tensor], displacements: Sequence[Tensor], *, reach: float = 1.0
) -> Curvature:
    """Measure slope and curvature of the loss along a step by central differences.

    Call it with the weights at the point *before* the step; they are put back bit for bit, also when the probe fails.

    Parameters
    ----------
    probe
        Evaluates a slice of the batch whose gradient made the step and returns its mean loss, or the losses of its
        tokens; called three times.
    tensors
        The weights that the step moves.
    displacements
        For each of them the step ``delta``; the weights after it are ``before - delta``.
    reach
        The distance of the two outer points, in steps.

    Returns
    -------
    Curvature
        Not finite where the probe was not; what it raises passes through.

    Notes
    -----
    ``[phi(d) - 2 phi(0) + phi(-d)] / d^2``, second order in ``d``.
    """
    devices = sorted({t.device for t in tensors}, key=str)
    weights = [t.detach() for t in tensors]
    steps = [d.to(t.dtype) for d, t in zip(displacements, weights, strict=True)]
    kept = torch._foreach_clone(weights)
    with ExitStack() as stack:
        stack.callback(torch._foreach_copy_, weights, kept)
        here = _evaluate(probe, devices)
        torch._foreach_add_(weights, steps, alpha=-reach)
        ahead = _evaluate(probe, devices)
        torch._foreach_copy_(weights, kept)
        torch._foreach_add_(weights, steps, alpha=reach)
        behind = _evaluate(probe, devices)
    return Curvature(
        loss=here,
        slope=(behind - ahead) / (2.0 * reach),
        curvature=(ahead - 2.0 * here + behind) / reach**2,
    )


class Cadence:
    """Decides when the next probe may run, so that probes stay within a share of the wall clock.

    Parameters
    ----------
    share
        The largest share of the elapsed time that probes may take, in (0, 1).
    first_step
        No probe before this step: LoRA's zero matrices have no usable curvature at the start.
    """

    def __init__(self, share: float, first_step: int) -> None:
        self._share = share
        self._first_step = first_step
        self.spent_s = 0.0
        self._last_s = 0.0
        self.count = 0

    def due(self, step: int, elapsed_s: float, step_s: float) -> bool:
        """Say whether one more probe fits into the share of the elapsed time.

        Parameters
        ----------
        step
            The number of the step, from 0.
        elapsed_s
            Seconds of budget used so far.
        step_s
            The longest recent step in seconds: half of it is what the first probe is expected to cost, the last
            probe's time is what any other is.
        """
        expected_s = self._last_s if self.count else _FIRST_PROBE_STEPS * step_s
        return step >= self._first_step and self.spent_s + expected_s <= self._share * elapsed_s

    def affords(self, total_s: float) -> bool:
        """Say whether one more probe fits into the share of a whole run of so many seconds."""
        return self._share > 0 and self.spent_s + self._last_s <= self._share * total_s

    def took(self, seconds: float) -> None:
        """Book a probe's measured time in seconds."""
        self._last_s = max(0.0, seconds)
        self.spent_s += self._last_s
        self.count += 1

    def state_dict(self) -> dict[str, Any]:
        """Return the bookings as plain numbers."""
        return {"spent_s": self.spent_s, "last_s": self._last_s, "count": self.count}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Continue from saved bookings."""
        self.spent_s, self._last_s = float(state["spent_s"]), float(state["last_s"])
        self.count = int(state["count"])


def reach_for(loss: float, gain: float) -> float:
    """Return how many steps away to probe, so that the loss changes visibly but stays near its quadratic.

    Three hundredths of the loss to first order, between a third and ten steps: closer, single precision drowns the
    second difference; farther, it is no longer the curvature here.

    Parameters
    ----------
    loss
        The batch's mean loss in nats.
    gain
        ``<g, delta>``, what the step gains to first order; zero or negative probes one step away.
    """
    if not (gain > 0.0 and loss > 0.0 and math.isfinite(gain) and math.isfinite(loss)):
        return 1.0
    return min(10.0, max(1.0 / 3.0, 0.03 * loss / gain))
