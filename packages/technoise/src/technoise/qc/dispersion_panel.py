"""The variance of counts around their predicted mean, against what the model says it is."""

from __future__ import annotations

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import LogLocator, NullFormatter
from numpy.typing import NDArray

from technoise.qc.canvas import BLUE, INK, ORANGE

Values = NDArray[np.float64]

GROUPS = 20


def mean_dispersion(axes: Axes, counts: NDArray[np.int64], mean: Values, variance: Values) -> None:
    """Draw observed and predicted variance in groups of bins of like predicted mean, on logarithmic axes.

    Parameters
    ----------
    axes
        Where to draw.
    counts, mean
        Reads and their expectation, shape (n,).
    variance
        What the model says it is in each bin, reads², same shape.
    """
    groups = np.array_split(np.argsort(mean, kind="stable"), min(GROUPS, len(mean)))
    centre = np.array([mean[rows].mean() for rows in groups])
    observed = np.array([np.square(counts[rows] - mean[rows]).mean() for rows in groups])
    predicted = np.array([variance[rows].mean() for rows in groups])
    seen = observed > 0
    axes.loglog(centre[seen], observed[seen], color=BLUE, marker="o", markersize=4, linestyle="", label="observed")
    axes.loglog(centre, predicted, color=ORANGE, linewidth=1.4, label="predicted")
    axes.loglog(centre, centre, color=INK, linewidth=0.8, linestyle=":", label="Poisson")
    axes.set(xlabel="predicted mean (reads per bin)", ylabel="variance (reads²)", title="Mean and dispersion")
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0)))
        axis.set_major_formatter("{x:g}")
        axis.set_minor_formatter(NullFormatter())
    axes.legend(loc="upper left")
