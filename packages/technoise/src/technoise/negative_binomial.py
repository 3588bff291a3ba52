"""The negative binomial of read counts, given by its mean and its size; no probability parameter is ever formed.

With mean m and size r the variance is ``m + m^2 / r``; r to infinity is the Poisson distribution. Everything rests on

    log f(y) = S(y, r) - D(y, m, r)
    D = r h(t) + y h(-r t / y),   t = (y - m) / (r + m),   h(u) = u - log1p(u)
    S = (log r - log(y + r) - log(2 pi y)) / 2 + d(y + r) - d(r) - d(y)

where D, half the deviance, is a sum of two terms that are never negative, and d is Stirling's error. Nothing cancels.

Source: Loader (2000), Fast and accurate computation of binomial probabilities, as a negative binomial in mean and size.
"""

import math
from typing import Any

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from scipy import special
from torch import Tensor

from technoise.checks import (
    count_array,
    counts_as_float64,
    positive_array,
    refuse_second_derivative,
    require_equal_shapes,
)
from technoise.count_quantile import smallest_count
from technoise.saddle_point import digamma_error, log1p_deficit, stirling_error

_LARGEST_EXPONENT = 709.0  # exp of more overflows a float64
_LOG_TWO_PI = math.log(2.0 * math.pi)


def log_prob(counts: Tensor, log_mean: Tensor, log_size: Tensor) -> Tensor:
    """Return the log-probability of counts in nats, computed in float64.

    Parameters
    ----------
    counts
        Read counts, whole numbers from 0 to 2^53, any shape and any dtype.
    log_mean, log_size
        Natural logarithms of the mean in reads and of the size, of the shape of ``counts``.

    Returns
    -------
    Tensor
        Shape of ``counts``, dtype of ``log_mean`` (float32 where that is a half-precision type, which ends at 65504).

    Raises
    ------
    TechnoiseError
        For unequal shapes, and for a negative, fractional or too large count.

    Notes
    -----
    The gradients are the exact derivatives, evaluated without cancellation, and no value is clamped. A second
    derivative is refused. A result below -1.8e308 is -inf, NaN in gives NaN
    out, and so do a mean and a size that are both above 1.8e308.

    Examples
    --------
    >>> one = torch.ones(1, dtype=torch.float64)
    >>> round(float(log_prob(torch.tensor([2]), 0 * one, 0 * one).exp()), 6)
    0.125
    """
    require_equal_shapes(counts=counts, log_mean=log_mean, log_size=log_size)
    y = counts_as_float64(counts)
    value: Tensor = _LogProb.apply(y, log_mean.to(torch.float64), log_size.to(torch.float64))
    return value.to(torch.promote_types(log_mean.dtype, torch.float32))


def half_deviance(counts: Tensor, mean: Tensor, size: Tensor) -> Tensor:
    """Return D above, in nats: the log-probability at a mean equal to the count, less the one at this mean.

    Parameters
    ----------
    counts, mean, size
        Float64 of equal shape, on their natural scale; not differentiable.
    """
    return _pieces(counts, mean.log(), size.log(), mean, size)[0]


def cdf(counts: ArrayLike, mean: ArrayLike, size: ArrayLike) -> NDArray[np.float64]:
    """Return P(Y <= count) as a regularised incomplete beta function.

    Parameters
    ----------
    counts
        Read counts, whole numbers from 0 to 2^53, any shape.
    mean, size
        Mean in reads and size, positive and finite, of the shape of ``counts``.

    Raises
    ------
    TechnoiseError
        For unequal shapes, what is not a count, or a parameter that is not positive and finite.
    """
    y, m, r = _arrays(counts, mean, size)
    return _lower(y + 1.0, m, r)


def sf(counts: ArrayLike, mean: ArrayLike, size: ArrayLike) -> NDArray[np.float64]:
    """Return P(Y > count), to full relative precision also where it is small; arguments as for :func:`cdf`."""
    y, m, r = _arrays(counts, mean, size)
    return _upper(y + 1.0, m, r)


def upper_tail(counts: ArrayLike, mean: ArrayLike, size: ArrayLike) -> NDArray[np.float64]:
    """Return P(Y >= count), the p-value of an enrichment; arguments as for :func:`cdf`."""
    return _upper(*_arrays(counts, mean, size))


def lower_tail_below(counts: ArrayLike, mean: ArrayLike, size: ArrayLike) -> NDArray[np.float64]:
    """Return P(Y < count); arguments as for :func:`cdf`."""
    return _lower(*_arrays(counts, mean, size))


def quantile(levels: ArrayLike, mean: ArrayLike, size: ArrayLike) -> NDArray[np.float64]:
    """Return the smallest count whose :func:`cdf` reaches the level.

    Parameters
    ----------
    levels
        Probabilities, at least 0 and below 1, any shape.
    mean, size
        As for :func:`cdf`, of the shape of ``levels``.

    Raises
    ------
    TechnoiseError
        For unequal shapes, a level outside of [0, 1), or a quantile above 2^53.
    """
    q = np.asarray(levels, dtype=np.float64)
    m, r = positive_array("mean", mean), positive_array("size", size)
    require_equal_shapes(levels=q, mean=m, size=r)
    return smallest_count(
        q,
        m,
        lambda y, kept: _upper(y + 1.0, m[kept], r[kept]),
        lambda y, kept: _lower(y + 1.0, m[kept], r[kept]),
    )


def _arrays(
    counts: ArrayLike, mean: ArrayLike, size: ArrayLike
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    y, m, r = count_array(counts), positive_array("mean", mean), positive_array("size", size)
    require_equal_shapes(counts=y, mean=m, size=r)
    return y, m, r


def _upper(y: NDArray[np.float64], m: NDArray[np.float64], r: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return P(Y >= y), from the smaller of m / (r + m) and r / (r + m): the other may round to one."""
    value = np.ones_like(y)
    # Up to the mean through the other tail: SciPy 1.17's betainc is off by 1.6e-8 there at a size of 1e9.
    chosen = (y > 0) & (m <= r) & (y <= m)
    k, mean, size = y[chosen], m[chosen], r[chosen]
    value[chosen] = 1.0 - special.betaincc(k, size, mean / (size + mean))
    chosen = (y > 0) & (m <= r) & (y > m)
    k, mean, size = y[chosen], m[chosen], r[chosen]
    value[chosen] = special.betainc(k, size, mean / (size + mean))
    chosen = (y > 0) & (m > r)
    k, mean, size = y[chosen], m[chosen], r[chosen]
    value[chosen] = special.betaincc(size, k, size / (size + mean))
    return value


def _lower(y: NDArray[np.float64], m: NDArray[np.float64], r: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return P(Y < y), as :func:`_upper`."""
    value = np.zeros_like(y)
    chosen = (y > 0) & (m <= r)
    k, mean, size = y[chosen], m[chosen], r[chosen]
    value[chosen] = special.betaincc(k, size, mean / (size + mean))
    chosen = (y > 0) & (m > r)
    k, mean, size = y[chosen], m[chosen], r[chosen]
    value[chosen] = special.betainc(size, k, size / (size + mean))
    return value


class _LogProb(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, y: Tensor, log_mean: Tensor, log_size: Tensor) -> Tensor:
        r = log_size.exp()
        deviance, slope, curvature = _pieces(y, log_mean, log_size, log_mean.exp(), r)
        log_y = y.clamp(min=1.0).log()
        log_sum = torch.logaddexp(log_size, log_y)
        saturated = (
            0.5 * (-torch.logaddexp(log_y - log_size, torch.zeros_like(y)) - log_y - _LOG_TWO_PI)
            + stirling_error(y + r, log_sum)
            - stirling_error(r, log_size)
            - stirling_error(y, log_y)
        )
        share = torch.exp(log_size - log_sum)  # r / (y + r), also where r has under- or overflowed
        rising = 0.5 * torch.exp(log_y - log_sum) + digamma_error(r) - share * digamma_error(y + r)
        positive = y > 0
        by_log_size = torch.where(positive, rising, 0.0) - curvature
        ctx.save_for_backward(slope, torch.where(y == 1, _size_slope_at_one(log_mean, log_size, r), by_log_size))
        return torch.where(positive, saturated, 0.0) - deviance

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[None, Tensor, Tensor]:
        refuse_second_derivative()
        by_log_mean, by_log_size = ctx.saved_tensors
        return None, grad * by_log_mean, grad * by_log_size


def _size_slope_at_one(log_mean: Tensor, log_size: Tensor, r: Tensor) -> Tensor:
    """Return the derivative by the log size for one read, which vanishes with the mean: there the general form cancels.

    It is ``a - r h(-a)`` with ``a = m / (r + m)``.
    """
    a = torch.sigmoid(log_mean - log_size)
    ra = torch.exp(torch.minimum(log_mean, log_size)) / (1.0 + torch.exp(-(log_size - log_mean).abs()))
    odds = torch.logaddexp(log_mean - log_size, torch.zeros_like(r))
    small = a < 0.5
    return a + torch.where(small, ra * log1p_deficit(torch.where(small, -a, 0.0)), ra - r * odds)


def _pieces(y: Tensor, log_mean: Tensor, log_size: Tensor, m: Tensor, r: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Return D, ``r t`` (the derivative by the log mean) and ``r h(t)``, also where an exp over- or underflows."""
    zero = torch.zeros_like(y)
    wider = log_size > log_mean
    lesser = torch.exp(-(log_size - log_mean).abs())  # the smaller of m / r and r / m
    excess = torch.where(log_mean < 0, zero, y * torch.exp(-log_mean.clamp(min=0.0)) - 1.0)  # y / m - 1
    # r t = r m / (r + m) (y / m - 1); for a mean below one as r / (r + m) (y - m), where y / m might overflow.
    rt = torch.where(
        log_mean < 0,
        torch.sigmoid(log_size - log_mean) * (y - m),
        torch.where(wider, (y - m) / (1.0 + lesser), r * excess / (1.0 + lesser)),
    )
    inverse = torch.exp((-torch.maximum(log_mean, log_size)).clamp(max=_LARGEST_EXPONENT))
    t = torch.where(wider | (log_mean < 0), (y - m) * inverse, excess) / (1.0 + lesser)
    log_y = y.log()
    odds = torch.logaddexp(log_mean - log_size, zero)  # log(1 + m / r)
    far = torch.logaddexp(log_y - log_size, zero) - odds  # log1p(t) from logarithms alone
    near = (t > -0.5) & (t < 1e15)
    u = torch.where(near, t, zero)
    small = u.abs() < 0.5
    first = torch.where(small & near, rt * log1p_deficit(u), rt - r * torch.where(near, torch.log1p(u), far))
    v = -rt / y.clamp(min=1.0)
    kept = v > -0.5
    distant = torch.logaddexp(log_size - log_y, zero) - torch.logaddexp(log_size - log_mean, zero)
    safe = torch.where(kept, v, zero)
    second = torch.where(kept, -rt * log1p_deficit(safe), -rt - y * distant)
    return first + torch.where(y > 0, second, -rt), rt, first
