"""How well replicates agree once the model has been taken out.

Shared bias makes replicates agree as well: concordance is read beside likelihood and calibration, never alone.
"""

from dataclasses import dataclass
from itertools import combinations

import numpy as np
from numpy.typing import ArrayLike
from scipy import stats

from technoise import distribution
from technoise.distribution import Floats
from technoise.errors import TechnoiseError
from technoise.residuals import pearson_residuals, quantile_residuals


@dataclass(frozen=True)
class RankCorrelation:
    """Spearman's correlation, or the reason why there is none.

    Attributes
    ----------
    estimate
        In [-1, 1]; None where it does not exist.
    n
        Number of bins.
    missing
        Why ``estimate`` is None.
    """

    estimate: float | None
    n: int
    missing: str | None = None


@dataclass(frozen=True)
class Concordance:
    """Agreement of two replicates, given by their column numbers: of counts as they are, and of two residuals."""

    replicates: tuple[int, int]
    counts: RankCorrelation
    residual: RankCorrelation
    quantile: RankCorrelation


def spearman(first: ArrayLike, second: ArrayLike) -> RankCorrelation:
    """Return Spearman's rank correlation, ties at their mean rank.

    Parameters
    ----------
    first, second
        Values of the same bins, shape (n_bins,).

    Raises
    ------
    TechnoiseError
        For unequal shapes, other than one dimension, or a value that is not finite.
    """
    a, b = np.asarray(first, dtype=np.float64), np.asarray(second, dtype=np.float64)
    if a.shape != b.shape or a.ndim != 1:
        raise TechnoiseError(
            f"replicates of shape {a.shape} and {b.shape}: both hold the same bins, shape (n_bins,); mask them jointly"
        )
    if not (np.isfinite(a).all() and np.isfinite(b).all()):
        raise TechnoiseError("a value is not finite: ranks need numbers; mask such bins in all replicates")
    if a.size < 2 or np.ptp(a) == 0 or np.ptp(b) == 0:
        why = "fewer than two bins" if a.size < 2 else "one replicate has the same value in every bin"
        return RankCorrelation(None, a.size, f"{why}, so that ranks cannot agree or disagree")
    return RankCorrelation(float(stats.spearmanr(a, b).statistic), a.size)


def concordance(counts: ArrayLike, mean: ArrayLike, size: ArrayLike | None) -> tuple[Concordance, ...]:
    """Return the agreement of each pair of replicates.

    Parameters
    ----------
    counts, mean
        Counts and mean in reads, shape (n_bins, n_replicates), two or more replicates.
    size
        Of the same shape, or None for Poisson.

    Returns
    -------
    tuple of Concordance
        Spearman's correlation of counts, of Pearson residuals and of quantile residuals (middle of the jump).

    Raises
    ------
    TechnoiseError
        For unequal shapes, fewer than two replicates, what is not a count, or a parameter that is not positive and
        finite.
    """
    y, m, r = distribution.checked(counts, mean, size)
    if y.ndim != 2 or y.shape[1] < 2:
        raise TechnoiseError(
            f"counts of shape {y.shape}: concordance compares two or more columns of (n_bins, n_replicates); "
            "give another replicate"
        )
    residual, quantile = pearson_residuals(y, m, r), quantile_residuals(y, m, r, None)
    return tuple(
        Concordance((i, j), _pair(y, i, j), _pair(residual, i, j), _pair(quantile, i, j))
        for i, j in combinations(range(y.shape[1]), 2)
    )


def _pair(columns: Floats, i: int, j: int) -> RankCorrelation:
    return spearman(columns[:, i], columns[:, j])
