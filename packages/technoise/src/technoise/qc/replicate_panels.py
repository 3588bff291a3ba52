"""How replicates agree before and after correction, and how the genome is covered by each of them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from numpy.typing import NDArray

from technoise.concordance import spearman
from technoise.qc.canvas import BLUE, ORANGE

_COLOURS = (BLUE, ORANGE, "#94a4a2", "#832db6", "#a96b59", "#e76300")
_LINES = ("-", "--", "-.", ":")


def concordance_panel(axes: Axes, first: NDArray[np.float64], second: NDArray[np.float64], *, what: str) -> None:
    """Draw one value of each bin in two replicates as a density of hexagons, with Spearman's correlation.

    Parameters
    ----------
    axes
        Where to draw.
    first, second
        The value in the two replicates, shape (n_bins,).
    what
        The value's name with its unit.
    """
    found = spearman(first, second)
    shown = f"Spearman {found.estimate:.3f}" if found.estimate is not None else str(found.missing)
    axes.hexbin(first, second, gridsize=45, bins="log", cmap="Blues", mincnt=1, linewidths=0)
    axes.set(xlabel=f"{what}, replicate 1", ylabel="replicate 2", title=f"Replicates, {what}:\n{shown}")


def read_coverage(axes: Axes, counts: NDArray[np.int64], names: Sequence[str]) -> None:
    """Draw the share of bins that have at least so many reads, one line a replicate.

    Parameters
    ----------
    axes
        Where to draw.
    counts
        Reads, shape (n_bins, n_replicates).
    names
        Of the replicates.
    """
    for index, name in enumerate(names):
        reads = np.sort(counts[:, index])
        share = 1.0 - np.arange(len(reads)) / len(reads)
        label = f"{name}: mean {reads.mean():.2f}, {np.mean(reads > 0):.1%} covered"
        color, line = _COLOURS[index % len(_COLOURS)], _LINES[index % len(_LINES)]
        axes.step(reads, share, where="pre", linewidth=1.3, label=label, color=color, linestyle=line)
    axes.set_xscale("symlog", linthresh=1)
    # Room for the legend above the curves, which cross every other corner.
    room = 1.05 + 0.12 * len(names)
    axes.set(xlabel="reads per bin", ylabel="share of bins with as many or more", title="Coverage", ylim=(0, room))
    axes.set_yticks([0.0, 0.25, 0.5, 0.75, 1.0])
    axes.legend(loc="upper right")
