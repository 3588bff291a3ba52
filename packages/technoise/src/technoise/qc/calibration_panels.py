"""Whether the predicted distribution is the observed one: a histogram of randomised PIT values, and coverage."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from numpy.typing import NDArray
from scipy.stats import binom

from technoise.calibration import CoverageRow, UniformDistance
from technoise.qc.canvas import BLUE, GREY, INK, ORANGE

CELLS = 20
BAND = 0.99


def pit_histogram(axes: Axes, pit: NDArray[np.float64], distance: UniformDistance) -> None:
    """Draw randomised PIT values; flat means calibrated, a hump too wide, a valley too narrow a distribution.

    Parameters
    ----------
    axes
        Where to draw.
    pit
        Randomised PIT values, shape (n,).
    distance
        Their distance from uniform, for the title.
    """
    counts, edges = np.histogram(pit, bins=CELLS, range=(0.0, 1.0))
    expected = len(pit) / CELLS
    low, high = (binom.ppf(level, len(pit), 1 / CELLS) / expected for level in ((1 - BAND) / 2, (1 + BAND) / 2))
    axes.axhspan(low, high, color=GREY, alpha=0.35, linewidth=0, label=f"{BAND:.0%} of flat histograms, per cell")
    axes.stairs(counts / expected, edges, fill=True, color=BLUE, alpha=0.75, label="held-out counts")
    axes.axhline(1.0, color=INK, linewidth=0.8)
    # Room for the legend above the highest cell.
    axes.set(
        xlim=(0, 1),
        ylim=(0, 1.35 * max(high, (counts / expected).max())),
        xlabel="randomised PIT",
        ylabel="density",
        title=f"PIT: KS {distance.statistic:.3f}",
    )
    axes.legend(loc="upper right")


def coverage_curve(axes: Axes, rows: Sequence[CoverageRow]) -> None:
    """Draw how often central intervals held the count against how often they promised to.

    Parameters
    ----------
    axes
        Where to draw.
    rows
        Of :func:`technoise.calibration.calibration_table`.
    """
    nominal = [row.nominal for row in rows]
    observed = [row.observed for row in rows]
    reach = [[row.observed - row.low for row in rows], [row.high - row.observed for row in rows]]
    axes.plot([0, 1], [0, 1], color=INK, linewidth=0.8, label="calibrated")
    axes.errorbar(
        nominal, observed, yerr=reach, color=ORANGE, marker="o", markersize=3.5, linewidth=1.2, label="95 % Wilson"
    )
    for index, row in enumerate(rows):
        # To either side in turn: the high levels lie close together.
        place, side = ((-5, 4), "right") if index % 2 == 0 else ((5, -10), "left")
        text = f"{row.observed:.1%}"
        axes.annotate(text, (row.nominal, row.observed), xytext=place, textcoords="offset points", ha=side)
    lowest = min(0.4, *nominal, *observed)
    axes.set(xlim=(lowest, 1.08), ylim=(lowest, 1.04))
    axes.set(xlabel="nominal coverage of the central interval", ylabel="observed", title="Calibration")
    axes.legend(loc="lower right")
