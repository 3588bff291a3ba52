"""Hooks for libraries that only note what a subject does with them: wandb, matplotlib, warnings."""

import contextlib
import itertools
import math
import os
import warnings
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any, Protocol


class Book(Protocol):
    """What hooks write to."""

    totals: dict[str, dict[str, Any]]
    searching: int
    all_steps: int

    def note(self, kind: str, *, once: bool = False, **facts: Any) -> None:
        """Write one line."""


Place = Callable[[], dict[str, Any]]
Quiet = Callable[[], AbstractContextManager[None]]


def watchers(book: Book, quiet: Quiet, place: Place) -> dict[str, Callable[[Any], None]]:
    """Return the hook for each module, and begin to listen to warnings."""
    _watch_warnings(book, quiet)
    return {
        "wandb": lambda module: _watch_wandb(module, book, quiet, place),
        "matplotlib.figure": lambda module: _watch_figures(module, book, quiet, place),
    }


def _watch_warnings(book: Book, quiet: Quiet) -> None:
    """Note warnings that would be shown; what is filtered out stays so."""
    before = warnings.showwarning

    def show(message: Any, category: Any, filename: str, lineno: int, *arguments: Any, **named: Any) -> None:
        with quiet(), contextlib.suppress(Exception):
            book.note("warning", once=True, category=category.__name__, message=str(message)[:500],
                      file=os.path.abspath(filename), line=lineno)  # fmt: skip
        before(message, category, filename, lineno, *arguments, **named)

    warnings.showwarning = show


def _watch_wandb(module: Any, book: Book, quiet: Quiet, place: Place) -> None:
    real = module.init

    def init(*arguments: Any, **named: Any) -> Any:
        where = place()
        run = real(*arguments, **named)
        with quiet(), contextlib.suppress(Exception):
            settings = getattr(run, "settings", None)
            book.note(
                "wandb init", id=getattr(run, "id", None), project=getattr(run, "project", None),
                entity=getattr(run, "entity", None), mode=str(getattr(settings, "mode", "")),
                disabled=bool(getattr(run, "disabled", False)), searching=book.searching > 0, at=where,
                steps=book.all_steps,
            )  # fmt: skip
        return run

    module.init = init


def _watch_figures(module: Any, book: Book, quiet: Quiet, place: Place) -> None:
    figure = module.Figure
    real = figure.savefig

    def savefig(self: Any, fname: Any, *arguments: Any, **named: Any) -> Any:
        with quiet(), contextlib.suppress(Exception):
            path = os.path.abspath(os.fspath(fname)) if isinstance(fname, str | os.PathLike) else ""
            book.note("figure", path=path, axes=[_axes(one) for one in self.get_axes()], at=place())
        return real(self, fname, *arguments, **named)

    figure.savefig = savefig


def _axes(axes: Any) -> dict[str, Any]:
    """Return what can be seen of a set of axes: lines with points and how many of them are drawn, and other artists."""
    lines = [_line(line) for line in axes.get_lines()]
    return {
        "title": axes.get_title()[:100],
        "lines_with_points": sum(1 for points, _ in lines if points),
        "lines_drawn": sum(1 for points, drawn in lines if points and drawn),
        "patches": len(axes.patches),
        "collections": len(axes.collections),
        "images": len(axes.images),
        "texts": len(axes.texts),
        "tables": len(axes.tables),
    }


def _line(line: Any) -> tuple[int, bool]:
    """Return how many finite points a line has, and whether a segment or a marker of it is drawn."""
    points = [
        math.isfinite(float(x)) and math.isfinite(float(y))
        for x, y in zip(line.get_xdata(orig=False), line.get_ydata(orig=False), strict=False)
    ]
    count = sum(points)
    segments = any(a and b for a, b in itertools.pairwise(points))
    shown_line = line.get_linestyle() not in ("None", "none", "", " ") and segments
    shown_marker = line.get_marker() not in (None, "None", "none", "", " ") and count > 0
    return count, bool(line.get_visible() and (shown_line or shown_marker))
