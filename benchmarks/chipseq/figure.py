"""The comparison in one figure: likelihood, calibration and recovered size of each method, one point a seed."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from benchmarks.chipseq.cells import Cell
from benchmarks.chipseq.report import PROPOSED

PANELS = (
    ("nll", "held-out NLL\n(nats per count)"),
    ("pit_ks", "PIT distance\nfrom uniform"),
    ("log_size_bias", "log size minus truth"),
)
# They are off the scale, or state no size: they are in the table.
LEFT_OUT = ("local_lambda", "intercept_only", "tech_poisson")


def draw(cells: Sequence[Cell], path: Path) -> Path | None:
    """Draw the simulations with signal; None where there is none."""
    import matplotlib as mpl

    mpl.use("Agg")
    import matplotlib.pyplot as plt

    cells = [cell for cell in cells if cell.scenario == "signal" and cell.method not in LEFT_OUT]
    if not cells:
        return None
    names = list(dict.fromkeys(cell.method for cell in cells))
    means = {name: np.mean([cell.scores["nll"] for cell in cells if cell.method == name]) for name in names}
    names.sort(key=lambda name: -means[name])
    figure, axes = plt.subplots(1, len(PANELS), figsize=(10, 0.5 + 0.42 * len(names) + 0.6), sharey=True)
    for axis, (metric, label) in zip(axes, PANELS, strict=True):
        for place, name in enumerate(names):
            values = np.asarray([cell.scores[metric] for cell in cells if cell.method == name])
            colour = "C1" if name == PROPOSED else "C0"
            jitter = np.linspace(-0.18, 0.18, len(values))
            axis.scatter(values, place + jitter, s=16, color=colour, alpha=0.65, linewidths=0)
            axis.plot([values.mean()] * 2, [place - 0.32, place + 0.32], color=colour, linewidth=2)
        if metric == "log_size_bias":
            axis.axvline(0.0, color="0.5", linewidth=0.8)
        if metric == "pit_ks":
            axis.set_xlim(left=0.0)
        axis.set_xlabel(label)
        axis.grid(axis="x", alpha=0.3)
    axes[0].set_yticks(range(len(names)), names)
    seeds = len({cell.number for cell in cells})
    figure.suptitle(
        f"Simulations with signal, held-out chromosome, {seeds} seeds (points) and their mean (bars)", fontsize=11
    )
    figure.tight_layout()
    figure.savefig(path, dpi=120)
    plt.close(figure)
    return path
