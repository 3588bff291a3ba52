"""What a history says over time: finite points, the unit of the time axis, a line through noise."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from numpy.typing import NDArray

from greenlight.compare.columns import Columns
from greenlight.compare.records import RunRecord

# Fewer points than this are shown as they are.
_SMOOTH_FROM = 40


@dataclass(frozen=True)
class Curve:
    """Finite points of one column over elapsed seconds; both arrays of shape (points,), in order of time."""

    seconds: NDArray[np.float64]
    values: NDArray[np.float64]

    def smoothed(self) -> tuple[NDArray[np.float64], int] | None:
        """Return the running median and its window in points, or None where there are too few points to need it."""
        if len(self.values) < _SMOOTH_FROM:
            return None
        window = max(5, len(self.values) // 20) | 1
        median = pd.Series(self.values).rolling(window, center=True, min_periods=window // 2 + 1).median()
        return median.to_numpy(dtype=np.float64), window

    @property
    def spans_decades(self) -> bool:
        """Whether the values need a logarithmic axis: all positive, and a factor of fifty between them."""
        return bool(self.values.min() > 0 and self.values.max() / self.values.min() >= 50)


def curve(record: RunRecord, column: str, columns: Columns) -> Curve | str:
    """Return a column over elapsed time, or the reason why there is none."""
    history = record.history
    absent = [name for name in (columns.elapsed_s, column) if name not in history]
    if absent:
        return f"run {record.run_id} logged no {' and no '.join(absent)}"
    seconds = pd.to_numeric(history[columns.elapsed_s], errors="coerce").to_numpy(dtype=np.float64)
    values = pd.to_numeric(history[column], errors="coerce").to_numpy(dtype=np.float64)
    kept = np.isfinite(seconds) & np.isfinite(values)
    if not kept.any():
        return f"run {record.run_id} has no row with finite {column} and {columns.elapsed_s}"
    order = np.argsort(seconds[kept], kind="stable")
    return Curve(seconds[kept][order], values[kept][order])


@dataclass(frozen=True)
class TimeUnit:
    """The unit of a time axis; `seconds` in one unit."""

    name: str
    seconds: float


def time_unit(longest_s: float) -> TimeUnit:
    """Return seconds, minutes or hours, whichever keeps the numbers of the longest time small."""
    if longest_s <= 300:
        return TimeUnit("s", 1.0)
    return TimeUnit("min", 60.0) if longest_s <= 3 * 3600 else TimeUnit("h", 3600.0)


def time_axis(axes: Axes, unit: TimeUnit, longest_s: float) -> None:
    """Label the time axis and let it begin at zero and end just after the longest time."""
    axes.set_xlabel(f"elapsed wall-clock time ({unit.name})")
    axes.set_xlim(0, 1.03 * max(longest_s, 1e-9) / unit.seconds)
