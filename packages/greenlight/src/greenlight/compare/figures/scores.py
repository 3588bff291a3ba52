"""The primary metric of all runs side by side: one bar a run, and one box a method where seeds were repeated."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from matplotlib.patches import Patch

from greenlight.compare.aggregate import Aggregate
from greenlight.compare.columns import Columns
from greenlight.compare.figures.canvas import PALETTE, Drawn, blank, save
from greenlight.compare.figures.labels import looks, titled, wrapped
from greenlight.compare.records import Role, RunRecord, role
from greenlight.compare.significance import Significance

LEAST_FOR_A_BOX = 3
# Hatches carry the role where colours cannot be told apart.
_ROLES: dict[Role, tuple[str, str]] = {
    "proposed": (PALETTE[0], ""),
    "baseline": (PALETTE[1], "///"),
    "other": (PALETTE[3], "..."),
}


def bar_chart(
    records: Sequence[RunRecord], totals: Aggregate, significance: Significance, folder: Path, columns: Columns
) -> Drawn:
    """Draw the primary metric of every run as a bar with its 95 % interval and its value."""
    topic = f"comparison_{columns.primary}_bar_chart"
    values = totals.metrics[columns.primary]
    if all(value is None for value in values.values()):
        return Drawn((), {topic: f"no run has a value of {columns.primary}"})
    scale, unit = (100.0, " (%)") if columns.score_is_proportion else (1.0, "")
    run_ids = [record.run_id for record in records]
    look = looks(run_ids)
    figure = blank(0.9 + 0.42 * len(run_ids), titled(totals.primary_metric.rstrip("."), run_ids))
    axes = figure.subplots()
    skipped = []
    longest = max(0.0, *(scale * value for value in values.values() if value is not None))
    for row, run_id in enumerate(run_ids):
        value = values[run_id]
        if value is None:
            axes.annotate("no value", (0, row), xytext=(4, 0), textcoords="offset points", va="center", fontsize=8)
            skipped.append(totals.missing[columns.primary][run_id])
            continue
        color, hatch = _ROLES[role(run_id)]
        axes.barh(row, scale * value, height=0.62, color=color, hatch=hatch, edgecolor="white", linewidth=0)
        end, text = scale * value, _value_text(value, columns)
        interval = significance.intervals[run_id].interval
        if interval is not None:
            low, high = (scale * bound for bound in interval)
            axes.plot([low, high], [row, row], color="#222222", linewidth=1.2, marker="|", markersize=6)
            end = max(end, high)
            text += f"  [{low:.1f}, {high:.1f}]"
        longest = max(longest, end)
        axes.annotate(text, (end, row), xytext=(5, 0), textcoords="offset points", va="center", fontsize=8)
    axes.set_yticks(range(len(run_ids)), [look[run_id].label for run_id in run_ids])
    axes.set_ylim(len(run_ids) - 0.5, -0.5)
    axes.set_xlim(min(0.0, *(scale * value for value in values.values() if value is not None)), max(longest, 1e-9))
    axes.grid(visible=False, axis="y")
    axes.tick_params(axis="y", length=0)
    axes.set_xlabel(f"test {columns.score}{unit}" + (", 95 % Wilson interval" if _any_interval(significance) else ""))
    present = [kind for kind in _ROLES if any(role(run_id) == kind for run_id in run_ids)]
    handles = [
        Patch(facecolor=_ROLES[kind][0], hatch=_ROLES[kind][1], edgecolor="white", label=kind) for kind in present
    ]
    figure.legend(handles=handles, loc="outside lower left", ncols=3)
    return Drawn((save(figure, folder, topic),), {topic: "; ".join(skipped)} if skipped else {})


def box_plot(significance: Significance, folder: Path, columns: Columns) -> Drawn:
    """Draw the primary metric over seeds, one box a method; methods with few seeds show their points only."""
    topic = f"comparison_{columns.primary}_box_plot"
    groups = [group for group in significance.groups if group.by_seed]
    if not any(len(group.by_seed) >= LEAST_FOR_A_BOX for group in groups):
        most = max((len(group.by_seed) for group in groups), default=0)
        reason = f"a box needs at least {LEAST_FOR_A_BOX} seeds of one method and the most is {most}"
        return Drawn((), {topic: reason})
    scale, unit = (100.0, " (%)") if columns.score_is_proportion else (1.0, "")
    figure = blank(3.4, f"Test {columns.score} over seeds")
    axes = figure.subplots()
    for place, group in enumerate(groups):
        values = [scale * value for value in group.by_seed.values()]
        if len(values) >= LEAST_FOR_A_BOX:
            axes.boxplot([values], positions=[place], widths=0.45, showfliers=False, medianprops={"color": "#222222"})
        color = PALETTE[place % len(PALETTE)]
        # Points side by side, so that equal values stay visible; the offset carries no meaning.
        offsets = [place + 0.05 * (index - (len(values) - 1) / 2) for index in range(len(values))]
        axes.plot(offsets, values, linestyle="", marker="o", markersize=4.5, color=color, alpha=0.9)
    names = [f"{wrapped(group.label, 18)}\n({_seeds(len(group.by_seed))})" for group in groups]
    axes.set_xticks(range(len(groups)), names)
    axes.set_xlim(-0.6, len(groups) - 0.4)
    axes.grid(visible=False, axis="x")
    axes.set_ylabel(f"test {columns.score}{unit}")
    return Drawn((save(figure, folder, topic),), {})


def _seeds(number: int) -> str:
    return "1 seed" if number == 1 else f"{number} seeds"


def _any_interval(significance: Significance) -> bool:
    return any(finding.interval is not None for finding in significance.intervals.values())


def _value_text(value: float, columns: Columns) -> str:
    return f"{100 * value:.1f} %" if columns.score_is_proportion else f"{value:.4g}"
