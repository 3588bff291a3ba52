"""Loader's pieces of a count log-probability: what is left of lgamma and log once the large terms have cancelled.

A log-probability written with lgamma subtracts numbers of the size of ``y log y``; at a count of 1e9 their rounding
alone is 4e-6 nats, and at a size of 1e12 little of the difference is left. Written as a deviance plus Stirling's
errors, every piece is small where the result is small.

Source: Loader (2000), Fast and accurate computation of binomial probabilities.
"""

import math

import torch
from torch import Tensor

_HALF_LOG_TWO_PI = 0.5 * math.log(2.0 * math.pi)

# From here on the series below are exact to the last bit of a float64 (first term left out: 2e-18 of the first).
SERIES_FROM = 16.0
# Coefficients B(2k) / (2k (2k-1)) of Stirling's series in odd powers of 1/x.
_STIRLING = (1 / 12, -1 / 360, 1 / 1260, -1 / 1680, 1 / 1188, -691 / 360360, 1 / 156, -3617 / 122400)
# Coefficients B(2k) / (2k) of the digamma series in even powers of 1/x.
_DIGAMMA = (1 / 12, -1 / 120, 1 / 252, -1 / 240, 1 / 132, -691 / 32760, 1 / 12, -3617 / 8160)
# Below this |u / (2 + u)| the difference u - log1p(u) has lost digits and its series has not.
_SERIES_BELOW = 0.1
_SERIES_TERMS = 9


def log1p_deficit(u: Tensor) -> Tensor:
    """Return ``(u - log1p(u)) / u`` to full relative precision, 0 at 0: the share of u that its logarithm lacks.

    Parameters
    ----------
    u
        Float64, any shape, greater than -1.

    Notes
    -----
    With ``w = u / (2 + u)``, ``log1p(u) = 2 atanh(w)``, so that near zero the linear term cancels on paper:
    ``w - w^2 (1 - w) (1/3 + w^2/5 + ...)``. Divided by u, as ``u^2`` underflows long before u.
    """
    w = u / (2.0 + u)
    square = w * w
    series = torch.zeros_like(w)
    for k in range(_SERIES_TERMS, 0, -1):
        series = series * square + 1.0 / (2 * k + 1)  # Horner: 1/3 + w^2/5 + ...
    near = w.abs() < _SERIES_BELOW
    divisor = torch.where(near, torch.ones_like(u), u)
    return torch.where(near, w - square * (1.0 - w) * series, 1.0 - torch.log1p(u) / divisor)


def stirling_error(x: Tensor, log_x: Tensor) -> Tensor:
    """Return ``log x! - ((x + 1/2) log x - x + log(2 pi)/2)``: what Stirling's formula leaves out.

    Parameters
    ----------
    x, log_x
        Float64, the same shape; ``x`` may have underflowed to 0, then only ``log_x`` counts.
    """
    inverse = 1.0 / x.clamp(min=1.0)  # both branches are computed; the value below 1 is not used
    square = inverse * inverse
    series = torch.zeros_like(x)
    for coefficient in reversed(_STIRLING):
        series = series * square + coefficient
    direct = torch.lgamma(x + 1.0) - (x + 0.5) * log_x + x - _HALF_LOG_TWO_PI
    return torch.where(x < SERIES_FROM, direct, series * inverse)


def digamma_error(x: Tensor) -> Tensor:
    """Return ``x (log x - 1/(2x) - digamma(x))``: x times what the first two terms of digamma leave out.

    Parameters
    ----------
    x
        Float64, zero or more; the limit at zero is 1/2.
    """
    inverse = 1.0 / x.clamp(min=1.0)
    square = inverse * inverse
    series = torch.zeros_like(x)
    for coefficient in reversed(_DIGAMMA):
        series = series * square + coefficient
    # digamma(x) = digamma(1 + x) - 1/x keeps the singularity at zero out of the arithmetic.
    direct = 0.5 + torch.xlogy(x, x) - x * torch.digamma(1.0 + x)
    return torch.where(x < SERIES_FROM, direct, series * inverse)
