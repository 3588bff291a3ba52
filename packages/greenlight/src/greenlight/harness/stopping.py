"""When a training run stops: on Ctrl-C and SIGTERM, and when its development metric has stopped improving."""

from __future__ import annotations

import logging
import math
import signal
import threading
from collections.abc import Mapping
from typing import Any

log = logging.getLogger(__name__)


def stop_between_steps(requested: threading.Event) -> None:
    """Let the first Ctrl-C or SIGTERM set `requested`, so that a run can save itself; the second stops at once."""

    def request(*_: object) -> None:
        requested.set()
        log.warning("stopping after this step; once more to stop at once")
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, signal.default_int_handler)

    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, request)


class Patience:
    """Early stopping: says when a metric that is minimised has not improved for some evaluations.

    Parameters
    ----------
    evaluations
        How many evaluations in a row may bring nothing better; None never stops.
    min_delta
        By how much a value must be lower than the lowest one to count as better.

    Examples
    --------
    >>> patience = Patience(2, min_delta=0.0)
    >>> for value in (3.0, 2.0, 2.5, 2.0):
    ...     patience.note(value)
    ...     print(patience.exhausted)
    False
    False
    False
    True
    """

    def __init__(self, evaluations: int | None, *, min_delta: float) -> None:
        self._evaluations = evaluations
        self._min_delta = min_delta
        self._lowest = math.inf
        self._without = 0

    def note(self, value: float) -> None:
        """Note the value of an evaluation; NaN is never better."""
        if value < self._lowest - self._min_delta:
            self._lowest, self._without = value, 0
        else:
            self._without += 1

    @property
    def exhausted(self) -> bool:
        """Whether training should stop; a resumed run knows it from its state."""
        return self._evaluations is not None and self._without >= self._evaluations

    def state_dict(self) -> dict[str, Any]:
        """Return what a resumed run needs."""
        return {"lowest": self._lowest, "without": self._without}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Continue counting."""
        self._lowest, self._without = float(state["lowest"]), int(state["without"])
