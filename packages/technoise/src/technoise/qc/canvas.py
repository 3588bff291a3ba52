"""One look for all quality-control figures, with searchable text, and files that are whole or not there."""

from __future__ import annotations

import io
import os
import textwrap
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import matplotlib as mpl
from matplotlib.figure import Figure

from technoise.errors import TechnoiseError

INK = "#222222"
BLUE, ORANGE, GREY = "#3f90da", "#bd1f01", "#94a4a2"

_STYLE: dict[Any, Any] = {
    # TrueType and not Type 3: journals refuse the latter, and text stays text.
    "pdf.fonttype": 42,
    "font.family": "DejaVu Sans",
    "font.size": 8.5,
    "axes.titlesize": 9.5,
    "axes.titlelocation": "left",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.edgecolor": INK,
    "axes.axisbelow": True,
    "axes.grid": True,
    "grid.color": "#e3e3e3",
    "grid.linewidth": 0.6,
    "legend.fontsize": 7.5,
    "legend.frameon": False,
    "text.color": INK,
    "axes.labelcolor": INK,
    "xtick.color": INK,
    "ytick.color": INK,
    "text.usetex": False,
}


@contextmanager
def styled() -> Iterator[None]:
    """Draw with this look inside of the block, and leave matplotlib's settings as they were."""
    with mpl.rc_context(_STYLE):
        yield


def blank(width_in: float, height_in: float, title: str) -> Figure:
    """Return an empty figure with a title; sizes in inches."""
    lines = textwrap.wrap(title, max(20, int(width_in * 11)), break_long_words=True)
    figure = Figure(figsize=(width_in, height_in + 0.2 * len(lines)), layout="constrained")
    figure.suptitle("\n".join(lines), x=0.012, ha="left", fontsize=10.5, fontweight="bold")
    return figure


def save(figure: Figure, path: Path) -> Path:
    """Write a figure as PDF and return its path; the same data gives the same bytes.

    Raises
    ------
    TechnoiseError
        If the file cannot be written.
    """
    content = io.BytesIO()
    figure.savefig(content, format="pdf", metadata={"CreationDate": None, "ModDate": None})
    partial = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            partial.write_bytes(content.getvalue())
            partial.replace(path)
        finally:
            partial.unlink(missing_ok=True)
    except OSError as error:
        raise TechnoiseError(f"{path}: cannot be written ({error.strerror}); name another folder") from error
    return path
