"""The local Poisson rate of peak callers: the largest of a genome-wide rate and of rates in windows around a bin.

Source: Zhang et al. (2008), Model-based analysis of ChIP-Seq (MACS), Genome Biology 9, R137. There the windows are
centred on a peak and the rate is that of a fragment; here they are centred on a bin and the rate is that of a bin.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from technoise.bins import Bins
from technoise.covariates import window_means
from technoise.errors import TechnoiseError
from technoise.glm import maximum_likelihood_size

Counts = NDArray[np.int64]
Values = NDArray[np.float64]

WINDOWS_BP = (1_000, 10_000)


@dataclass(frozen=True)
class LocalLambda:
    """``mean = ratio * max(background, control of the bin, control per bin in each window)`` for each replicate.

    Attributes
    ----------
    ratios
        Treatment reads per pooled control read, shape (n_replicates,).
    background
        Pooled control reads per bin over all training bins: the floor of the rate.
    windows_bp
        Widths of the windows in base pairs.
    size
        Size of a negative binomial around the mean; None is the Poisson of peak callers.
    """

    ratios: Values
    background: float
    windows_bp: tuple[int, ...]
    size: float | None

    def mean(self, control: Counts, bins: Bins) -> Values:
        """Return the expected counts of the treatment, shape (n_bins, n_replicates).

        Parameters
        ----------
        control
            Control reads per bin, shape (n_bins, n_controls), of whole chromosomes: a window does not reach beyond
            the bins that are given.
        bins
            The same bins.
        """
        return self._rate(control, bins)[:, None] * self.ratios[None, :]

    def _rate(self, control: Counts, bins: Bins) -> Values:
        return np.maximum(self.background, local_rate(_pooled(control, bins), bins, self.windows_bp))


def fit_local_lambda(
    treatment: Counts,
    control: Counts,
    bins: Bins,
    *,
    windows_bp: Sequence[int] = WINDOWS_BP,
    overdispersed: bool = False,
) -> LocalLambda:
    """Return the local rate with depths and background of the training bins.

    Parameters
    ----------
    treatment, control
        Reads per bin, shapes (n_bins, n_replicates) and (n_bins, n_controls).
    bins
        The same bins.
    windows_bp
        Widths of the windows in base pairs, each at least a bin; 1,000 and 10,000 are those of the peak caller.
    overdispersed
        True fits one size of a negative binomial around the rate; False is the Poisson of the method.

    Raises
    ------
    TechnoiseError
        If shapes do not belong together, a window is narrower than a bin, or a sample has no read.
    """
    pooled = _pooled(control, bins)
    if treatment.ndim != 2 or len(treatment) != len(bins):
        raise TechnoiseError(f"treatment of shape {treatment.shape} for {len(bins)} bins: pass (n_bins, n_replicates)")
    if not windows_bp or min(windows_bp) < bins.width_bp:
        raise TechnoiseError(
            f"windows of {list(windows_bp)} bp around bins of {bins.width_bp} bp: a window holds at least one bin; "
            "choose wider windows or narrower bins"
        )
    totals, background = treatment.sum(axis=0), float(pooled.mean())
    if background == 0 or not totals.all():
        raise TechnoiseError("a sample without a read in these bins: a rate needs reads in each; leave it out")
    unscaled = LocalLambda(totals / pooled.sum(), background, tuple(windows_bp), None)
    if not overdispersed:
        return unscaled
    size = maximum_likelihood_size(treatment, unscaled.mean(control, bins))
    return LocalLambda(unscaled.ratios, background, unscaled.windows_bp, size)


def local_rate(reads: Counts, bins: Bins, windows_bp: Sequence[int]) -> Values:
    """Return the largest of a bin's own reads and its mean reads per bin in each window, shape (n_bins,).

    Parameters
    ----------
    reads
        Reads per bin, shape (n_bins,).
    bins
        The same bins; at the ends of a chromosome and beside gaps a window holds fewer of them.
    windows_bp
        Widths in base pairs; a window holds the odd number of bins nearest to its width over the bins' width.
    """
    rate = reads.astype(np.float64)
    for width_bp in windows_bp:
        width_bins = 2 * round((width_bp / bins.width_bp - 1) / 2) + 1
        rate = np.maximum(rate, window_means(reads, bins, width_bins))
    return rate


def _pooled(control: Counts, bins: Bins) -> Counts:
    if control.ndim != 2 or len(control) != len(bins) or control.shape[1] == 0:
        raise TechnoiseError(
            f"control of shape {control.shape} for {len(bins)} bins: pass (n_bins, n_controls) with a control"
        )
    return np.asarray(control.sum(axis=1), dtype=np.int64)
