"""Differences of several models to one reference, each with its interval."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from technoise.qc.blocks import BlockDifference
from technoise.qc.canvas import BLUE, INK, blank, save, styled


def draw_differences(
    path: Path, rows: Sequence[tuple[str, BlockDifference, str]], *, reference: str, title: str
) -> Path:
    """Draw one line a model, left of zero where it is better than the reference; return the file.

    Parameters
    ----------
    path
        The PDF file to write.
    rows
        Name of each model, its difference to the reference, and what is said about its test; at least one.
    reference
        Name of the reference.
    title
        Above the figure.
    """
    with styled():
        figure = blank(8.0, 1.1 + 0.42 * len(rows), title)
        axes = figure.subplots()
        axes.axvline(0, color=INK, linewidth=1.0)
        for row, (_, found, said) in enumerate(rows):
            axes.plot([found.low, found.high], [row, row], color=BLUE, linewidth=1.6, marker="|", markersize=7)
            axes.plot(found.estimate, row, color=BLUE, marker="o", markersize=5)
            text = f"{found.estimate:+.4f}  [{found.low:+.4f}, {found.high:+.4f}]\n{said}"
            axes.annotate(text, (1.02, row), xycoords=("axes fraction", "data"), va="center", annotation_clip=False)
        axes.set_yticks(range(len(rows)), [name for name, _, _ in rows])
        axes.set_ylim(len(rows) - 0.4, -0.6)
        axes.grid(visible=False, axis="y")
        axes.set_xlabel(
            f"held-out NLL less that of {reference} (nats per bin), 95 % bootstrap over blocks;\nleft of 0 is better"
        )
        return save(figure, path)
