"""A run that was read back, and the conditions under which several of them may be compared."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

from greenlight.compare.budget import budget_label
from greenlight.compare.columns import DEFAULT, Columns, at_path
from greenlight.errors import GreenlightError

if TYPE_CHECKING:
    import pandas as pd

Role = Literal["proposed", "baseline", "other"]

# A run id becomes a folder name, a file name and a part of an address.
_RUN_ID = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,127}")
_MOST_NAMED = 3


@dataclass(frozen=True)
class RunRecord:
    """Everything that is known about one finished run.

    Attributes
    ----------
    run_id
        The run's id, the same in the tracker, in file names and in ``config/runs``.
    history
        Every logged row in the order of logging, one column a metric; NaN where a row did not log the metric.
    summary
        Final values by key, without the tracker's own keys. A value that was NaN or infinite is that float.
    config
        The nested configuration of the run.
    outcomes
        One row per test question: ``question_id`` (str, unique), ``correct`` (bool), ``prediction`` (str or None),
        ``gold`` (str); None where the run saved none.
    outcomes_missing
        Why `outcomes` is None.
    internals
        The tracker's own summary keys, such as ``_runtime``.
    state
        The tracker's word for how the run ended.
    """

    run_id: str
    history: pd.DataFrame
    summary: dict[str, Any]
    config: dict[str, Any]
    outcomes: pd.DataFrame | None = None
    outcomes_missing: str | None = None
    internals: dict[str, Any] = field(default_factory=dict)
    state: str = "finished"


def parse_run_ids(text: str) -> list[str]:
    """Return the run ids of a JSON list such as ``["run-1", "run-2"]``.

    Parameters
    ----------
    text
        The value of ``run_ids=`` on the command line.

    Raises
    ------
    GreenlightError
        If the text is no JSON list of distinct run ids, or the list is empty.
    """
    remedy = """write run_ids='["run-1", "run-2"]'"""
    try:
        value = json.loads(text)
    except json.JSONDecodeError as error:
        raise GreenlightError(
            f"run_ids={text}: not JSON ({error.msg.lower()}, character {error.pos}); {remedy}"
        ) from error
    if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
        raise GreenlightError(f"run_ids={text}: run ids are a JSON list of strings; {remedy}")
    check_run_ids(value)
    return value


def check_run_ids(run_ids: Sequence[str]) -> None:
    """Refuse an empty list, a repeated id, and an id that could not be a file name.

    Raises
    ------
    GreenlightError
        Naming the id.
    """
    if not run_ids:
        raise GreenlightError(
            "run_ids=[]: a comparison needs at least one run; name the runs that finished in mode=full"
        )
    for run_id in run_ids:
        if not _RUN_ID.fullmatch(run_id):
            raise GreenlightError(
                f"run id {run_id!r}: a run id is up to 128 letters, digits, '.', '_' or '-' and does not begin with "
                "'.' or '-'; use the name of a file in config/runs"
            )
    repeated = sorted({run_id for run_id in run_ids if list(run_ids).count(run_id) > 1})
    if repeated:
        raise GreenlightError(f"run_ids name {', '.join(repeated)} more than once; name each run once")


def role(run_id: str) -> Role:
    """Return what a run is in the comparison, which its id says; "proposed" decides where both words occur."""
    if "proposed" in run_id:
        return "proposed"
    return "baseline" if "comparative" in run_id or "baseline" in run_id else "other"


def short_names(run_ids: Sequence[str]) -> tuple[dict[str, str], str]:
    """Return names without the ending that all ids share, and that ending ("" where there is none).

    >>> short_names(["proposed-iter1-tiny", "comparative-1-iter1-tiny"])
    ({'proposed-iter1-tiny': 'proposed', 'comparative-1-iter1-tiny': 'comparative-1'}, '-iter1-tiny')
    """
    parts = [run_id.split("-") for run_id in run_ids]
    # The first word of every id stays: a name has to be left.
    longest = min(len(words) for words in parts) - 1 if len(run_ids) > 1 else 0
    shared = 0
    while shared < longest and len({words[-1 - shared] for words in parts}) == 1:
        shared += 1
    ending = "".join(f"-{word}" for word in parts[0][len(parts[0]) - shared :])
    return {run_id: run_id.removesuffix(ending) if ending else run_id for run_id in run_ids}, ending


def method_of(record: RunRecord, columns: Columns = DEFAULT) -> str:
    """Return the method named in the run's configuration, or its role where none is named."""
    value = at_path(record.config, columns.method)
    return str(value) if value is not None else role(record.run_id)


def budget_of(record: RunRecord, columns: Columns = DEFAULT) -> float | None:
    """Return the run's budget in seconds: what it recorded, else what it was configured with, else None.

    Raises
    ------
    GreenlightError
        If the recorded value is not a positive number.
    """
    seconds, source = record.summary.get(columns.budget_s), f"summary {columns.budget_s}"
    if seconds is None:
        minutes = at_path(record.config, columns.budget_minutes)
        if minutes is None:
            return None
        seconds, source = minutes, f"config {columns.budget_minutes}"
        if isinstance(minutes, int | float):
            seconds = minutes * 60
    if isinstance(seconds, bool) or not isinstance(seconds, int | float) or not (0 < seconds < math.inf):
        raise GreenlightError(
            f"run {record.run_id}: {source} is {seconds!r}; a budget is a positive number; train the run again with one"
        )
    return float(seconds)


def check_comparable(records: Sequence[RunRecord], columns: Columns = DEFAULT) -> float | None:
    """Return the budget in seconds that all runs share, or None where none of them has one.

    Raises
    ------
    GreenlightError
        If budgets differ, if the sets of test questions or their gold answers differ, or if a run's primary metric
        is not the proportion of right answers among its stored outcomes.
    """
    check_run_ids([record.run_id for record in records])
    budget_s = _shared_budget(records, columns)
    _check_questions(records)
    if columns.score_is_proportion:
        for record in records:
            _check_score(record, columns)
    return budget_s


def _shared_budget(records: Sequence[RunRecord], columns: Columns) -> float | None:
    budgets = {record.run_id: budget_of(record, columns) for record in records}
    first = budgets[records[0].run_id]
    same = all(
        (value is None) == (first is None)
        and (value is None or first is None or math.isclose(value, first, rel_tol=1e-6))
        for value in budgets.values()
    )
    if not same:
        having: dict[float | None, list[str]] = {}
        for run_id, value in budgets.items():
            having.setdefault(value, []).append(run_id)
        listed = "; ".join(f"{_few(run_ids)} had {budget_label(value)}" for value, run_ids in having.items())
        raise GreenlightError(
            f"runs with different budgets cannot be compared: {listed}; name only runs of one budget in run_ids"
        )
    return first


def _few(run_ids: Sequence[str]) -> str:
    """Return names on one line, however many runs there are."""
    return ", ".join(run_ids) if len(run_ids) <= _MOST_NAMED else f"{run_ids[0]} and {len(run_ids) - 1} more"


def _check_questions(records: Sequence[RunRecord]) -> None:
    with_outcomes = [(record.run_id, record.outcomes) for record in records if record.outcomes is not None]
    if not with_outcomes:
        return
    reference_id, reference = with_outcomes[0]
    gold = dict(zip(reference["question_id"], reference["gold"], strict=True))
    for run_id, outcomes in with_outcomes[1:]:
        other = dict(zip(outcomes["question_id"], outcomes["gold"], strict=True))
        if gold.keys() != other.keys():
            example = sorted(gold.keys() ^ other.keys())[0]
            raise GreenlightError(
                f"runs tested on different questions cannot be compared: {reference_id} answered {len(gold)} and "
                f"{run_id} {len(other)}, and question {example} is in one of them only; "
                "test both on the same split and the same number of questions"
            )
        changed = sorted(question for question, answer in gold.items() if other[question] != answer)
        if changed:
            raise GreenlightError(
                f"runs tested against different answers cannot be compared: {reference_id} and {run_id} differ in the "
                f"gold answer of {len(changed)} questions, {changed[0]} among them; test both on the same data"
            )


def _check_score(record: RunRecord, columns: Columns) -> None:
    score = record.summary.get(columns.primary)
    if (
        record.outcomes is None
        or record.outcomes.empty
        or isinstance(score, bool)
        or not isinstance(score, int | float)
    ):
        return
    counted = float(record.outcomes["correct"].mean())
    # Half a question: what rounding may explain and a wrong answer cannot.
    if math.isfinite(score) and abs(score - counted) * len(record.outcomes) >= 0.5:
        raise GreenlightError(
            f"run {record.run_id}: the summary says {columns.primary} is {score:.6g}, but {counted:.6g} of its stored "
            "outcomes are right; both must come from the same evaluation at the end of the budget; train the run again"
        )
