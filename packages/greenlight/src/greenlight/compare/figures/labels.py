"""Which colour, line and short name a run has in a figure, and where names go so that they do not overlap."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from dataclasses import dataclass

from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from greenlight.compare.figures.canvas import INK, PALETTE
from greenlight.compare.records import short_names

_LINES = ("-", (0, (5, 1.5)), (0, (1.5, 1.2)), (0, (6, 1.5, 1.5, 1.5)))
_MARKERS = ("o", "s", "^", "D", "v", "P", "X")
_LABEL_SIZE = 8.0


@dataclass(frozen=True)
class Look:
    """How one run is drawn; colour alone never tells two runs apart."""

    label: str
    color: str
    line: str | tuple[float, tuple[float, ...]]
    marker: str


@dataclass(frozen=True)
class EndLabel:
    """A name for the last point of a curve, in data coordinates."""

    x: float
    y: float
    text: str
    look: Look


def looks(run_ids: Sequence[str]) -> dict[str, Look]:
    """Return a distinct look for every run; colours are chosen for colour-vision deficiencies."""
    names, _ = short_names(run_ids)
    return {
        run_id: Look(
            label=wrapped(names[run_id]),
            color=PALETTE[index % len(PALETTE)],
            line=_LINES[index % len(_LINES)],
            marker=_MARKERS[index % len(_MARKERS)],
        )
        for index, run_id in enumerate(run_ids)
    }


def titled(text: str, run_ids: Sequence[str]) -> str:
    """Return a title that says what the short names leave out."""
    _, ending = short_names(run_ids)
    return f"{text} (run ids end in {ending})" if ending else text


def wrapped(name: str, width: int = 26) -> str:
    """Return a name in lines of at most `width` characters, broken at hyphens where it has them."""
    return "\n".join(textwrap.wrap(name, width, break_on_hyphens=True, break_long_words=True))


def label_ends(axes: Axes, labels: Sequence[EndLabel], height_in: float) -> None:
    """Write names right of the axes, each beside the end of its curve, none over another.

    Parameters
    ----------
    axes
        Axes whose limits and scales are final.
    labels
        Names and the points they belong to.
    height_in
        About how high the axes will be, in inches.
    """
    line_height = 1.3 * _LABEL_SIZE / 72 / height_in
    to_fraction = axes.transScale + axes.transLimits
    wanted = sorted(((float(to_fraction.transform((item.x, item.y))[1]), item) for item in labels), key=lambda p: p[0])
    sizes = [line_height * (item.text.count("\n") + 1) for _, item in wanted]
    places = spread([height for height, _ in wanted], sizes)
    for place, (_, item) in zip(places, wanted, strict=True):
        axes.annotate(
            item.text,
            xy=(item.x, item.y),
            xycoords="data",
            xytext=(1.03, place),
            textcoords="axes fraction",
            fontsize=_LABEL_SIZE,
            color=INK,
            va="center",
            linespacing=1.05,
            arrowprops={
                "arrowstyle": "-",
                "color": item.look.color,
                "linewidth": 0.9,
                "linestyle": item.look.line,
                "shrinkA": 1,
                "shrinkB": 1,
                "relpos": (0, 0.5),
            },
            annotation_clip=False,
        )


def spread(centers: Sequence[float], sizes: Sequence[float]) -> list[float]:
    """Return centres in ascending order, moved as needed so that boxes of these sizes do not overlap.

    Boxes stay within [0, 1] as long as there is room for all of them.
    """
    places = list(centers)
    lower = 0.0
    for index, size in enumerate(sizes):
        places[index] = max(places[index], lower + size / 2)
        lower = places[index] + size / 2
    upper = max(1.0, sum(sizes))
    for index in reversed(range(len(places))):
        places[index] = min(places[index], upper - sizes[index] / 2)
        upper = places[index] - sizes[index] / 2
    return places


def legend_under(figure: Figure, axes: Sequence[Axes], columns: int = 4) -> None:
    """Put one legend for all axes under the figure, where it covers no data; what is said twice is shown once."""
    entries: dict[str, Artist] = {}
    for each in axes:
        for handle, name in zip(*each.get_legend_handles_labels(), strict=True):
            entries.setdefault(name, handle)
    if entries:
        figure.legend(list(entries.values()), list(entries), loc="outside lower left", ncols=columns)
