"""What a count says beyond its model: residuals, p-values of enrichment and their false discovery rates."""

import math

import numpy as np
from numpy.typing import ArrayLike
from scipy import special, stats

from technoise import distribution, tails
from technoise.distribution import Floats
from technoise.errors import TechnoiseError


def pearson_residuals(counts: ArrayLike, mean: ArrayLike, size: ArrayLike | None) -> Floats:
    """Return ``(y - m)`` in standard deviations of the model.

    Parameters
    ----------
    counts, mean
        Counts and mean in reads, equal shapes.
    size
        Of the same shape, or None for Poisson.

    Raises
    ------
    TechnoiseError
        For unequal shapes, what is not a count, or a parameter that is not positive and finite.
    """
    y, m, r = distribution.checked(counts, mean, size)
    return np.asarray((y - m) / np.sqrt(distribution.variance(m, r)), dtype=np.float64)


def deviance_residuals(counts: ArrayLike, mean: ArrayLike, size: ArrayLike | None) -> Floats:
    """Return the signed square root of the unit deviance; arguments as for :func:`pearson_residuals`."""
    y, m, r = distribution.checked(counts, mean, size)
    return np.asarray(np.sign(y - m) * np.sqrt(2.0 * distribution.half_deviance(y, m, r)), dtype=np.float64)


def quantile_residuals(
    counts: ArrayLike, mean: ArrayLike, size: ArrayLike | None, rng: np.random.Generator | None
) -> Floats:
    """Return quantile residuals: standard normal when the model is true.

    Parameters
    ----------
    counts, mean, size
        As for :func:`pearson_residuals`.
    rng
        Draws the place within the jump of each count; None takes its middle, which is not quite normal but has no
        noise, as correlations between replicates want it.

    Notes
    -----
    Worked out from the logarithm of the smaller tail, so that counts far from their mean keep finite, ordered
    residuals. Source: Dunn and Smyth (1996), Randomized quantile residuals.
    """
    y, m, r = distribution.checked(counts, mean, size)
    place = np.full(y.shape, 0.5) if rng is None else open_uniform(rng, y.shape)
    log_f = distribution.log_pmf(y, m, r)
    # P(Y < y) + v f and P(Y > y) + (1 - v) f as logarithms; the part of no count is -inf.
    below = np.where(y > 0, tails.log_lower_tail(np.maximum(y - 1.0, 0.0), m, r), -np.inf)
    lower = np.logaddexp(below, log_f + np.log(place))
    upper = np.logaddexp(tails.log_upper_tail(y + 1.0, m, r), log_f + np.log1p(-place))
    value = np.where(
        lower <= upper, special.ndtri_exp(np.minimum(lower, 0.0)), -special.ndtri_exp(np.minimum(upper, 0.0))
    )
    return np.asarray(value, dtype=np.float64)


def open_uniform(rng: np.random.Generator, shape: tuple[int, ...]) -> Floats:
    """Return uniform draws that are never 0 nor 1: the centres of 2^52 cells."""
    return np.asarray((np.floor(rng.random(shape) * 2.0**52) + 0.5) * 2.0**-52, dtype=np.float64)


def upper_tail_p_values(counts: ArrayLike, mean: ArrayLike, size: ArrayLike | None) -> Floats:
    """Return P(Y >= count), the p-value of an enrichment; arguments as for :func:`pearson_residuals`."""
    return distribution.upper_tail(counts, mean, size)


def minus_log10_p_values(counts: ArrayLike, mean: ArrayLike, size: ArrayLike | None) -> Floats:
    """Return ``-log10 P(Y >= count)``, finite also where the p-value is below 1e-308."""
    # Adding zero turns the -0.0 of a p-value of one into 0.0.
    return np.asarray(-tails.log_upper_tail(counts, mean, size) / math.log(10.0) + 0.0, dtype=np.float64)


def benjamini_hochberg(p_values: ArrayLike) -> Floats:
    """Return q-values: the smallest false discovery rate at which each test is significant.

    Parameters
    ----------
    p_values
        Of the tests, shape (n_tests,), each in [0, 1].

    Raises
    ------
    TechnoiseError
        For another shape, or a value outside of [0, 1] or NaN; tests that were not made are left out first.

    Notes
    -----
    Source: Benjamini and Hochberg (1995), JRSS B 57, 289-300; SciPy's implementation.
    """
    p = np.asarray(p_values, dtype=np.float64)
    if p.ndim != 1 or p.size == 0:
        raise TechnoiseError(f"p-values of shape {p.shape}: q-values need one list of one or more tests; flatten them")
    bad = ~((p >= 0) & (p <= 1))
    if bad.any():
        raise TechnoiseError(f"p-value of {float(p[bad][0])}: a p-value is in [0, 1]; leave out what was not tested")
    return np.asarray(stats.false_discovery_control(p, method="bh"), dtype=np.float64)
