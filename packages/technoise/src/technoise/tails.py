"""Logarithms of tail probabilities, also where the probability itself underflows to zero.

A strong peak has a p-value below 1e-308; a track of -log10 p and a quantile residual still need its logarithm. There
the tail is the probability of the count itself times a continued fraction that converges within a few terms.

Source: DLMF 8.17.22 (incomplete beta) and 8.9.2 (incomplete gamma), evaluated by the modified Lentz method.
"""

from collections.abc import Callable

import numpy as np
from numpy.typing import ArrayLike, NDArray

from technoise import distribution
from technoise.distribution import Floats
from technoise.errors import TechnoiseError

# Below this the tail is read from the continued fraction; far enough above the smallest normal float64.
_SMALL = 1e-280
_TINY = 1e-300
_MOST_TERMS = 100_000
# From k >= 1 to the partial numerator and denominator number k.
Terms = Callable[[int], tuple[Floats, Floats]]


def log_upper_tail(counts: ArrayLike, mean: ArrayLike, size: ArrayLike | None) -> Floats:
    """Return log P(Y >= count) in nats.

    Parameters
    ----------
    counts, mean
        Counts and mean in reads, equal shapes.
    size
        Of the same shape, or None for Poisson.
    """
    y, m, r = distribution.checked(counts, mean, size)
    upper = distribution.upper_tail(y, m, r)
    value = _log_of(upper, lambda large: distribution.lower_tail_below(y[large], m[large], _at(r, large)))
    far = (upper < _SMALL) & (y > 0)
    if far.any():
        k, mf, rf = y[far], m[far], None if r is None else r[far]
        value[far] = distribution.log_pmf(k, mf, rf) + np.log(_upper_factor(k, mf, rf))
    return value


def log_lower_tail(counts: ArrayLike, mean: ArrayLike, size: ArrayLike | None) -> Floats:
    """Return log P(Y <= count) in nats; arguments as for :func:`log_upper_tail`."""
    y, m, r = distribution.checked(counts, mean, size)
    lower = distribution.cdf(y, m, r)
    value = _log_of(lower, lambda large: distribution.sf(y[large], m[large], _at(r, large)))
    far = lower < _SMALL
    if far.any():
        k, mf, rf = y[far], m[far], None if r is None else r[far]
        value[far] = distribution.log_pmf(k, mf, rf) + np.log(_lower_factor(k, mf, rf))
    return value


def _log_of(probability: Floats, complement_at: Callable[[NDArray[np.bool_]], Floats]) -> Floats:
    """Return the logarithm; that of a probability above one half is read from its complement, which is asked for."""
    with np.errstate(divide="ignore"):
        value = np.asarray(np.log(probability), dtype=np.float64)
    large = probability > 0.5
    if large.any():
        value[large] = np.log1p(-np.minimum(complement_at(large), 0.5))
    return value


def _at(size: Floats | None, chosen: NDArray[np.bool_]) -> Floats | None:
    return None if size is None else size[chosen]


def _upper_factor(y: Floats, m: Floats, r: Floats | None) -> Floats:
    """Return P(Y >= y) / P(Y = y) for y above the mean; the Poisson terms are the limits for infinite size."""
    return _beta_fraction(y, r, m if r is None else m / (r + m))


def _lower_factor(y: Floats, m: Floats, r: Floats | None) -> Floats:
    """Return P(Y <= y) / P(Y = y) for y below the mean."""
    if r is not None:
        share = r / (r + m)
        return np.asarray(m / (r + m) * (r + y) / r * _beta_fraction(r, y + 1.0, share), dtype=np.float64)

    def terms(k: int) -> tuple[Floats, Floats]:
        return (m if k == 1 else (k - 1) * (y + 2.0 - k)), m + 2.0 * k - 2.0 - y

    return _lentz(terms, y)


def _beta_fraction(a: Floats, b: Floats | None, x: Floats) -> Floats:
    """Return the continued fraction of I_x(a, b); with b None that of its limit, where x stands for b x."""

    def terms(k: int) -> tuple[Floats, Floats]:
        one = np.ones_like(a)
        if k == 1:
            return one, one
        j, odd = divmod(k - 1, 2)
        if odd:
            grown = x if b is None else (a + b + j) * x
            return -(a + j) * grown / ((a + 2 * j) * (a + 2 * j + 1)), one
        left = x if b is None else (b - j) * x
        return j * left / ((a + 2 * j - 1) * (a + 2 * j)), one

    return _lentz(terms, a)


def _lentz(terms: Terms, like: Floats) -> Floats:
    value = np.full_like(like, _TINY)
    c, d = value.copy(), np.zeros_like(like)
    for k in range(1, _MOST_TERMS):
        numerator, denominator = terms(k)
        d = denominator + numerator * d
        c = denominator + numerator / c
        d = 1.0 / np.where(d == 0, _TINY, d)
        c = np.where(c == 0, _TINY, c)
        value = value * c * d
        if np.all(np.abs(c * d - 1.0) < 1e-15):
            return np.asarray(value, dtype=np.float64)
    raise TechnoiseError(
        f"tail fraction after {_MOST_TERMS} terms: it converges away from the mean; check mean and size of the fit"
    )
