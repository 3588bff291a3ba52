"""Whether the stated distribution is the true one: randomised PIT, its distance from uniform, and coverage."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy import stats

from technoise import distribution
from technoise.distribution import Floats
from technoise.errors import TechnoiseError
from technoise.residuals import open_uniform

LEVELS = (0.5, 0.8, 0.9, 0.95, 0.99)


@dataclass(frozen=True)
class UniformDistance:
    """The Kolmogorov-Smirnov test that values are uniform on [0, 1].

    Attributes
    ----------
    statistic
        Largest distance of the two distribution functions, in [0, 1].
    p_value
        Valid for independent values; neighbouring bins are not, and the statistic is the figure to report.
    n
        Number of values.
    """

    statistic: float
    p_value: float
    n: int


@dataclass(frozen=True)
class CoverageRow:
    """How often central intervals of one nominal level held the count.

    Attributes
    ----------
    nominal, observed
        Proportions.
    low, high
        Wilson's interval of ``observed`` at the confidence asked for, for independent bins.
    n
        Number of counts.
    """

    nominal: float
    observed: float
    low: float
    high: float
    n: int


def randomised_pit(counts: ArrayLike, mean: ArrayLike, size: ArrayLike | None, rng: np.random.Generator) -> Floats:
    """Return ``F(y - 1) + v f(y)`` with v uniform: uniform on [0, 1] exactly when the model is true.

    Parameters
    ----------
    counts, mean
        Counts and mean in reads, shape (n,).
    size
        Of the same shape, or None for Poisson.
    rng
        Draws v.

    Raises
    ------
    TechnoiseError
        For unequal shapes, what is not a count, or a parameter that is not positive and finite.

    Notes
    -----
    F(y) itself is not uniform for counts. Source: Brockwell (2007), Universal residuals.
    """
    y, m, r = distribution.checked(counts, mean, size)
    below, up_to = distribution.lower_tail_below(y, m, r), distribution.cdf(y, m, r)
    place = open_uniform(rng, y.shape)
    return np.asarray(np.clip((1.0 - place) * below + place * up_to, 0.0, 1.0), dtype=np.float64)


def ks_uniform(pit: ArrayLike) -> UniformDistance:
    """Return the Kolmogorov-Smirnov distance of values from the uniform distribution.

    Parameters
    ----------
    pit
        Values in [0, 1], shape (n,).

    Raises
    ------
    TechnoiseError
        For no value, another shape, or a value outside of [0, 1].
    """
    values = _pit_values(pit)
    result = stats.kstest(values, "uniform")
    return UniformDistance(float(result.statistic), float(result.pvalue), values.size)


def calibration_table(
    pit: ArrayLike, levels: Sequence[float] = LEVELS, confidence: float = 0.95
) -> tuple[CoverageRow, ...]:
    """Return nominal and observed coverage of the central prediction intervals, one row per level.

    Parameters
    ----------
    pit
        Randomised PIT values, shape (n,). A count is in the central interval of level c when its value is within c/2
        of one half; randomised, so that a discrete distribution can meet its nominal level exactly.
    levels
        Nominal levels, each strictly between 0 and 1.
    confidence
        Of the interval around the observed proportion.

    Raises
    ------
    TechnoiseError
        As :func:`ks_uniform`, and for a level or confidence outside of (0, 1).
    """
    values = _pit_values(pit)
    for level in (*levels, confidence):
        if not 0 < level < 1:
            raise TechnoiseError(f"level of {level}: a level is strictly between 0 and 1; give a proportion")
    rows = []
    for level in levels:
        inside = int((np.abs(values - 0.5) <= 0.5 * level).sum())
        interval = stats.binomtest(inside, values.size).proportion_ci(confidence_level=confidence, method="wilson")
        rows.append(CoverageRow(level, inside / values.size, float(interval.low), float(interval.high), values.size))
    return tuple(rows)


def _pit_values(pit: ArrayLike) -> Floats:
    values = np.asarray(pit, dtype=np.float64)
    if values.ndim != 1 or values.size == 0:
        raise TechnoiseError(
            f"PIT values of shape {values.shape}: one list of one or more values is tested; flatten them"
        )
    bad = ~((values >= 0) & (values <= 1))
    if bad.any():
        raise TechnoiseError(
            f"PIT value of {float(values[bad][0])}: a PIT value is in [0, 1]; check the model's parameters"
        )
    return values
