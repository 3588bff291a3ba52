"""The sensitivity to the initial rate and the exact match over time: one panel per method."""

import textwrap
from collections.abc import Callable
from math import ceil
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from benchmarks.planners.board import Board
from benchmarks.planners.choosing import best_rate
from benchmarks.planners.evidence import median_interval
from greenlight.compare.figures.canvas import INK, PALETTE, blank, save, styled

_COLUMNS = 4
_PANEL_IN = 1.65
_SHADE = "#b8b8b8"
_BASE = "linear"


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
            save(_over_time(board, reference), folder, "exact_match_over_time"),
        )


def _sensitivity(board: Board, reference: str) -> Figure:
    exact = len(board.seeds) >= 6
    band = "95 % interval of the median" if exact else "range"
    title = f"{board.grid.task.name}: exact match on test questions against the initial rate"
    caption = (
        f"Line: median over {len(board.seeds)} seeds; band: {band}; points: cells; ring: rate chosen on development "
        "questions."
    )

    def panel(axes: Axes, label: str, color: str, faint: bool) -> None:
        tables = [100 * board.test_exact_match(label, rate) for rate in board.rates]
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
        axes.plot([best], [np.median(100 * board.test_exact_match(label, best))], "o", mfc="none", mec=INK, zorder=4)

    figure = _panels(board, reference, title, panel, ("initial learning rate", caption))
    for axes in figure.axes:
        axes.set_xscale("log")
        axes.set_ylim(-3, 103)
    return figure


def _over_time(board: Board, reference: str) -> Figure:
    title = f"{board.grid.task.name}: exact match on development questions over the budget"
    caption = (
        f"Each method at the rate chosen on development questions; evaluations are on the clock. Line: mean over "
        f"{len(board.seeds)} seeds; thin lines: seeds."
    )

    def panel(axes: Axes, label: str, color: str, faint: bool) -> None:
        runs = [outcome.evaluations for outcome in board.of(label, best_rate(board, label)) if outcome.evaluations]
        if not runs:
            return
        curves = [(np.array([e.elapsed_s for e in run]), 100 * np.array([e.exact_match for e in run])) for run in runs]
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
        axes.set_ylim(-3, 103)
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
    figure.supylabel("exact match (%)", fontsize=9)
    return figure


def _dashes(label: str) -> str:
    return "--" if label == _BASE else "-"
