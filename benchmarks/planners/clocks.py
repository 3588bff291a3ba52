"""The clocks that a budget can be counted on; every cell of a table is on the same one."""

import time
from typing import Literal, get_args

import torch

from greenlight.errors import GreenlightError

ClockName = Literal["wall", "cpu", "steps"]
CLOCKS: tuple[ClockName, ...] = get_args(ClockName)

FORWARD_STEPS = 1 / 3  # a forward pass in training steps: the backward pass costs about two forwards


class Clock:
    """A function that returns seconds, and that a loop can tell what its work costs where nothing is measured.

    Parameters
    ----------
    name
        ``wall`` is elapsed real time, ``cpu`` the processor time of this process, ``steps`` moves by what
        :meth:`spend` is told alone, one second per training step.
    device
        Real clocks wait for a GPU before every reading, so that no method is charged for the work of another.

    Raises
    ------
    GreenlightError
        For an unknown clock, or processor time where a GPU does the work.
    """

    def __init__(self, name: ClockName, device: torch.device) -> None:
        if name not in CLOCKS:
            raise GreenlightError(f"clock {name!r}: the clocks are {', '.join(CLOCKS)}; choose one of them")
        if name == "cpu" and device.type != "cpu":
            raise GreenlightError(f"clock cpu on {device}: processor time says nothing about a GPU; use --clock wall")
        self.name, self._device = name, device
        self._spent_s = 0.0

    def __call__(self) -> float:
        """Return seconds that never go back."""
        if self.name == "steps":
            return self._spent_s
        if self._device.type == "cuda":
            torch.cuda.synchronize(self._device)
        return time.process_time() if self.name == "cpu" else time.perf_counter()

    def spend(self, steps: float) -> None:
        """Charge work in units of a training step; only the ``steps`` clock moves by it."""
        self._spent_s += steps
