"""The sensitivity to the initial rate and the score over time: one panel per method."""

import textwrap
from collections.abc import Callable, Sequence
from math import ceil
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from benchmarks.planners.board import Board
from benchmarks.planners.choosing import best_rate
from benchmarks.planners.evidence import median_interval
from benchmarks.planners.measure import Measure
from benchmarks.planners.outcome import Evaluation
from greenlight.compare.figures.canvas import INK, PALETTE, blank, save, styled

_COLUMNS = 4
_PANEL_IN = 1.65
_SHADE = "#b8b8b8"
_BASE = "linear"
_LINEAR_NATS = 1e-3  # below it a logarithmic axis of losses is linear and reaches zero


def draw(board: Board, reference: str, folder: Path) -> tuple[Path, ...]:
    """Draw the figures of a scored board into a folder as PDF files and return their paths.

    Parameters
    ----------
    board
        The cells of one task.
    reference
        The method that every panel shows again for comparison.
    folder
        Made where it is missing.
    """
    if not board.scored:
        return ()
    with styled():
        return (
            save(_sensitivity(board, reference), folder, "sensitivity"),
            save(_over_time(board, reference), folder, f"{board.measure.key}_over_time"),
        )


def _sensitivity(board: Board, reference: str) -> Figure:
    exact = len(board.seeds) >= 6
    band = "95 % interval of the median" if exact else "range"
    measure, level = board.measure, _test_level(board)
    title = f"{board.grid.task.name}: {measure.name} on test questions against the initial rate"
    caption = (
        f"Line: median over {len(board.seeds)} seeds; band: {band}; points: cells; ring: rate chosen on development "
        "questions."
    )

    def panel(axes: Axes, label: str, color: str, faint: bool) -> None:
        tables = [measure.scale * (board.test_score(label, rate) - level) for rate in board.rates]
        order = np.argsort(board.rates)
        rates = np.array(board.rates)[order]
        middle, low, high = (np.array([median_interval(tables[i])[part] for i in order]) for part in range(3))
        if faint:
            axes.plot(rates, middle, color=color, linewidth=1.0, linestyle=_dashes(label), zorder=1)
            return
        axes.fill_between(rates, low, high, color=color, alpha=0.25, linewidth=0)
        axes.plot(rates, middle, color=color, zorder=3)
        for rate, values in zip(rates, (tables[i] for i in order), strict=True):
            axes.plot([rate] * len(values), values, ".", color=color, markersize=2.5, alpha=0.6)
        best = best_rate(board, label)
        axes.plot([best], [middle[list(rates).index(best)]], "o", mfc="none", mec=INK, zorder=4)

    figure = _panels(board, reference, title, panel, ("initial learning rate", caption))
    for axes in figure.axes:
        axes.set_xscale("log")
    return _limited(figure, board)


def _over_time(board: Board, reference: str) -> Figure:
    measure, level = board.measure, _dev_level(board)
    title = f"{board.grid.task.name}: {measure.name} on development questions over the budget"
    caption = (
        f"Each method at the rate chosen on development questions; evaluations are on the clock. Line: mean over "
        f"{len(board.seeds)} seeds; thin lines: seeds."
    )

    def panel(axes: Axes, label: str, color: str, faint: bool) -> None:
        outcomes = zip(level, board.of(label, best_rate(board, label)), strict=True)
        runs = [(own, outcome.evaluations) for own, outcome in outcomes if outcome.evaluations]
        if not runs:
            return
        curves = [_curve(measure, run, own) for own, run in runs]
        # Seeds evaluate at nearly the same moments; the mean is taken between the first and the last that all have.
        first, last = max(s[0] for s, _ in curves), min(s[-1] for s, _ in curves)
        if last >= first:
            times = np.unique(np.clip(np.linspace(first, last, 50), first, last))
            mean = np.mean([np.interp(times, s, v) for s, v in curves], axis=0)
            marker = "o" if len(times) == 1 else None
            width, dashes = (1.0, _dashes(label)) if faint else (1.6, "-")
            axes.plot(
                times,
                mean,
                dashes,
                color=color,
                marker=marker,
                markersize=3,
                linewidth=width,
                zorder=1 + 2 * (not faint),
            )
        if not faint:
            for seconds, values in curves:
                axes.plot(seconds, values, color=color, linewidth=0.6, alpha=0.5, marker=".", markersize=2.5)

    unit = "steps" if board.grid.clock == "steps" else f"{board.grid.clock} clock, s"
    figure = _panels(board, reference, title, panel, (f"budget used ({unit})", caption))
    for axes in figure.axes:
        axes.set_xlim(0, 1.03 * board.grid.budget_s)
    return _limited(figure, board)


def _test_level(board: Board) -> NDArray[np.float64]:
    """Return what is subtracted from each seed's test scores: of losses the smallest, because seeds have own data."""
    if board.measure.kind == "right":
        return np.zeros(len(board.seeds))
    scores = [board.test_score(method.label, rate) for method in board.methods for rate in board.rates]
    return np.asarray(np.min(scores, axis=0), dtype=np.float64)


def _dev_level(board: Board) -> NDArray[np.float64]:
    """Return the same for development scores, over all evaluations of a seed."""
    level = np.zeros(len(board.seeds))
    if board.measure.kind == "loss":
        for place, seed in enumerate(board.seeds):
            of_seed = [outcome for (_, _, own), outcome in board.outcomes.items() if own == seed]
            losses = [e.loss for outcome in of_seed for e in outcome.evaluations if e.loss is not None]
            level[place] = min(losses, default=0.0)
    return level


def _curve(
    measure: Measure, run: Sequence[Evaluation], level: float
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return when a run was evaluated, in seconds, and its development score then; NaN where it was not finite."""
    values = [e.exact_match if measure.kind == "right" else np.nan if e.loss is None else e.loss for e in run]
    return np.array([e.elapsed_s for e in run]), measure.scale * (np.array(values, dtype=np.float64) - level)


def _limited(figure: Figure, board: Board) -> Figure:
    """Show all shares; losses in proportion to each other, as small differences and cliffs meet in one panel."""
    for axes in figure.axes:
        if board.measure.kind == "right":
            axes.set_ylim(-3, 103)
        else:
            axes.set_yscale("symlog", linthresh=_LINEAR_NATS, linscale=0.4)
            axes.set_ylim(bottom=0)
    return figure


def _panels(
    board: Board, reference: str, title: str, panel: Callable[[Axes, str, str, bool], None], across: tuple[str, str]
) -> Figure:
    labels = [method.label for method in board.methods]
    faint = [label for label in (reference, _BASE) if label in labels]
    told = " and ".join(f"{label} ({'dashed' if label == _BASE else 'solid'})" for label in dict.fromkeys(faint))
    columns = min(_COLUMNS, len(labels))
    lines = ceil(len(labels) / columns)
    figure = blank(_PANEL_IN * lines + 0.8, title)
    grid = figure.subplots(lines, columns, sharex=True, sharey=True, squeeze=False)
    panels: list[Axes] = list(grid.flat)
    for axes, label in zip(panels, labels, strict=False):
        color = PALETTE[1] if label == reference else PALETTE[0]
        for other in dict.fromkeys(faint):
            if other != label:
                panel(axes, other, _SHADE, True)
        panel(axes, label, color, False)
        axes.set_title(label)
    for place, axes in enumerate(panels):
        if place >= len(labels):
            axes.set_visible(False)
        elif place + columns >= len(labels):
            axes.tick_params(labelbottom=True)
    axis, caption = across
    told = textwrap.fill(f"{caption} Grey: {told}." if told else caption, 110)
    figure.supxlabel(f"{axis}\n\n{told}", fontsize=8)
    measure = board.measure
    above = measure.axis if measure.kind == "right" else f"{measure.short} above the seed's smallest ({measure.unit})"
    figure.supylabel(above, fontsize=9)
    return figure


def _dashes(label: str) -> str:
    return "--" if label == _BASE else "-"
