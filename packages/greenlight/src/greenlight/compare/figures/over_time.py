"""All runs of a comparison over the same clock: development score, loss and learning rate, with the budget marked."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from greenlight.compare.budget import budget_label
from greenlight.compare.columns import Columns
from greenlight.compare.figures.canvas import Drawn, blank, mark_budget, save
from greenlight.compare.figures.curves import Curve, curve, time_axis, time_unit
from greenlight.compare.figures.labels import EndLabel, label_ends, legend_under, looks, titled
from greenlight.compare.records import RunRecord, budget_of

_MARKERS_UP_TO = 40


def score_over_time(records: Sequence[RunRecord], folder: Path, columns: Columns) -> Drawn:
    """Draw the development score of all runs over elapsed time."""
    scale, unit = (100.0, " (%)") if columns.score_is_proportion else (1.0, "")
    ending = "{:.1f} %" if columns.score_is_proportion else "{:.3g}"
    topic = f"{columns.dev_score}_over_time"
    label = f"development {columns.score}{unit}"
    title = f"Development {columns.score} over time"
    return _overlay(records, folder, columns, columns.dev_score, topic, title, label, scale=scale, ending=ending)


def loss_over_time(records: Sequence[RunRecord], folder: Path, columns: Columns) -> Drawn:
    """Draw the training loss of all runs over elapsed time, as running medians where there are many rows."""
    return _overlay(
        records, folder, columns, columns.loss, "loss_over_time", "Loss over time", columns.loss_label, smooth=True
    )


def learning_rate_over_time(records: Sequence[RunRecord], folder: Path, columns: Columns) -> Drawn:
    """Draw the learning rate of all runs over elapsed time."""
    return _overlay(
        records,
        folder,
        columns,
        columns.learning_rate,
        "learning_rate_over_time",
        "Learning rate over time",
        "learning rate",
        log_if_wide=True,
    )


def _overlay(
    records: Sequence[RunRecord],
    folder: Path,
    columns: Columns,
    column: str,
    topic: str,
    title: str,
    label: str,
    *,
    scale: float = 1.0,
    ending: str = "{:.3g}",
    smooth: bool = False,
    log_if_wide: bool = False,
) -> Drawn:
    topic = f"comparison_{topic}"
    found = {record.run_id: curve(record, column, columns) for record in records}
    skipped = [reason for reason in found.values() if isinstance(reason, str)]
    shown = {run_id: points for run_id, points in found.items() if isinstance(points, Curve)}
    if not shown:
        return Drawn((), {topic: "; ".join(skipped)})
    look = looks([record.run_id for record in records])
    budgets = [budget_s for record in records if (budget_s := budget_of(record, columns)) is not None]
    longest_s = max([float(points.seconds[-1]) for points in shown.values()] + budgets)
    unit = time_unit(longest_s)
    height = max(3.2, 0.42 * len(shown))
    figure = blank(height, titled(title, list(found)))
    axes = figure.subplots()
    labels = []
    windows = set()
    for run_id, points in shown.items():
        times, values, style = points.seconds / unit.seconds, points.values * scale, look[run_id]
        smoothed = points.smoothed() if smooth else None
        if smoothed is not None:
            values = smoothed[0] * scale
            windows.add(smoothed[1])
        few = len(values) <= _MARKERS_UP_TO
        marker = style.marker if few else ""
        axes.plot(times, values, color=style.color, linestyle=style.line, marker=marker, markersize=3.5)
        text = f"{style.label}: {ending.format(float(values[-1]))}"
        labels.append(EndLabel(float(times[-1]), float(values[-1]), text, style))
    everything = np.concatenate([points.values for points in shown.values()])
    if log_if_wide and everything.min() > 0 and everything.max() / everything.min() >= 50:
        axes.set_yscale("log")
    time_axis(axes, unit, longest_s)
    axes.set_ylabel(label + (f"\nrunning median of {_span(windows)} rows" if windows else ""))
    if budgets:
        mark_budget(axes, budgets[0] / unit.seconds, f"budget ({budget_label(budgets[0])})")
    label_ends(axes, labels, 0.75 * height)
    legend_under(figure, [axes])
    return Drawn((save(figure, folder, topic),), {topic: "; ".join(skipped)} if skipped else {})


def _span(windows: set[int]) -> str:
    low, high = min(windows), max(windows)
    return str(low) if low == high else f"{low} to {high}"
