"""How a full run is made short without touching it: its clock jumps, a search stops early, answers are short.

The clock jumps at optimizer steps and is true between them: a budget of half an hour is used up by a few steps, while
what an evaluation takes is not blown up.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

_UNITS_S = {"s": 1.0, "sec": 1.0, "secs": 1.0, "second": 1.0, "seconds": 1.0, "m": 60.0, "min": 60.0, "mins": 60.0}
_UNITS_S |= {"minute": 60.0, "minutes": 60.0, "h": 3600.0, "hr": 3600.0, "hrs": 3600.0, "hour": 3600.0, "hours": 3600.0}
_BUDGET = re.compile(r"budget|wall_?clock|time_?limit|max_?(?:train_?)?time|deadline|duration")
_COUNT = re.compile(
    r"(?:^|_)(?:dev|val|valid|validation|eval|held_?out|calibration|probe)\w*(?:examples|samples|size|rows)"
)
_MOST_ROWS = 4096


@dataclass(frozen=True)
class Shrinking:
    """What a full run is shrunk by.

    Attributes
    ----------
    step_s
        Seconds that every optimizer step adds to what the subject's clocks show.
    most_trials, most_new_tokens
        Caps of a search and of one call of `generate`; None leaves them.
    """

    step_s: float = 0.0
    most_trials: int | None = None
    most_new_tokens: int | None = None


WHOLE = Shrinking()
"""Nothing is shrunk."""


def shrunk_by(shrinkings: Iterable[Shrinking]) -> str:
    """Return what a report says of the shrinking of all runs; empty where nothing was shrunk.

    Examples
    --------
    >>> shrunk_by([Shrinking(2.5, most_trials=2), Shrinking(10.0, most_trials=2), WHOLE])
    'every optimizer step moved the clocks on by 2.5 or 10 s, searches stopped after 2 trials'
    """
    each = list(shrinkings)
    step_s = sorted({one.step_s for one in each if one.step_s})
    trials = sorted({one.most_trials for one in each if one.most_trials is not None})
    tokens = sorted({one.most_new_tokens for one in each if one.most_new_tokens is not None})
    parts = [f"every optimizer step moved the clocks on by {_or(step_s)} s"] if step_s else []
    parts += [f"searches stopped after {_or(trials)} trials"] if trials else []
    parts += [f"answers stopped after {_or(tokens)} tokens"] if tokens else []
    return ", ".join(parts)


def _or(values: Iterable[float]) -> str:
    return " or ".join(f"{value:g}" for value in values)


def shrinking_of(leaves: Iterable[tuple[tuple[str, ...], Any]], steps: int) -> Shrinking:
    """Return how a run is shrunk so that some optimizer steps use up its wall-clock budget.

    Parameters
    ----------
    leaves
        Key paths and values of the run's configuration. A budget is a number whose key names one and its unit, such
        as ``training.budget_minutes``; the largest counts. Without one the clocks are left alone.
    steps
        How many steps the budget lasts.

    Examples
    --------
    >>> shrinking_of([(("training", "budget_minutes"), 30)], 20).step_s
    90.0
    """
    budgets = [s for path, value in leaves if (s := _seconds(path, value)) is not None]
    return Shrinking(max(budgets, default=0.0) / steps, most_trials=2, most_new_tokens=12)


def _seconds(path: tuple[str, ...], value: Any) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value < 1e7:
        return None
    name = path[-1].lower()
    if not _BUDGET.search(".".join(path).lower()):
        return None
    unit = _UNITS_S.get(name.rpartition("_")[2])
    return None if unit is None else unit * float(value)


def training_rows(leaves: Iterable[tuple[tuple[str, ...], Any]], least: int) -> int:
    """Return how many rows a training split needs, so that what the configuration cuts from it leaves some.

    Parameters
    ----------
    leaves
        As for :func:`shrinking_of`; counts of development and validation examples matter.
    least
        Rows that are left to train on.

    Examples
    --------
    >>> training_rows([(("dataset", "dev_examples"), 128)], 64)
    192
    """
    cut = [
        value
        for path, value in leaves
        if isinstance(value, int) and not isinstance(value, bool) and value > 0 and _COUNT.search(path[-1].lower())
    ]
    return min(_MOST_ROWS, least + sum(cut))


def leaves_of(content: Mapping[str, Any], path: tuple[str, ...] = ()) -> Iterable[tuple[tuple[str, ...], Any]]:
    """Yield the key path and the value of everything in nested mappings and lists that is neither."""
    for key, value in content.items():
        here = (*path, str(key))
        if isinstance(value, Mapping):
            yield from leaves_of(value, here)
        elif isinstance(value, list):
            yield from leaves_of({str(index): item for index, item in enumerate(value)}, here)
        else:
            yield here, value
