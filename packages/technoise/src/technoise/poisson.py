"""The Poisson distribution of read counts: the negative binomial of infinite size, in the same form."""

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
from technoise.saddle_point import log1p_deficit, stirling_error

_LOG_TWO_PI = math.log(2.0 * math.pi)


def log_prob(counts: Tensor, log_mean: Tensor) -> Tensor:
    """Return the log-probability of counts in nats, computed in float64.

    Parameters
    ----------
    counts
        Read counts, whole numbers from 0 to 2^53, any shape and any dtype.
    log_mean
        Natural logarithm of the mean in reads, of the shape of ``counts``.

    Returns
    -------
    Tensor
        Shape of ``counts``, dtype of ``log_mean`` (float32 where that is a half-precision type).

    Raises
    ------
    TechnoiseError
        For unequal shapes, and for a negative, fractional or too large count.

    Notes
    -----
    The gradient is ``y - m``, and it is never clamped. A second derivative is refused. A mean
    above 1.8e308 gives -inf. NaN in gives NaN out.
    """
    require_equal_shapes(counts=counts, log_mean=log_mean)
    y = counts_as_float64(counts)
    value: Tensor = _LogProb.apply(y, log_mean.to(torch.float64))
    return value.to(torch.promote_types(log_mean.dtype, torch.float32))


def half_deviance(counts: Tensor, mean: Tensor) -> Tensor:
    """Return ``y log(y / m) + m - y`` in nats without cancellation.

    Parameters
    ----------
    counts, mean
        Float64 of equal shape, on their natural scale; not differentiable.
    """
    return _half_deviance(counts, mean.log(), mean)


def cdf(counts: ArrayLike, mean: ArrayLike) -> NDArray[np.float64]:
    """Return P(Y <= count) as a regularised incomplete gamma function.

    Parameters
    ----------
    counts
        Read counts, whole numbers from 0 to 2^53, any shape.
    mean
        Mean in reads, positive and finite, of the shape of ``counts``.

    Raises
    ------
    TechnoiseError
        For unequal shapes, what is not a count, or a mean that is not positive and finite.
    """
    y, m = _arrays(counts, mean)
    return _lower(y + 1.0, m)


def sf(counts: ArrayLike, mean: ArrayLike) -> NDArray[np.float64]:
    """Return P(Y > count), to full relative precision also where it is small; arguments as for :func:`cdf`."""
    y, m = _arrays(counts, mean)
    return _upper(y + 1.0, m)


def upper_tail(counts: ArrayLike, mean: ArrayLike) -> NDArray[np.float64]:
    """Return P(Y >= count), the p-value of an enrichment; arguments as for :func:`cdf`."""
    return _upper(*_arrays(counts, mean))


def lower_tail_below(counts: ArrayLike, mean: ArrayLike) -> NDArray[np.float64]:
    """Return P(Y < count); arguments as for :func:`cdf`."""
    return _lower(*_arrays(counts, mean))


def quantile(levels: ArrayLike, mean: ArrayLike) -> NDArray[np.float64]:
    """Return the smallest count whose :func:`cdf` reaches the level.

    Parameters
    ----------
    levels
        Probabilities, at least 0 and below 1, any shape.
    mean
        As for :func:`cdf`, of the shape of ``levels``.

    Raises
    ------
    TechnoiseError
        For unequal shapes, a level outside of [0, 1), or a quantile above 2^53.
    """
    q, m = np.asarray(levels, dtype=np.float64), positive_array("mean", mean)
    require_equal_shapes(levels=q, mean=m)
    return smallest_count(q, m, lambda y, kept: _upper(y + 1.0, m[kept]), lambda y, kept: _lower(y + 1.0, m[kept]))


def _arrays(counts: ArrayLike, mean: ArrayLike) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    y, m = count_array(counts), positive_array("mean", mean)
    require_equal_shapes(counts=y, mean=m)
    return y, m


def _upper(y: NDArray[np.float64], m: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return P(Y >= y)."""
    return np.where(y > 0, special.gammainc(np.maximum(y, 1.0), m), 1.0)


def _lower(y: NDArray[np.float64], m: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return P(Y < y)."""
    return np.where(y > 0, special.gammaincc(np.maximum(y, 1.0), m), 0.0)


class _LogProb(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, y: Tensor, log_mean: Tensor) -> Tensor:
        m = log_mean.exp()
        ctx.save_for_backward(y - m)
        log_y = y.clamp(min=1.0).log()
        saturated = -0.5 * (_LOG_TWO_PI + log_y) - stirling_error(y, log_y)
        return torch.where(y > 0, saturated, 0.0) - _half_deviance(y, log_mean, m)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[None, Tensor]:
        refuse_second_derivative()
        (by_log_mean,) = ctx.saved_tensors
        return None, grad * by_log_mean


def _half_deviance(y: Tensor, log_mean: Tensor, m: Tensor) -> Tensor:
    u = (m - y) / y.clamp(min=1.0)
    kept = u > -0.5
    near = (m - y) * log1p_deficit(torch.where(kept, u, torch.zeros_like(u)))
    far = m - y + torch.xlogy(y, y) - y * log_mean
    return torch.where(y == 0, m, torch.where(kept, near, far))
