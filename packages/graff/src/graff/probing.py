"""The probes of a run: which steps are probed, and what a probe says about the rates of the next ones."""

import math
from typing import Any

from torch import Tensor
from torch.optim import Optimizer

from graff import agreement
from graff.anchor import Anchor
from graff.budget import Reading
from graff.guard import StabilityGuard
from graff.probes import Cadence, Probe

# A bound is one batch's word. Until the next probe, which may be a hundred steps away, it is loosened threefold every
# ten steps: held as it was, one hot slice at the start kept a run at a tenth of its best rate to the end.
_RELAXATION = math.log(3.0) / 10.0
# Where the gain happens to be near zero the quotient says anything: no probe cuts a rate by more than threefold.
_LARGEST_CUT = 1.0 / 3.0
_FIRST_PROBE = 4  # steps; LoRA's zero matrices have no usable curvature at the start


class Probing:
    """Decides which steps are probed, holds the bound that the last probe left, and lets probes find the anchor.

    Parameters
    ----------
    optimizer
        The optimizer whose steps are probed.
    share
        The largest share of the wall clock that probes may take; 0 switches them off.
    stability_guard, rho_guard
        As for :class:`graff.guard.StabilityGuard`.
    seek
        Whether probes look for the anchor.

    Attributes
    ----------
    log_bound
        Natural logarithm of the largest factor of the base rates; infinite where no probe has set one.
    clipped
        How many planned rates it has cut.
    """

    def __init__(
        self, optimizer: Optimizer, *, share: float, stability_guard: float, rho_guard: float, seek: bool
    ) -> None:
        self.guard = StabilityGuard(optimizer, stability_guard=stability_guard, rho_guard=rho_guard)
        self.log_bound = math.inf
        self.clipped = 0
        self._share = share
        self._anchor = Anchor(enabled=seek and share > 0)
        self._cadence = Cadence(share, first_step=_FIRST_PROBE)

    @property
    def log_anchor(self) -> float:
        """Natural logarithm of the factor on the base rate that probes have found."""
        return self._anchor.log_factor

    def due(self, step: int, done: float, reading: Reading) -> tuple[bool, bool]:
        """Say whether a step is probed, and whether that is to find the anchor.

        Parameters
        ----------
        step
            Its number, from 0.
        done
            The share of the training since the warm-up ended, negative during it.
        reading
            The budget.
        """
        affordable = self._share > 0 and self._cadence.due(step, reading.elapsed_s, reading.step_s)
        # The first rate matters more than when its probes are paid for: the share is of the whole run then.
        seeking = self._anchor.wants_probe(step, done) and self._cadence.affords(reading.total_s)
        return affordable or seeking, seeking

    def cut(self, log_residual: float, prior: float) -> float | None:
        """Loosen the bound by a step, and return the largest log residual on a prior if this one is above it."""
        self.log_bound += _RELAXATION
        if prior <= 0.0 or math.log(prior) + log_residual <= self.log_bound:
            return None
        self.clipped += 1
        return self.log_bound - math.log(prior)

    def judge(
        self,
        probe: Probe,
        tensors: list[Tensor],
        before: list[Tensor],
        *,
        factor: float,
        gain: float,
        loss: float,
        follows: float,
    ) -> tuple[float, dict[str, float]]:
        """Probe the step that was just made; return what it should be shortened to, 1 or less, and what was measured.

        Parameters
        ----------
        probe, tensors, before, gain, loss, follows
            As for :meth:`graff.guard.StabilityGuard.measure`.
        factor
            The factor on the base rates that the step was made with: the bound is set from it.
        """
        verdict, measured = self.guard.measure(probe, tensors, before, gain=gain, loss=loss, follows=follows)
        allowed = max(verdict.allowed, _LARGEST_CUT)
        bounded = factor > 0.0 and math.isfinite(allowed)
        self.log_bound = math.log(factor * allowed) if bounded else math.inf
        grown = self._anchor.take(gain=gain, curvature=measured.get("curvature", math.nan), rho=verdict.rho)
        if grown > 1.0:
            # The bound held for the old anchor; the next probe judges the new one.
            self.log_bound = math.inf
        return min(1.0, allowed), measured

    def took(self, seconds: float) -> None:
        """Book a probe's time; that of rank zero counts on all ranks."""
        self._cadence.took(*agreement.from_rank_zero([seconds]))

    def counts(self) -> dict[str, float]:
        """Return what is logged of all probes so far."""
        guards = {key: float(count) for key, count in self.guard.counts.items()}
        return guards | {"probes": float(self._cadence.count), "probe_s": self._cadence.spent_s}

    def state_dict(self) -> dict[str, Any]:
        """Return bound, bookings, and what the guard and the anchor have seen, as plain numbers."""
        return {
            "log_bound": self.log_bound,
            "clipped": self.clipped,
            "guard": self.guard.state_dict(),
            "anchor": self._anchor.state_dict(),
            "cadence": self._cadence.state_dict(),
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Continue from a saved state."""
        self.log_bound, self.clipped = float(state["log_bound"]), int(state["clipped"])
        self.guard.load_state_dict(state["guard"])
        self._anchor.load_state_dict(state["anchor"])
        self._cadence.load_state_dict(state["cadence"])
