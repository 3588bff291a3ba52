"""The mid-distribution transform F(y - 1) + f(y) / 2 as a function that gradients pass through.

The derivative by the log mean is exact: the distribution function of a negative binomial has
``dF(k) / dm = -f(k) (k + r) / (r + m)``, that of a Poisson ``-f(k)``. The one by the log size is an incomplete beta
function differentiated by its parameter, which has no closed form: a central difference stands for it, with an error of
about 1e-9.
"""

from typing import Any

import numpy as np
import torch
from torch import Tensor

from technoise import distribution
from technoise.checks import counts_as_float64, refuse_second_derivative, require_equal_shapes
from technoise.distribution import Floats

_STEP = 1e-4  # in the log of the size; truncation (step^2) and rounding (1e-13 / step) are then both near 1e-9


def mid_pit(counts: Tensor, log_mean: Tensor, log_size: Tensor | None) -> Tensor:
    """Return ``F(y - 1) + f(y) / 2``, the probability integral transform with the jump at the count cut in half.

    Parameters
    ----------
    counts
        Read counts, any shape.
    log_mean
        Natural logarithm of the mean in reads, of the shape of ``counts``; the mean itself is finite and not zero.
    log_size
        That of the size, of the same shape, or None for Poisson.

    Returns
    -------
    Tensor
        In [0, 1], shape of ``counts``, dtype of ``log_mean``.

    Raises
    ------
    TechnoiseError
        For unequal shapes, what is not a count, or a parameter that is not positive and finite.

    Notes
    -----
    The incomplete beta function is SciPy's: tensors of a GPU travel to the CPU and back.
    """
    require_equal_shapes(counts=counts, log_mean=log_mean, **({} if log_size is None else {"log_size": log_size}))
    value: Tensor = _MidPit.apply(counts_as_float64(counts), log_mean, log_size)
    return value


def _mid(y: Floats, m: Floats, r: Floats | None) -> Floats:
    return distribution.lower_tail_below(y, m, r) + 0.5 * np.exp(distribution.log_pmf(y, m, r))


class _MidPit(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, counts: Tensor, log_mean: Tensor, log_size: Tensor | None) -> Tensor:
        def like_mean(array: Floats) -> Tensor:
            return torch.from_numpy(array).to(device=log_mean.device, dtype=log_mean.dtype)

        y = counts.cpu().numpy()
        m = np.exp(log_mean.detach().to("cpu", torch.float64).numpy())
        log_r = None if log_size is None else log_size.detach().to("cpu", torch.float64).numpy()
        r = None if log_r is None else np.exp(log_r)
        by_mean: Tensor | None = None
        by_size: Tensor | None = None
        if ctx.needs_input_grad[1]:
            slope = _density_flow(y, m, r) + np.where(y > 0, _density_flow(np.maximum(y - 1.0, 0.0), m, r), 0.0)
            by_mean = like_mean(-0.5 * slope)
        if log_r is not None and ctx.needs_input_grad[2]:
            rise = _mid(y, m, np.exp(log_r + _STEP)) - _mid(y, m, np.exp(log_r - _STEP))
            by_size = like_mean(rise / (2.0 * _STEP))
        ctx.save_for_backward(by_mean, by_size)
        return like_mean(_mid(y, m, r))

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[None, Tensor | None, Tensor | None]:
        refuse_second_derivative()
        by_mean, by_size = ctx.saved_tensors
        return None, None if by_mean is None else grad * by_mean, None if by_size is None else grad * by_size


def _density_flow(k: Floats, m: Floats, r: Floats | None) -> Floats:
    """Return ``-dF(k) / dlog m``."""
    f = np.exp(distribution.log_pmf(k, m, r))
    return np.asarray(m * f if r is None else f * (k + r) * (m / (r + m)), dtype=np.float64)
