"""The count distribution of a model in NumPy: negative binomial where a size is given, Poisson where it is None."""

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray

from technoise import negative_binomial, poisson
from technoise.checks import count_array, positive_array, require_equal_shapes

Floats = NDArray[np.float64]


def checked(counts: ArrayLike, mean: ArrayLike, size: ArrayLike | None) -> tuple[Floats, Floats, Floats | None]:
    """Return counts, mean and size as float64 arrays of one shape.

    Raises
    ------
    TechnoiseError
        For unequal shapes, what is not a count, or a parameter that is not positive and finite.
    """
    y, m = count_array(counts), positive_array("mean", mean)
    if size is None:
        require_equal_shapes(counts=y, mean=m)
        return y, m, None
    r = positive_array("size", size)
    require_equal_shapes(counts=y, mean=m, size=r)
    return y, m, r


def log_pmf(counts: ArrayLike, mean: ArrayLike, size: ArrayLike | None) -> Floats:
    """Return the log-probability of counts in nats; ``counts``, ``mean`` and ``size`` have one shape."""
    y, m, r = checked(counts, mean, size)
    y_, log_mean = torch.from_numpy(y), torch.from_numpy(np.log(m))
    if r is None:
        value = poisson.log_prob(y_, log_mean)
    else:
        value = negative_binomial.log_prob(y_, log_mean, torch.from_numpy(np.log(r)))
    return np.asarray(value.numpy(), dtype=np.float64)


def half_deviance(counts: ArrayLike, mean: ArrayLike, size: ArrayLike | None) -> Floats:
    """Return half the unit deviance in nats: how much likelier the count is at a mean equal to itself."""
    y, m, r = checked(counts, mean, size)
    if r is None:
        value = poisson.half_deviance(torch.from_numpy(y), torch.from_numpy(m))
    else:
        value = negative_binomial.half_deviance(torch.from_numpy(y), torch.from_numpy(m), torch.from_numpy(r))
    return np.asarray(value.numpy(), dtype=np.float64)


def variance(mean: ArrayLike, size: ArrayLike | None) -> Floats:
    """Return ``m + m^2 / r``, or ``m`` without a size, in squared reads; equal shapes."""
    m = positive_array("mean", mean)
    if size is None:
        return m
    r = positive_array("size", size)
    require_equal_shapes(mean=m, size=r)
    return np.asarray(m * (1.0 + m / r), dtype=np.float64)


def cdf(counts: ArrayLike, mean: ArrayLike, size: ArrayLike | None) -> Floats:
    """Return P(Y <= count)."""
    return poisson.cdf(counts, mean) if size is None else negative_binomial.cdf(counts, mean, size)


def sf(counts: ArrayLike, mean: ArrayLike, size: ArrayLike | None) -> Floats:
    """Return P(Y > count)."""
    return poisson.sf(counts, mean) if size is None else negative_binomial.sf(counts, mean, size)


def upper_tail(counts: ArrayLike, mean: ArrayLike, size: ArrayLike | None) -> Floats:
    """Return P(Y >= count)."""
    return poisson.upper_tail(counts, mean) if size is None else negative_binomial.upper_tail(counts, mean, size)


def lower_tail_below(counts: ArrayLike, mean: ArrayLike, size: ArrayLike | None) -> Floats:
    """Return P(Y < count)."""
    if size is None:
        return poisson.lower_tail_below(counts, mean)
    return negative_binomial.lower_tail_below(counts, mean, size)


def quantile(levels: ArrayLike, mean: ArrayLike, size: ArrayLike | None) -> Floats:
    """Return the smallest count whose cdf reaches the level."""
    return poisson.quantile(levels, mean) if size is None else negative_binomial.quantile(levels, mean, size)
