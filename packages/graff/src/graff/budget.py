"""The clock of a run: how much wall-clock time it has, how much is left, and when it must stop."""

import logging
import math
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from graff import agreement
from graff.errors import GraffError

_log = logging.getLogger("graff")

# A slow step falls out of sight after this many others; until then it is what the next step may take.
_RECENT_STEPS = 8
_SECONDS_PER_MINUTE = 60.0


@dataclass(frozen=True)
class Reading:
    """What the clock said at one moment, the same on every rank.

    Attributes
    ----------
    elapsed_s, remaining_s, total_s, reserve_s
        Seconds of wall clock; ``remaining_s`` includes the reserve.
    fraction_remaining
        Remaining over total, in [0, 1].
    training_fraction_remaining
        Time until training stops over the time it had, in [0, 1]: 0 when only the reserve is left.
    step_s
        The longest recent step in seconds; 0 before the first.
    steps
        Steps that were ticked so far.
    spent
        Whether the next step would eat into the reserve.
    """

    elapsed_s: float
    remaining_s: float
    total_s: float
    reserve_s: float
    fraction_remaining: float
    training_fraction_remaining: float
    step_s: float
    steps: int
    spent: bool


def _positive(value: float, unit: str) -> float:
    key = "training.budget_minutes" if unit == "min" else "training.budget_seconds"
    word = "minutes" if unit == "min" else "seconds"
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value) or value <= 0:
        raise GraffError(f"budget of {value} {unit}: a budget is a positive number of {word}; set {key}")
    return float(value)


def _duration_s(minutes: float | None, seconds: float | None) -> float:
    if minutes is not None and seconds is not None:
        raise GraffError(f"budget of {minutes} min and {seconds} s: a budget has one unit; give minutes or seconds")
    if minutes is not None:
        return _positive(minutes, "min") * _SECONDS_PER_MINUTE
    if seconds is not None:
        return _positive(seconds, "s")
    raise GraffError("budget of nothing: a budget is a positive number of minutes; set training.budget_minutes")


class Budget:
    """A wall-clock budget that starts with the first batch and stops before the deadline.

    Evaluations and checkpoints count. Only :meth:`pause` stops the clock, and it is logged.

    Parameters
    ----------
    minutes, seconds
        The budget, in exactly one of the two units; a positive finite number.
    clock
        A function that returns seconds and never goes back.

    Raises
    ------
    GraffError
        For a budget that is zero, negative, not finite, missing, or given in both units.

    Examples
    --------
    >>> budget = Budget(seconds=90, clock=iter([0.0, 30.0]).__next__)
    >>> budget.start()
    >>> budget.remaining_s
    60.0
    """

    def __init__(
        self,
        minutes: float | None = None,
        *,
        seconds: float | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._granted_s = _duration_s(minutes, seconds)
        self._extended_s = 0.0
        self._reserve_s = 0.0
        self._banked_s = 0.0  # elapsed before `_origin`: what survives a crash, a pause and an agreement
        self._origin: float | None = None
        self._paused_s = 0.0
        self._pausing = False
        self._steps = 0
        self._recent_s: deque[float] = deque(maxlen=_RECENT_STEPS)
        self._last_tick_s: float | None = None
        self._aside_s = 0.0  # since the last tick
        self._set_aside_s = 0.0  # of the whole run
        self._agreed: Reading | None = None
        self.clock = clock

    # -- the clock ---------------------------------------------------------------------------------------------

    def start(self) -> None:
        """Start the clock; call it at the first batch. Later calls change nothing."""
        if self._origin is None and not self._pausing:
            self._origin = self.clock()
            self._last_tick_s = self._banked_s

    @property
    def started(self) -> bool:
        """Whether the clock has been started."""
        return self._origin is not None or self._pausing

    @property
    def total_s(self) -> float:
        """The whole budget in seconds, extensions included."""
        return self._granted_s + self._extended_s

    @property
    def elapsed_s(self) -> float:
        """Seconds used so far, evaluation included, pauses excluded."""
        return self._banked_s if self._origin is None else self._banked_s + self.clock() - self._origin

    @property
    def remaining_s(self) -> float:
        """Seconds left until the deadline, never negative."""
        return max(0.0, self.total_s - self.elapsed_s)

    @property
    def paused_s(self) -> float:
        """Seconds that :meth:`pause` kept out of the budget."""
        return self._paused_s

    @property
    def training_s(self) -> float:
        """Seconds used so far without what ran :meth:`aside`: the clock that leaves evaluations out."""
        return max(0.0, self.elapsed_s - self._set_aside_s)

    @property
    def fraction_remaining(self) -> float:
        """Remaining over total, in [0, 1]."""
        return self.remaining_s / self.total_s

    @property
    def training_fraction_remaining(self) -> float:
        """The share of the *training* time that is left, in [0, 1]; it reaches 0 when only the reserve is left."""
        return self._read(self.elapsed_s).training_fraction_remaining

    @property
    def step_s(self) -> float:
        """The longest of the recent steps in seconds, evaluations left out; 0 before the first step."""
        return max(self._recent_s, default=0.0)

    @property
    def steps(self) -> int:
        """Steps that were ticked so far."""
        return self._steps

    @property
    def spent(self) -> bool:
        """Whether training must stop now: another step would eat into the reserve.

        With several ranks it is the decision of rank 0 at the last :meth:`tick` or :meth:`agree`, so that no rank
        stops alone; call :meth:`agree` on all ranks after an evaluation.
        """
        if self._agreed is not None and agreement.is_distributed():
            return self._agreed.spent
        return self._read(self.elapsed_s).spent

    # -- the reserve -------------------------------------------------------------------------------------------

    @property
    def reserve_s(self) -> float:
        """Seconds kept for the final evaluation and checkpoint."""
        return self._reserve_s

    def reserve(self, seconds: float) -> None:
        """Keep time at the end for the final evaluation and checkpoint; the last call holds.

        Parameters
        ----------
        seconds
            The measured or expected time, zero or more.

        Raises
        ------
        GraffError
            For a negative or non-finite time.
        """
        if not math.isfinite(seconds) or seconds < 0:
            raise GraffError(f"reserve of {seconds} s: a reserve is zero or more seconds; measure one evaluation")
        if seconds >= self.total_s:
            _log.warning("reserve of %.1f s leaves nothing to train in a budget of %.1f s", seconds, self.total_s)
        self._reserve_s = float(seconds)

    # -- steps -------------------------------------------------------------------------------------------------

    def tick(self) -> Reading:
        """Note the end of a training step and return the reading that all ranks agree on."""
        self.start()
        elapsed = self.elapsed_s
        if self._last_tick_s is not None:
            self._recent_s.append(max(0.0, elapsed - self._last_tick_s - self._aside_s))
        self._steps += 1
        reading = self.agree()
        self._last_tick_s, self._aside_s = reading.elapsed_s, 0.0
        return reading

    @contextmanager
    def aside(self) -> Iterator[None]:
        """Mark an evaluation or a checkpoint: it counts against the budget but is not part of a step."""
        began = self.elapsed_s
        try:
            yield
        finally:
            self._aside_s += self.elapsed_s - began
            self._set_aside_s += self.elapsed_s - began

    def agree(self) -> Reading:
        """Read the clock once for all ranks: rank 0 decides. A collective under ``torch.distributed``."""
        if not agreement.is_distributed():
            return self._read(self.elapsed_s)
        said = agreement.from_rank_zero([self.elapsed_s, self.total_s, self._reserve_s, self.step_s])
        elapsed, total, self._reserve_s, step = said
        self._extended_s = total - self._granted_s
        self._banked_s = elapsed
        if self._origin is not None:
            self._origin = self.clock()
        self._agreed = self._read(elapsed, step)
        return self._agreed

    def _read(self, elapsed: float, step: float | None = None) -> Reading:
        step = self.step_s if step is None else step
        total = self.total_s
        remaining = max(0.0, total - elapsed)
        training_total = total - self._reserve_s
        training = max(0.0, remaining - self._reserve_s) / training_total if training_total > 0 else 0.0
        return Reading(
            elapsed_s=elapsed,
            remaining_s=remaining,
            total_s=total,
            reserve_s=self._reserve_s,
            fraction_remaining=remaining / total,
            training_fraction_remaining=min(1.0, training),
            step_s=step,
            steps=self._steps,
            spent=remaining <= self._reserve_s + step,
        )

    # -- explicit changes --------------------------------------------------------------------------------------

    @contextmanager
    def pause(self) -> Iterator[None]:
        """Stop the clock inside the block, for a breakpoint; the time is counted in ``paused_s`` and logged."""
        if self._pausing:
            raise GraffError("pause within a pause: the clock is stopped already; leave the first pause first")
        began = self.clock()
        running = self._origin is not None
        if running:
            self._banked_s = self.elapsed_s
        self._origin, self._pausing = None, True
        try:
            yield
        finally:
            now = self.clock()
            self._paused_s += now - began
            self._pausing = False
            self._origin = now if running else None
            _log.info("budget paused for %.1f s (%.1f s in all)", now - began, self._paused_s)

    def extend(self, minutes: float | None = None, *, seconds: float | None = None) -> None:
        """Add time to the budget, in exactly one of the two units; a positive finite number."""
        added = _duration_s(minutes, seconds)
        self._extended_s += added
        _log.info("budget extended by %.1f s to %.1f s", added, self.total_s)

    def charge(self, seconds: float) -> None:
        """Count time that no clock of this process saw, such as that of a killed process after its last checkpoint.

        Parameters
        ----------
        seconds
            Zero or more.

        Raises
        ------
        GraffError
            For a negative or non-finite time.
        """
        if not math.isfinite(seconds) or seconds < 0:
            raise GraffError(f"charge of {seconds} s: used time is zero or more seconds; use extend to add some")
        self._banked_s += seconds
        if self._last_tick_s is not None:
            self._last_tick_s += seconds  # no step of this process took it

    def reset(self) -> None:
        """Give the whole budget back: nothing elapsed, clock stopped until :meth:`start`; reserve and total stay."""
        _log.info("budget reset after %.1f s", self.elapsed_s)
        self._banked_s, self._origin, self._paused_s = 0.0, None, 0.0
        self._steps, self._last_tick_s, self._aside_s, self._agreed = 0, None, 0.0, None
        self._set_aside_s = 0.0
        self._recent_s.clear()

    # -- state -------------------------------------------------------------------------------------------------

    def state_dict(self) -> dict[str, Any]:
        """Return the budget as plain numbers: what was used survives a crash."""
        return {
            "granted_s": self._granted_s,
            "extended_s": self._extended_s,
            "elapsed_s": self.elapsed_s,
            "paused_s": self._paused_s,
            "set_aside_s": self._set_aside_s,
            "reserve_s": self._reserve_s,
            "steps": self._steps,
            "recent_s": list(self._recent_s),
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Continue a saved budget with what was left of it; the clock stands still until :meth:`start`.

        Raises
        ------
        GraffError
            When the saved budget is not the one of this run: extensions are explicit.
        """
        if state["granted_s"] != self._granted_s:
            raise GraffError(
                f"budget of {self._granted_s:g} s: the saved run was given {state['granted_s']:g} s; "
                "resume with the same budget and call extend for more"
            )
        self._extended_s = float(state["extended_s"])
        self._banked_s = float(state["elapsed_s"])
        self._paused_s = float(state["paused_s"])
        self._set_aside_s = float(state["set_aside_s"])
        self._reserve_s = float(state["reserve_s"])
        self._steps = int(state["steps"])
        self._recent_s = deque((float(step_s) for step_s in state["recent_s"]), maxlen=_RECENT_STEPS)
        self._origin, self._agreed, self._last_tick_s, self._aside_s = None, None, None, 0.0
