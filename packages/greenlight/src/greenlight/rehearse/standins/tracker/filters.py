"""The filters and orders that wandb.Api sends: a subset of MongoDB's query language, evaluated on runs."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Mapping
from typing import Any, Final

from .history import dig
from .records import Run, stamp
from .runs import RefusedError

COLUMNS: Final[Mapping[str, Callable[[Run], Any]]] = {
    "name": lambda run: run.name,
    "id": lambda run: run.name,
    "display_name": lambda run: run.display_name,
    "displayname": lambda run: run.display_name,
    "state": lambda run: run.state,
    "group": lambda run: run.group_name,
    "job_type": lambda run: run.job_type,
    "jobtype": lambda run: run.job_type,
    "tags": lambda run: json.loads(run.tags),
    "notes": lambda run: run.notes,
    "host": lambda run: run.host,
    "sweep": lambda run: run.sweep,
    "username": lambda _: "local",
    "entity": lambda run: run.entity,
    "project": lambda run: run.project,
    "created_at": lambda run: stamp(run.created_at),
    "createdat": lambda run: stamp(run.created_at),
    "updated_at": lambda run: stamp(run.heartbeat_at),
    "updatedat": lambda run: stamp(run.heartbeat_at),
    "heartbeat_at": lambda run: stamp(run.heartbeat_at),
    "heartbeatat": lambda run: stamp(run.heartbeat_at),
    "history_line_count": lambda run: run.history_lines,
    "historylinecount": lambda run: run.history_lines,
    "duration": lambda run: (run.ended_at or run.heartbeat_at) - run.created_at,
}
# two runs of the same second keep their order
EXACT_TIMES: Final[Mapping[str, Callable[[Run], float]]] = {
    "created_at": lambda run: run.created_at,
    "createdat": lambda run: run.created_at,
    "updated_at": lambda run: run.heartbeat_at,
    "updatedat": lambda run: run.heartbeat_at,
    "heartbeat_at": lambda run: run.heartbeat_at,
    "heartbeatat": lambda run: run.heartbeat_at,
}


def value_of(run: Run, path: str) -> Any:
    """Return what a path such as ``state``, ``config.lr`` or ``summary_metrics.loss`` names in a run; None if missing.

    Raises
    ------
    RefusedError
        If no run can have such a path.
    """
    head, _, rest = path.partition(".")
    if head == "config" and rest:
        settings = run.settings()
        value = dig(settings, rest)
        if value is None and rest.endswith(".value"):
            value = dig(settings, rest.removesuffix(".value"))
        return value
    if head in ("summary_metrics", "summaryMetrics", "summary") and rest:
        return dig(json.loads(run.summary), rest)
    if head == "tags" and rest:
        return rest in json.loads(run.tags)
    column = COLUMNS.get(path.lower())
    if column is None:
        raise RefusedError(
            f"key {path!r}: runs are filtered and ordered by config.NAME, summary_metrics.NAME, tags, state, name, "
            "display_name, group, job_type, notes, host, created_at, heartbeat_at or duration"
        )
    return column(run)


def parse(text: str | None) -> dict[str, Any]:
    """Return the filter that a JSON text holds; no text is no filter.

    Raises
    ------
    RefusedError
        If it is not a JSON object.
    """
    try:
        condition = json.loads(text) if text else {}
    except ValueError as error:
        raise RefusedError(f"filters: not JSON ({error})") from error
    if condition is None:
        return {}
    if not isinstance(condition, dict):
        raise RefusedError("filters: not a JSON object")
    return condition


def matches(run: Run, condition: Mapping[str, Any]) -> bool:
    """Tell whether a run meets a condition.

    Raises
    ------
    RefusedError
        If an operator or a key is not known.
    """
    return all(_clause(run, key, operand) for key, operand in condition.items())


def _clause(run: Run, key: str, operand: Any) -> bool:
    if key in ("$and", "$or", "$nor"):
        if not isinstance(operand, list):
            raise RefusedError(f"{key}: takes a list of filters")
        outcomes = [matches(run, _mapping(key, part)) for part in operand]
        return all(outcomes) if key == "$and" else any(outcomes) if key == "$or" else not any(outcomes)
    if key == "$not":
        return not matches(run, _mapping(key, operand))
    if key.startswith("$"):
        raise RefusedError(f"operator {key}: between filters stand $and, $or, $nor or $not")
    return _meets(value_of(run, key), operand)


def _meets(value: Any, operand: Any) -> bool:
    if isinstance(operand, dict) and any(name.startswith("$") for name in operand):
        return all(_compares(value, name, other, operand) for name, other in operand.items())
    return _equals(value, operand)


def _compares(value: Any, name: str, other: Any, operand: Mapping[str, Any]) -> bool:
    match name:
        case "$eq":
            return _equals(value, other)
        case "$ne":
            return not _equals(value, other)
        case "$gt" | "$gte" | "$lt" | "$lte":
            return _ordered(value, name, other)
        case "$in" | "$nin":
            if not isinstance(other, list):
                raise RefusedError(f"{name}: takes a list of values")
            return any(_equals(value, item) for item in other) == (name == "$in")
        case "$exists":
            return (value is not None) == bool(other)
        case "$regex":
            return (
                isinstance(value, str) and _pattern(other, str(operand.get("$options", ""))).search(value) is not None
            )
        case "$options":
            return "$regex" in operand
        case "$not":
            return not _meets(value, other)
        case _:
            raise RefusedError(
                f"operator {name}: known are $eq $ne $gt $gte $lt $lte $in $nin $exists $regex $not $and $or $nor"
            )


def _equals(value: Any, other: Any) -> bool:
    if isinstance(value, list) and not isinstance(other, list):
        return any(_equals(item, other) for item in value)
    if isinstance(value, bool) != isinstance(other, bool):
        return False
    return bool(value == other)


def _ordered(value: Any, name: str, other: Any) -> bool:
    numbers = _is_number(value) and _is_number(other)
    if not numbers and not (isinstance(value, str) and isinstance(other, str)):
        return False
    if name == "$gt":
        return bool(value > other)
    if name == "$gte":
        return bool(value >= other)
    return bool(value < other) if name == "$lt" else bool(value <= other)


def _pattern(text: Any, options: str) -> re.Pattern[str]:
    if not isinstance(text, str) or len(text) > 1000:
        raise RefusedError("$regex: takes a pattern of at most 1000 characters")
    try:
        return re.compile(text, re.IGNORECASE if "i" in options else 0)
    except re.error as error:
        raise RefusedError(f"$regex: {text!r} is no pattern ({error})") from error


def _mapping(key: str, part: Any) -> Mapping[str, Any]:
    if not isinstance(part, dict):
        raise RefusedError(f"{key}: takes filters, {part!r} is none")
    return part


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def arranged(runs: list[Run], order: str | None) -> list[Run]:
    """Return runs in an order such as ``-summary_metrics.loss`` or ``+created_at,config.lr``.

    ``+`` or no sign is ascending, ``-`` descending. Runs without the value come last either way, NaN among them.

    Raises
    ------
    RefusedError
        If a key is not known.
    """
    arranged = list(runs)
    # sorting is stable, so the least important key goes first
    for part in reversed([part.strip() for part in (order or "+created_at").split(",") if part.strip()]):
        path, descending = part.lstrip("+-"), part.startswith("-")
        exact = EXACT_TIMES.get(path.lower())
        keyed = [(exact(run) if exact else value_of(run, path), run) for run in arranged]
        present = [pair for pair in keyed if _sortable(pair[0])]
        missing = [run for value, run in keyed if not _sortable(value)]
        if path.lower() in EXACT_TIMES and descending:
            present.reverse()  # the later of two equal times was made later
        present.sort(key=lambda pair: _rank(pair[0]), reverse=descending)
        arranged = [run for _, run in present] + missing
    return arranged


def _sortable(value: Any) -> bool:
    return isinstance(value, (bool, int, str)) or (isinstance(value, float) and not math.isnan(value))


def _rank(value: Any) -> tuple[int, float, str]:
    if isinstance(value, str):
        return 1, 0.0, value
    return 0, float(value), ""
