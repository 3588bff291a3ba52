"""The quality-control page of one model: six panels on held-out bins."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from technoise import distribution
from technoise.calibration import calibration_table, ks_uniform
from technoise.qc.calibration_panels import coverage_curve, pit_histogram
from technoise.qc.canvas import blank, save, styled
from technoise.qc.dispersion_panel import mean_dispersion
from technoise.qc.metrics import pit_of
from technoise.qc.replicate_panels import concordance_panel, read_coverage
from technoise.qc.signal_part import SignalPart
from technoise.residuals import quantile_residuals

Values = NDArray[np.float64]


def draw_page(
    path: Path,
    counts: NDArray[np.int64],
    mean: Values,
    size: Values | None,
    *,
    replicates: Sequence[str],
    title: str,
    seed: int,
    signal: SignalPart | None = None,
) -> Path:
    """Draw calibration, randomised PIT, concordance before and after, coverage and dispersion; return the file.

    Parameters
    ----------
    path
        The PDF file to write.
    counts, mean
        Reads of held-out bins and their expectation, shape (n_bins, n_replicates).
    size
        Of the negative binomial, same shape; None is a Poisson.
    replicates
        Names of the replicates; the first two are drawn against each other.
    title
        Above the page.
    seed
        Of the randomised PIT; that of the metrics gives the same values.
    signal
        Of a mixture: PIT, calibration and dispersion are those of both parts, residuals those of the technical part
        alone; the page says so.

    Raises
    ------
    TechnoiseError
        If the shapes differ, a mean or size is not positive and finite, or the file cannot be written.
    """
    pit = pit_of(counts, mean, size, signal, seed)
    expected, variance = mean, distribution.variance(mean, size)
    if signal is not None and size is not None:
        expected, variance = signal.expected(mean), signal.variance(mean, size)
        title += "; PIT, calibration and dispersion under technical noise and signal, residuals under noise alone"
    with styled():
        figure = blank(10.5, 6.6, title)
        grid = figure.subplots(2, 3)
        pit_histogram(grid[0, 0], pit, ks_uniform(pit))
        coverage_curve(grid[0, 1], calibration_table(pit))
        mean_dispersion(grid[0, 2], counts.ravel(), expected.ravel(), variance.ravel())
        read_coverage(grid[1, 0], counts, replicates)
        if counts.shape[1] > 1:
            before = np.log1p(counts.astype(np.float64))
            after = quantile_residuals(counts, mean, size, None)
            concordance_panel(grid[1, 1], before[:, 0], before[:, 1], what="log(1 + reads)")
            concordance_panel(grid[1, 2], after[:, 0], after[:, 1], what="quantile residual")
        else:
            for axes in grid[1, 1:]:
                axes.set_axis_off()
                axes.text(0.5, 0.5, "one replicate: nothing to compare", ha="center", transform=axes.transAxes)
        return save(figure, path)
