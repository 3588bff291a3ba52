"""A wall-clock budget in words, and the name of a metric that is measured when it ends."""

from __future__ import annotations

import math

from greenlight.errors import GreenlightError


def budget_label(seconds: float | None) -> str:
    """Return a budget in the largest unit that needs at most one decimal.

    Parameters
    ----------
    seconds
        The budget; None stands for a run without one.

    Raises
    ------
    GreenlightError
        If it is not a positive number.

    >>> [budget_label(s) for s in (1800, 45, 90, 100, 7200)]
    ['30 min', '45 s', '1.5 min', '100 s', '120 min']
    """
    if seconds is None:
        return "no budget"
    if not 0 < seconds < math.inf:
        raise GreenlightError(
            f"budget of {seconds} s: a budget is a positive number of seconds; set training.budget_minutes"
        )
    tenths_of_minutes = seconds / 6
    if seconds >= 60 and math.isclose(tenths_of_minutes, round(tenths_of_minutes), rel_tol=1e-9):
        return f"{seconds / 60:.10g} min"
    return f"{seconds:.10g} s"


def primary_metric_name(score: str, budget_s: float | None) -> str:
    """Return what the primary metric is called in aggregated_metrics.json.

    >>> primary_metric_name("Exact-match accuracy", 1800)
    'Exact-match accuracy at 30 min wall-clock.'
    """
    return f"{score}." if budget_s is None else f"{score} at {budget_label(budget_s)} wall-clock."
