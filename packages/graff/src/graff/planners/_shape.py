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


def rex(done: float, warmup_fraction: float) -> float:
    """Return the factor of a warm-up followed by REX, a hyperbola to zero (Chen et al., arXiv 2107.04197).

    With ``z`` the share of the descent that is done, ``(1 - z) / (1/2 + (1 - z) / 2)``: above the straight line, and
    steepest at the end.

    Examples
    --------
    >>> round(rex(0.5, 0.0), 3), rex(1.0, 0.02)
    (0.667, 0.0)
    """
    left = 1.0 - max(0.0, done - warmup_fraction) / (1.0 - warmup_fraction)
    return warm(done, warmup_fraction) * left / (0.5 + 0.5 * left)


def cooled(done: float, cooldown_fraction: float) -> float:
    """Return the share of the cooldown that is done, in [0, 1], when it takes the last ``cooldown_fraction``.

    Examples
    --------
    >>> cooled(0.5, 0.25), cooled(0.875, 0.25), cooled(1.0, 0.25)
    (0.0, 0.5, 1.0)
    """
    return min(1.0, max(0.0, 1.0 - (1.0 - done) / cooldown_fraction))


def wsd(done: float, warmup_fraction: float, cooldown_fraction: float) -> float:
    """Return the factor of a warm-up, a plateau and a straight line to zero (Hu et al., arXiv 2404.06395).

    Examples
    --------
    >>> wsd(0.5, 0.02, 0.25), wsd(0.875, 0.02, 0.25), wsd(1.0, 0.02, 0.25)
    (1.0, 0.5, 0.0)
    """
    return warm(done, warmup_fraction) * (1.0 - cooled(done, cooldown_fraction))


def one_minus_sqrt(done: float, warmup_fraction: float, cooldown_fraction: float) -> float:
    """Return the factor of a warm-up, a plateau and a 1 - sqrt cooldown to zero (Hägele et al., arXiv 2405.18392).

    Examples
    --------
    >>> one_minus_sqrt(0.5, 0.02, 0.25), one_minus_sqrt(0.8125, 0.02, 0.25), one_minus_sqrt(1.0, 0.02, 0.25)
    (1.0, 0.5, 0.0)
    """
    return warm(done, warmup_fraction) * (1.0 - math.sqrt(cooled(done, cooldown_fraction)))


def checked_warmup(warmup_fraction: float) -> float:
    """Return a warm-up fraction, or raise when it is not in [0, 1)."""
    if not 0.0 <= warmup_fraction < 1.0:
        raise GraffError(f"warmup_fraction of {warmup_fraction}: it is a share of the training in [0, 1); use 0.02")
    return warmup_fraction


def checked_cooldown(cooldown_fraction: float, warmup_fraction: float) -> float:
    """Return a cooldown fraction, or raise when it is not in (0, 1 - warm-up]."""
    if not 0.0 < cooldown_fraction <= 1.0 - warmup_fraction:
        raise GraffError(
            f"cooldown_fraction of {cooldown_fraction} after a warm-up of {warmup_fraction}: "
            "it is a share of the training above 0, and the two add up to 1 at most; use 0.2"
        )
    return cooldown_fraction


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
