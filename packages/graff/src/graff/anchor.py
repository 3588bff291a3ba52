"""The anchor of a run: the rate that planning starts from, found by probes where the given one is far too small."""

import math
from typing import Any

_GROWTH = 3.0  # at most, per probe; and what a rate may be away from the probe's without being called too small
_LINE_SEARCHES = 0.5  # the probe's rate, in exact line searches along the step: a batch's own gradient flatters it
_FIRST_STEP = 2  # LoRA's zero matrices have no usable curvature before
_LONGEST = 0.1  # of the training time
_MOST_PROBES = 12


class Anchor:
    """Raises a rate threefold at a time while probes say that it is more than threefold too small.

    The probe's rate is half of the exact line search along the step that was made, ``0.5 <g, u> / u^T H u``; without
    positive curvature there is no such rate, and the step may grow as well. The first probe that says otherwise
    ends the search for good: within a factor of three the given rate is left as it is, because a probe of one
    batch knows it no better.

    Parameters
    ----------
    enabled
        False keeps the given rate.
    """

    def __init__(self, *, enabled: bool) -> None:
        self.log_factor = 0.0  # on the given rate
        self._seeking = enabled
        self._probes = 0

    def wants_probe(self, step: int, done: float) -> bool:
        """Say whether the search goes on with this step.

        Parameters
        ----------
        step
            Its number, from 0.
        done
            The share of the training since the warm-up ended, negative during it: its rates are too small by design.
        """
        if done < 0.0:
            return False
        if done > _LONGEST or self._probes >= _MOST_PROBES:
            self._seeking = False
        return self._seeking and step >= _FIRST_STEP

    def take(self, *, gain: float, curvature: float, rho: float | None) -> float:
        """Take in a probe's result and return the factor by which the rate grows, 1 when the search is over.

        Parameters
        ----------
        gain
            ``<g, delta>`` of the step, nats.
        curvature
            ``delta^T H delta`` along it, nats.
        rho
            The step in units of the exact line search; None where there is none.
        """
        if not self._seeking:
            return 1.0
        self._probes += 1
        too_small = rho is not None and _LINE_SEARCHES / rho >= _GROWTH
        if math.isfinite(curvature) and gain > 0.0 and (curvature <= 0.0 or too_small):
            self.log_factor += math.log(_GROWTH)
            return _GROWTH
        # Far too large is the guard's affair, which cuts threefold at a time as well: look again after it.
        self._seeking = rho is not None and _LINE_SEARCHES / rho <= 1.0 / _GROWTH**2
        return 1.0

    def state_dict(self) -> dict[str, Any]:
        """Return the anchor and how far the search is, as plain numbers."""
        return {"log_factor": self.log_factor, "seeking": self._seeking, "probes": self._probes}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Continue from a saved state."""
        self.log_factor, self._seeking = float(state["log_factor"]), bool(state["seeking"])
        self._probes = int(state["probes"])
