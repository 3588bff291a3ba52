"""Deviance of a count model: twice the log-likelihood that it leaves to a model with one mean per count."""

import numpy as np
from numpy.typing import ArrayLike

from technoise import distribution
from technoise.distribution import Floats
from technoise.errors import TechnoiseError


def unit_deviance(counts: ArrayLike, mean: ArrayLike, size: ArrayLike | None) -> Floats:
    """Return the deviance of each count, zero or more; without units.

    Parameters
    ----------
    counts, mean
        Counts and mean in reads, equal shapes.
    size
        Of the same shape, or None for Poisson; held fixed in the saturated model.

    Raises
    ------
    TechnoiseError
        For unequal shapes, what is not a count, or a parameter that is not positive and finite.

    Notes
    -----
    ``2 (y log(y/m) - (y + r) log((y + r)/(m + r)))``, computed without cancellation. Source: McCullagh and Nelder
    (1989), Generalized Linear Models, 2nd edition.
    """
    return np.asarray(2.0 * distribution.half_deviance(counts, mean, size), dtype=np.float64)


def mean_deviance(counts: ArrayLike, mean: ArrayLike, size: ArrayLike | None) -> float:
    """Return the mean of :func:`unit_deviance`.

    Raises
    ------
    TechnoiseError
        Also for no counts.
    """
    each = unit_deviance(counts, mean, size)
    if each.size == 0:
        raise TechnoiseError("deviance of 0 counts: a mean needs one or more; check which bins are masked")
    return float(each.mean())
