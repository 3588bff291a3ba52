"""What a run is measured by, besides its score: the area under its curve, its peak memory."""

from __future__ import annotations

import resource
import sys
from collections.abc import Sequence
from itertools import pairwise


def area_over_budget(curve: Sequence[Sequence[float]], budget_s: float) -> float:
    """Return AUC(metric-vs-time)/B: the mean of a metric over the budget, linear between points, held after the last.

    Parameters
    ----------
    curve
        Points [elapsed seconds, value, ...], in time order, at least one; what lies after the deadline counts there.
    budget_s
        The budget B, seconds.

    Examples
    --------
    >>> area_over_budget([[0.0, 0.0], [50.0, 1.0]], 100.0)
    0.75
    """
    times = [0.0, *(min(point[0], budget_s) for point in curve), budget_s]
    values = [curve[0][1], *(point[1] for point in curve), curve[-1][1]]
    trapezes = zip(pairwise(times), pairwise(values), strict=True)
    return sum((t1 - t0) * (v0 + v1) / 2 for (t0, t1), (v0, v1) in trapezes) / budget_s


def value_at(curve: Sequence[Sequence[float]], elapsed_s: float, budget_s: float) -> tuple[float | None, str | None]:
    """Return the last value measured until a moment of the budget, or None and the reason why there is none.

    Parameters
    ----------
    curve
        Points [elapsed seconds, value, ...], in time order.
    elapsed_s
        The moment, seconds of the budget.
    budget_s
        The budget, seconds.

    Examples
    --------
    >>> value_at([[0.0, 0.2], [50.0, 0.6], [70.0, 0.7]], 60.0, 100.0)
    (0.6, None)
    >>> value_at([[0.0, 0.2]], 3600.0, 1800.0)
    (None, 'the budget of 1800 s ends before 3600 s')
    """
    if budget_s < elapsed_s:
        return None, f"the budget of {budget_s:g} s ends before {elapsed_s:g} s"
    before = [point[1] for point in curve if point[0] <= elapsed_s]
    return (before[-1], None) if before else (None, f"nothing was measured in the first {elapsed_s:g} s")


def joules_of_run(joules: float | None, why_none: str | None, *, resumed: int) -> tuple[float | None, str | None]:
    """Return what a meter read of a run, or None and the reason: a resumed run has more than one process.

    >>> joules_of_run(12.5, None, resumed=1)
    (None, 'the run was interrupted 1 time(s); a meter reads one process')
    """
    if resumed:
        return None, f"the run was interrupted {resumed} time(s); a meter reads one process"
    return joules, why_none


def energy_used(joules: float | None, why_none: str | None, *, resumed: int) -> dict[str, float | str | None]:
    """Return the summary's energy: what a meter read, or null with the reason; a resumed run has none.

    >>> energy_used(12.5, None, resumed=0)
    {'energy_j': 12.5, 'energy_j_missing': None}
    """
    joules, why_none = joules_of_run(joules, why_none, resumed=resumed)
    return {"energy_j": joules, "energy_j_missing": why_none}


def peak_memory_mb() -> float:
    """Return the peak memory of the GPU if there is one, else of this process, in MB (1e6 bytes)."""
    import torch

    if torch.cuda.is_available():
        return torch.cuda.max_memory_allocated() / 1e6
    kilobytes = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return kilobytes * (1.0 if sys.platform == "darwin" else 1024.0) / 1e6
