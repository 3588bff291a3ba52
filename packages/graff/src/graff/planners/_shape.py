"""The shapes that a learning rate can follow, as pure functions of the share of training that is done."""

import math
from typing import Literal

from graff.budget import Reading
from graff.errors import GraffError

Over = Literal["time", "steps"]


def warm(done: float, warmup_fraction: float) -> float:
    """Return the warm-up factor in [0, 1] after a share ``done`` of the training.

    Examples
    --------
    >>> warm(0.01, 0.02), warm(0.5, 0.02)
    (0.5, 1.0)
    """
    return min(1.0, done / warmup_fraction) if warmup_fraction > 0 else 1.0


def linear(done: float, warmup_fraction: float) -> float:
    """Return the factor of a warm-up followed by a straight line to zero.

    Examples
    --------
    >>> linear(0.5, 0.0), linear(1.0, 0.02)
    (0.5, 0.0)
    """
    return warm(done, warmup_fraction) * min(1.0, (1.0 - done) / (1.0 - warmup_fraction))


def cosine(done: float, warmup_fraction: float) -> float:
    """Return the factor of a warm-up followed by half a cosine to zero (Loshchilov and Hutter, arXiv 1608.03983).

    Examples
    --------
    >>> round(cosine(0.5, 0.0), 3), cosine(1.0, 0.0)
    (0.5, 0.0)
    """
    after = max(0.0, done - warmup_fraction) / (1.0 - warmup_fraction)
    return warm(done, warmup_fraction) * 0.5 * (1.0 + math.cos(math.pi * after))


def checked_warmup(warmup_fraction: float) -> float:
    """Return a warm-up fraction, or raise when it is not in [0, 1)."""
    if not 0.0 <= warmup_fraction < 1.0:
        raise GraffError(f"warmup_fraction of {warmup_fraction}: it is a share of the training in [0, 1); use 0.02")
    return warmup_fraction


class Progress:
    """The share of the training that is done, over wall-clock time or over steps.

    Parameters
    ----------
    over
        ``"time"`` follows the budget; ``"steps"`` follows ``total_steps``.
    total_steps
        The number of steps; needed for ``"steps"`` and refused for ``"time"``, where it would have no effect.
    """

    def __init__(self, over: Over, total_steps: int | None) -> None:
        if over not in ("time", "steps"):
            raise GraffError(f"over of {over!r}: a rate is planned over 'time' or 'steps'; choose one")
        if over == "steps" and (total_steps is None or total_steps < 1):
            raise GraffError(f"total_steps of {total_steps}: a plan over steps needs a positive number; set it")
        if over == "time" and total_steps is not None:
            raise GraffError(f"total_steps of {total_steps}: a plan over time counts no steps; set over to 'steps'")
        self._total_steps = total_steps

    def done(self, reading: Reading, step: int) -> float:
        """Return the share in [0, 1] before the update of step ``step``, counted from 0."""
        if self._total_steps is None:
            return 1.0 - reading.training_fraction_remaining
        # Half a step in, so that neither the first nor the last step has a rate of zero.
        return min(1.0, (step + 0.5) / self._total_steps)
