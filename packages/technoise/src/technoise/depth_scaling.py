"""The plainest correction: the control of a bin, scaled by how much deeper the treatment was sequenced."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from technoise.errors import TechnoiseError
from technoise.glm import maximum_likelihood_size

Counts = NDArray[np.int64]
Values = NDArray[np.float64]


@dataclass(frozen=True)
class DepthScaling:
    """``mean = ratio * (pooled control + pseudocount)`` for each replicate.

    Attributes
    ----------
    ratios
        Treatment reads per pooled control read, shape (n_replicates,).
    pseudocount
        Reads added to the pooled control of every bin, so that a bin without control reads has a positive mean.
    size
        Size of a negative binomial around the mean; None is a Poisson.
    """

    ratios: Values
    pseudocount: float
    size: float | None

    def mean(self, control: Counts) -> Values:
        """Return the expected counts of the treatment, shape (n_bins, n_replicates).

        Parameters
        ----------
        control
            Control reads per bin, shape (n_bins, n_controls).
        """
        return _pooled(control, self.pseudocount)[:, None] * self.ratios[None, :]


def fit_depth_scaling(
    treatment: Counts, control: Counts, *, pseudocount: float = 1.0, overdispersed: bool = True
) -> DepthScaling:
    """Return the scaling of the training bins.

    Parameters
    ----------
    treatment, control
        Reads per bin, shapes (n_bins, n_replicates) and (n_bins, n_controls).
    pseudocount
        Reads added to each bin's pooled control; positive.
    overdispersed
        True fits one size of a negative binomial by maximum likelihood, which is the most that this baseline can be
        given; False is a Poisson, as in a plain ratio of tracks.

    Raises
    ------
    TechnoiseError
        If the rows are not the same bins, there is no read in a replicate, or the pseudocount is not positive.
    """
    if treatment.ndim != 2 or control.ndim != 2 or len(treatment) != len(control):
        raise TechnoiseError(
            f"treatment of shape {treatment.shape} and control of {control.shape}: they are (n_bins, n_replicates) and "
            "(n_bins, n_controls); pass rows of the same bins"
        )
    if not pseudocount > 0:
        raise TechnoiseError(f"pseudocount of {pseudocount}: it is positive, or a bin without control has no mean")
    totals = treatment.sum(axis=0)
    if not totals.all():
        empty = int(np.flatnonzero(totals == 0)[0])
        raise TechnoiseError(f"treatment replicate {empty + 1} has no read in these bins: leave it out")
    pooled = _pooled(control, pseudocount)
    ratios = totals / pooled.sum()
    mean = pooled[:, None] * ratios[None, :]
    return DepthScaling(ratios, pseudocount, maximum_likelihood_size(treatment, mean) if overdispersed else None)


def _pooled(control: Counts, pseudocount: float) -> Values:
    return np.asarray(control.sum(axis=1) + pseudocount, dtype=np.float64)
