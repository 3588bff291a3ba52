"""One look for all figures: searchable text, no global state, and files that are whole or not there."""

from __future__ import annotations

import io
import textwrap
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.colors import to_hex
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine

from greenlight.compare.json_files import write_bytes

WIDTH_IN = 7.2
INK = "#222222"

# Petroff (2021), Accessible color sequences for data visualization, arXiv:2107.02270.
PALETTE = tuple(to_hex(color) for color in mpl.color_sequences["petroff10"])

_STYLE: dict[Any, Any] = {
    # TrueType and not Type 3: journals refuse the latter, and text stays text.
    "pdf.fonttype": 42,
    "font.family": "DejaVu Sans",
    "font.size": 9.0,
    "axes.titlesize": 9.5,
    "axes.titlelocation": "left",
    "axes.labelsize": 9.0,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.edgecolor": INK,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": "#e3e3e3",
    "grid.linewidth": 0.6,
    "xtick.labelsize": 8.0,
    "ytick.labelsize": 8.0,
    "legend.fontsize": 8.0,
    "legend.frameon": False,
    "lines.linewidth": 1.6,
    "text.color": INK,
    "axes.labelcolor": INK,
    "xtick.color": INK,
    "ytick.color": INK,
    "text.usetex": False,
}


@dataclass(frozen=True)
class Drawn:
    """The figures that were drawn, and the reason for each that was not.

    Attributes
    ----------
    paths
        The files, in the order of drawing.
    skipped
        Reasons by topic; a topic of which a part was left out also has a path.
    """

    paths: tuple[Path, ...] = ()
    skipped: Mapping[str, str] = field(default_factory=dict)


def joined(parts: Iterable[Drawn]) -> Drawn:
    """Return several results as one."""
    paths: list[Path] = []
    skipped: dict[str, str] = {}
    for part in parts:
        paths += part.paths
        skipped |= part.skipped
    return Drawn(tuple(paths), skipped)


@contextmanager
def styled() -> Iterator[None]:
    """Draw with this look inside of the block, and leave matplotlib's settings as they were."""
    with mpl.rc_context(_STYLE):
        yield


def blank(height_in: float, title: str) -> Figure:
    """Return an empty figure with a title and constrained layout; `height_in` in inches, without the title."""
    lines = textwrap.wrap(title, 70, break_long_words=True)
    layout = ConstrainedLayoutEngine(w_pad=0.06, h_pad=0.06, hspace=0.04, wspace=0.04)
    figure = Figure(figsize=(WIDTH_IN, height_in + 0.2 * len(lines)), layout=layout)
    figure.suptitle("\n".join(lines), x=0.012, ha="left", fontsize=10.5, fontweight="bold")
    return figure


def save(figure: Figure, folder: Path, name: str) -> Path:
    """Write a figure as ``{name}.pdf`` and return the path; the same data gives the same bytes.

    Raises
    ------
    GreenlightError
        If the folder cannot be written to.
    """
    content = io.BytesIO()
    figure.savefig(content, format="pdf", metadata={"CreationDate": None, "ModDate": None})
    return write_bytes(Path(folder) / f"{name}.pdf", content.getvalue())


def mark_budget(axes: Axes, at: float, label: str) -> None:
    """Draw the end of the budget as a vertical line with an entry for the legend."""
    axes.axvline(at, color=INK, linewidth=1.0, linestyle=(0, (1, 1.5)), label=label, zorder=1.5)
