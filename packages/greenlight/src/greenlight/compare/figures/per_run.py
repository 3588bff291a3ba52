"""The figures of one run: its learning curve, what set its learning rate, and what it did with its time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd
from matplotlib.axes import Axes

from greenlight.compare.budget import budget_label
from greenlight.compare.columns import DEFAULT, Columns
from greenlight.compare.figures.canvas import PALETTE, Drawn, blank, joined, mark_budget, save, styled
from greenlight.compare.figures.curves import Curve, TimeUnit, curve, time_axis, time_unit
from greenlight.compare.figures.labels import legend_under
from greenlight.compare.records import RunRecord, budget_of

_MOST_INTERNALS = 8
# Few points are evaluations, each worth a marker; many are steps.
_MARKERS_UP_TO = 40
_BLUE, _ORANGE, _RED = PALETTE[0], PALETTE[6], PALETTE[2]


@dataclass(frozen=True)
class _Panel:
    """One column of the history over time.

    `ending` formats the last value, which is multiplied by `scale` as all are; `rate` adds the average per second.
    """

    column: str
    label: str
    color: str
    scale: float = 1.0
    ending: str = "{:.3g}"
    smooth: bool = False
    log_if_wide: bool = False
    rate: bool = False


def draw_run(record: RunRecord, folder: Path, columns: Columns = DEFAULT) -> Drawn:
    """Draw a run's ``{run_id}_learning_curve.pdf``, ``{run_id}_learning_rate.pdf`` and ``{run_id}_clock.pdf``.

    Parameters
    ----------
    record
        The run.
    folder
        Where the files go; made where it is missing.
    columns
        Which columns of the history hold what.

    Raises
    ------
    GreenlightError
        If the folder cannot be written to.
    """
    with styled():
        return joined(draw(record, Path(folder), columns) for draw in (_learning_curve, _learning_rate, _clock))


def _learning_curve(record: RunRecord, folder: Path, columns: Columns) -> Drawn:
    scale, unit, ending = (100.0, " (%)", "{:.1f} %") if columns.score_is_proportion else (1.0, "", "{:.3g}")
    panels = [
        _Panel(columns.loss, _in_two_lines(columns.loss_label), _BLUE, smooth=True),
        _Panel(columns.dev_score, f"development\n{columns.score}{unit}", _ORANGE, scale, ending),
    ]
    return _stacked(record, folder, "learning_curve", "learning curve", panels, columns)


def _learning_rate(record: RunRecord, folder: Path, columns: Columns) -> Drawn:
    internals = [str(name) for name in record.history.columns if str(name).startswith(columns.planner_prefix)]
    # A counter that never moved says so in the reasons; a panel for it would only push out one that did.
    values = {name: pd.to_numeric(record.history[name], errors="coerce").nunique() for name in internals}
    numeric = [name for name in internals if values[name] > 1]
    constant = [name for name in internals if values[name] == 1]
    panels = [
        _Panel(columns.learning_rate, "learning rate", _BLUE, log_if_wide=True),
        *(
            _Panel(name, _in_two_lines(name.removeprefix(columns.planner_prefix)), _RED, log_if_wide=True)
            for name in numeric[:_MOST_INTERNALS]
        ),
    ]
    title = "learning rate" + (" and the planner's internals" if numeric else "")
    drawn = _stacked(record, folder, "learning_rate", title, panels, columns)
    reasons = {}
    if rest := numeric[_MOST_INTERNALS:]:
        reasons["internals"] = f"{_MOST_INTERNALS} planner internals fit into one figure; not drawn: {', '.join(rest)}"
    if constant:
        reasons["constants"] = f"these never changed: {', '.join(constant)}"
    if not drawn.paths:
        return drawn
    return Drawn(
        drawn.paths, {**drawn.skipped, **{f"{record.run_id}_learning_rate {key}": why for key, why in reasons.items()}}
    )


def _clock(record: RunRecord, folder: Path, columns: Columns) -> Drawn:
    panels = [
        _Panel(columns.step, "optimizer steps", _BLUE, ending="{:,.0f}", rate=True),
        _Panel(columns.tokens, "tokens seen", _ORANGE, ending="{:,.0f}", rate=True),
    ]
    return _stacked(record, folder, "clock", "steps and tokens against the clock", panels, columns)


def _stacked(
    record: RunRecord, folder: Path, topic: str, title: str, panels: Sequence[_Panel], columns: Columns
) -> Drawn:
    """Draw panels over a shared time axis; those without data are left out and reported."""
    shown: list[tuple[_Panel, Curve]] = []
    skipped: dict[str, str] = {}
    for panel in panels:
        points = curve(record, panel.column, columns)
        if isinstance(points, Curve):
            shown.append((panel, points))
        else:
            skipped[f"{record.run_id}_{topic} {panel.column}"] = points
    if not shown:
        return Drawn((), {f"{record.run_id}_{topic}": "; ".join(skipped.values())})
    budget_s = budget_of(record, columns)
    longest_s = max([float(points.seconds[-1]) for _, points in shown] + ([] if budget_s is None else [budget_s]))
    unit = time_unit(longest_s)
    figure = blank(0.8 + 1.5 * len(shown) if len(shown) > 1 else 2.8, f"{record.run_id}: {title}")
    grid = figure.subplots(len(shown), 1, sharex=True, squeeze=False)[:, 0]
    for axes, (panel, points) in zip(grid, shown, strict=True):
        _draw(axes, panel, points, unit)
        if budget_s is not None:
            mark_budget(axes, budget_s / unit.seconds, f"budget ({budget_label(budget_s)})")
    time_axis(grid[-1], unit, longest_s)
    figure.align_ylabels(list(grid))
    legend_under(figure, list(grid))
    return Drawn((save(figure, folder, f"{record.run_id}_{topic}"),), skipped)


def _draw(axes: Axes, panel: _Panel, points: Curve, unit: TimeUnit) -> None:
    times, values = points.seconds / unit.seconds, points.values * panel.scale
    smooth = points.smoothed() if panel.smooth else None
    if smooth is None:
        marker = "o" if len(values) <= _MARKERS_UP_TO else ""
        axes.plot(times, values, color=panel.color, marker=marker, markersize=3.5)
        last = float(values[-1])
    else:
        median, window = smooth
        axes.plot(times, values, color=panel.color, linewidth=0.6, alpha=0.45, label="every logged row")
        axes.plot(times, median * panel.scale, color=panel.color, label=f"running median of {window} rows")
        last = float(median[-1] * panel.scale)
    if panel.log_if_wide and points.spans_decades:
        axes.set_yscale("log")
    axes.set_ylabel(panel.label)
    text = panel.ending.format(last)
    if panel.rate and points.seconds[-1] > 0:
        text += f"\n({last / points.seconds[-1]:,.3g} per s)"
    axes.annotate(
        text,
        (times[-1], last),
        xytext=(5, 0),
        textcoords="offset points",
        va="center",
        fontsize=8,
        annotation_clip=False,
    )


def _in_two_lines(label: str) -> str:
    """Return a label with its unit, or else the second half of its words, on a second line."""
    if " (" in label:
        return label.replace(" (", "\n(", 1)
    words = label.replace("_", " ").replace("/", " / ").split()
    middle = (len(words) + 1) // 2
    return (
        label if len(label) <= 16 or middle == len(words) else f"{' '.join(words[:middle])}\n{' '.join(words[middle:])}"
    )
