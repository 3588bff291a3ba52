"""Runs against each other on the same questions: differences with intervals, and where they disagree."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path

from matplotlib.axes import Axes
from matplotlib.colors import to_rgba
from matplotlib.patches import Rectangle

from greenlight.compare.aggregate import Aggregate
from greenlight.compare.columns import Columns
from greenlight.compare.figures.canvas import INK, PALETTE, Drawn, blank, save
from greenlight.compare.figures.labels import looks, titled, wrapped
from greenlight.compare.findings import number
from greenlight.compare.records import RunRecord, role, short_names
from greenlight.compare.significance import PairComparison, Significance

_ROW = 3
_BLUE, _GREY = PALETTE[0], PALETTE[8]


def forest_plot(
    records: Sequence[RunRecord], totals: Aggregate, significance: Significance, folder: Path, columns: Columns
) -> Drawn:
    """Draw the difference of every run to the best baseline with its paired 95 % interval."""
    topic = "comparison_paired_differences"
    reference = totals.best_baseline.run_id
    if reference is None:
        return Drawn((), {topic: totals.reasons["best_baseline"]})
    run_ids = [record.run_id for record in records]
    pairs = [pair for run_id in run_ids if run_id != reference and (pair := significance.between(run_id, reference))]
    if not pairs:
        return Drawn((), {topic: f"there is no run besides {reference} to compare"})
    drawn = [pair for pair in pairs if pair.difference.estimate is not None]
    reasons = [f"{pair.first}: {pair.difference.not_applicable}" for pair in pairs if pair.difference.not_applicable]
    if not drawn:
        return Drawn((), {topic: "; ".join(dict.fromkeys(reasons))})
    names, _ = short_names(run_ids)
    look = looks(run_ids)
    figure = blank(1.0 + 0.42 * len(drawn), titled("Paired differences over the test questions", run_ids))
    axes = figure.subplots()
    axes.axvline(0, color=INK, linewidth=1.0)
    for row, pair in enumerate(drawn):
        _forest_row(axes, row, pair)
    axes.set_yticks(range(len(drawn)), [look[pair.first].label for pair in drawn])
    axes.set_ylim(len(drawn) - 0.4, -0.6)
    axes.grid(visible=False, axis="y")
    axes.tick_params(axis="y", length=0)
    axes.set_xlabel(
        f"test {columns.score} minus that of {names[reference]}\n(percentage points), 95 % paired bootstrap interval"
    )
    axes.margins(x=0.08)
    return Drawn((save(figure, folder, topic),), {topic: "; ".join(reasons)} if reasons else {})


def _forest_row(axes: Axes, row: int, pair: PairComparison) -> None:
    difference, test = pair.difference, pair.test
    assert difference.estimate is not None
    estimate = 100 * difference.estimate
    text = f"{estimate:+.1f}"
    if difference.interval is not None:
        low, high = (100 * bound for bound in difference.interval)
        axes.plot([low, high], [row, row], color=_BLUE, linewidth=1.6, marker="|", markersize=7)
        text = f"{text}  [{low:+.1f}, {high:+.1f}]"
    axes.plot(estimate, row, color=_BLUE, marker="o", markersize=5)
    axes.annotate(
        f"{text}\nMcNemar, Holm: p {_p(test.p_holm)}",
        (1.02, row),
        xycoords=("axes fraction", "data"),
        va="center",
        fontsize=8,
        annotation_clip=False,
    )


def discordant_questions(
    records: Sequence[RunRecord], totals: Aggregate, significance: Significance, folder: Path
) -> Drawn:
    """Draw, for the best proposed run against every baseline, on how many questions both, one or neither is right."""
    topic = "comparison_discordant_questions"
    proposed = totals.best_proposed.run_id
    baselines = [record.run_id for record in records if role(record.run_id) == "baseline"]
    if proposed is None or not baselines:
        return Drawn((), {topic: totals.reasons.get("best_proposed") or "there is no baseline run"})
    pairs = [pair for run_id in baselines if (pair := significance.between(proposed, run_id))]
    counted = [pair for pair in pairs if pair.counts is not None]
    reasons = [str(pair.test.not_applicable) for pair in pairs if pair.counts is None]
    if not counted:
        return Drawn((), {topic: "; ".join(dict.fromkeys(reasons))})
    names, _ = short_names([record.run_id for record in records])
    across = min(_ROW, len(counted))
    rows = math.ceil(len(counted) / across)
    title = f"Which questions {names[proposed]} and each baseline got right"
    figure = blank(2.75 * rows, titled(title, [record.run_id for record in records]))
    grid = figure.subplots(rows, across, squeeze=False).ravel()
    for axes, pair in zip(grid, counted, strict=False):
        _two_by_two(axes, pair, names[proposed], names[pair.second])
    for axes in grid[len(counted) :]:
        axes.remove()
    return Drawn((save(figure, folder, topic),), {topic: "; ".join(dict.fromkeys(reasons))} if reasons else {})


def _two_by_two(axes: Axes, pair: PairComparison, ours: str, theirs: str) -> None:
    counts = pair.counts
    assert counts is not None
    cells = [[counts.both_right, counts.only_first], [counts.only_second, counts.both_wrong]]
    for row in (0, 1):
        for column in (0, 1):
            # Shade by share of the questions; where the runs disagree, in colour, because only that counts in the test.
            color = _BLUE if row != column else _GREY
            share = cells[row][column] / counts.n
            axes.add_patch(
                Rectangle((column, row), 1, 1, facecolor=to_rgba(color, 0.12 + 0.5 * share), edgecolor="white")
            )
            text = f"{cells[row][column]:,}\n{share:.1%}"
            axes.text(column + 0.5, row + 0.5, text, ha="center", va="center", fontsize=9)
    axes.set(xlim=(0, 2), ylim=(2, 0), aspect="equal")
    axes.set_xticks([0.5, 1.5], ["right", "wrong"])
    axes.set_yticks([0.5, 1.5], ["right", "wrong"], rotation=90, va="center")
    axes.tick_params(length=0)
    axes.grid(visible=False)
    axes.spines[:].set_visible(False)
    axes.set_xlabel(wrapped(theirs), fontsize=8)
    axes.set_ylabel(wrapped(ours), fontsize=8)
    axes.set_title(f"McNemar, Holm: p {_p(pair.test.p_holm)}", fontsize=8)


def _p(value: float | None) -> str:
    text = number(value)
    return text if text.startswith("<") else f"= {text}"
