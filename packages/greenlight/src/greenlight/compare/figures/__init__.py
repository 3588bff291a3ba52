"""Figures of single runs and of their comparison, as PDF files with searchable text."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from greenlight.compare.aggregate import Aggregate
from greenlight.compare.columns import DEFAULT, Columns
from greenlight.compare.figures.canvas import Drawn, joined, styled
from greenlight.compare.figures.over_time import learning_rate_over_time, loss_over_time, score_over_time
from greenlight.compare.figures.pairs import discordant_questions, forest_plot
from greenlight.compare.figures.per_run import draw_run
from greenlight.compare.figures.scores import bar_chart, box_plot
from greenlight.compare.records import RunRecord
from greenlight.compare.significance import Significance

__all__ = ["Drawn", "draw_comparison", "draw_run"]


def draw_comparison(
    records: Sequence[RunRecord],
    totals: Aggregate,
    significance: Significance,
    folder: Path,
    columns: Columns = DEFAULT,
) -> Drawn:
    """Draw the figures of a comparison into a folder, each as ``comparison_{topic}.pdf``.

    Parameters
    ----------
    records
        Runs that :func:`greenlight.compare.records.check_comparable` accepts.
    totals
        From :func:`greenlight.compare.aggregate.aggregate` of the same runs.
    significance
        From :func:`greenlight.compare.significance.compare_runs` of the same runs.
    folder
        Where the files go; made where it is missing.
    columns
        Which columns and keys hold what.

    Raises
    ------
    GreenlightError
        If the folder cannot be written to.
    """
    folder = Path(folder)
    with styled():
        return joined(
            [
                bar_chart(records, totals, significance, folder, columns),
                score_over_time(records, folder, columns),
                loss_over_time(records, folder, columns),
                learning_rate_over_time(records, folder, columns),
                box_plot(significance, folder, columns),
                forest_plot(records, totals, significance, folder, columns),
                discordant_questions(records, totals, significance, folder),
            ]
        )
