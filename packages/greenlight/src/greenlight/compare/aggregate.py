"""Which run is best, and by how much: what ``comparison/aggregated_metrics.json`` and every ``metrics.json`` hold."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from greenlight.compare.columns import DEFAULT, Columns
from greenlight.compare.json_files import write_json
from greenlight.compare.records import Role, RunRecord, budget_of, method_of, role

__all__ = ["Aggregate", "Best", "Direction", "aggregate", "gap_percent", "run_metrics", "write_json"]

Direction = Literal["maximize", "minimize"]


@dataclass(frozen=True)
class Best:
    """The best run of one role; both are None where there is none."""

    run_id: str | None
    value: float | None


@dataclass(frozen=True)
class Aggregate:
    """All metrics by run, the best run of each role and the gap between them.

    Attributes
    ----------
    primary_key
        Summary key of the primary metric, a key of `metrics`.
    primary_metric
        Its name in words.
    direction
        Whether more or less of it is better.
    metrics
        ``{metric: {run_id: value}}`` for every metric of every run; None where a run has no finite value.
    best_proposed, best_baseline
        The best run of each role by the primary metric; the first one named wins a tie.
    gap
        Improvement of the best proposed over the best baseline run in percent of the baseline; None where undefined.
    missing
        ``{metric: {run_id: reason}}`` for every None in `metrics`.
    reasons
        Why ``best_proposed``, ``best_baseline`` or ``gap`` is None, by that name.
    """

    primary_key: str
    primary_metric: str
    direction: Direction
    metrics: dict[str, dict[str, float | None]]
    best_proposed: Best
    best_baseline: Best
    gap: float | None
    missing: dict[str, dict[str, str]]
    reasons: dict[str, str]

    def as_json(self) -> dict[str, Any]:
        """Return exactly the five entries of aggregated_metrics.json."""
        return {
            "primary_metric": self.primary_metric,
            "metrics": self.metrics,
            "best_proposed": {"run_id": self.best_proposed.run_id, "value": self.best_proposed.value},
            "best_baseline": {"run_id": self.best_baseline.run_id, "value": self.best_baseline.value},
            "gap": self.gap,
        }


def aggregate(
    records: Sequence[RunRecord],
    *,
    primary_metric: str,
    direction: Direction,
    columns: Columns = DEFAULT,
) -> Aggregate:
    """Return all metrics by run, the best runs and the gap.

    Parameters
    ----------
    records
        At least one run; see :func:`greenlight.compare.records.check_comparable`.
    primary_metric
        The name of the primary metric, see :func:`greenlight.compare.budget.primary_metric_name`.
    direction
        Whether more or less of the primary metric is better.
    columns
        Where the values are.
    """
    values = {record.run_id: _values(record, columns) for record in records}
    names = sorted({name for found, _ in values.values() for name in found} | {columns.primary})
    metrics: dict[str, dict[str, float | None]] = {name: {} for name in names}
    missing: dict[str, dict[str, str]] = {}
    for run_id, (found, why) in values.items():
        for name in names:
            value = found.get(name)
            metrics[name][run_id] = value
            if value is None:
                reason = why.get(name, f"run {run_id} did not record {name}")
                missing.setdefault(name, {})[run_id] = reason
    reasons: dict[str, str] = {}
    primary = metrics[columns.primary]
    proposed = _best(primary, "proposed", direction, reasons, columns)
    baseline = _best(primary, "baseline", direction, reasons, columns)
    gap, why_no_gap = gap_percent(proposed.value, baseline.value, direction)
    if why_no_gap is not None:
        reasons["gap"] = why_no_gap
    return Aggregate(columns.primary, primary_metric, direction, metrics, proposed, baseline, gap, missing, reasons)


def gap_percent(
    proposed: float | None, baseline: float | None, direction: Direction
) -> tuple[float | None, str | None]:
    """Return the improvement over the baseline in percent of the baseline, or None and the reason.

    ``(proposed - baseline) / baseline * 100``, with the sign reversed for a metric that is minimised, so that a
    positive gap always means that the proposed method is better.

    >>> gap_percent(0.92, 0.88, "maximize")[0]
    4.545454545454549
    """
    if proposed is None or baseline is None:
        absent = " and ".join(name for name, value in (("proposed", proposed), ("baseline", baseline)) if value is None)
        return None, f"there is no best {absent} run with a value"
    if baseline <= 0:
        return None, f"the best baseline's value is {baseline:g}, and a percentage of it has no meaning"
    gap = (proposed - baseline) / baseline * 100
    if not math.isfinite(gap):
        return None, f"the best baseline's value is {baseline:g}, too close to zero for a percentage"
    return (gap if direction == "maximize" else 0.0 - gap), None


def run_metrics(record: RunRecord, columns: Columns = DEFAULT) -> dict[str, Any]:
    """Return the content of one run's metrics.json: what it is, its metrics, and why some are null.

    The entry ``missing`` maps each metric that is null to the reason.
    """
    found, why = _values(record, columns)
    if columns.primary not in found:
        found = {columns.primary: None, **found}
        why = {columns.primary: f"run {record.run_id} did not record {columns.primary}", **why}
    return {
        "run_id": record.run_id,
        "method": method_of(record, columns),
        "state": record.state,
        "budget_s": budget_of(record, columns),
        "history_rows": len(record.history),
        "test_questions": None if record.outcomes is None else len(record.outcomes),
        "metrics": dict(sorted(found.items())),
        "missing": dict(sorted(why.items())),
        "config": strict(record.config),
    }


def strict(value: Any) -> Any:
    """Return a value that strict JSON can hold: NaN and infinity as None, unknown objects as their text."""
    if isinstance(value, Mapping):
        return {str(key): strict(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [strict(item) for item in value]
    if value is None or isinstance(value, bool | int | str):
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    return str(value)


def _values(record: RunRecord, columns: Columns) -> tuple[dict[str, float | None], dict[str, str]]:
    """Return the run's metrics by name and, for each that is None, the reason."""
    found: dict[str, float | None] = {}
    why: dict[str, str] = {}
    flat = dict(_flat(record.summary))
    for name, value in flat.items():
        if name.endswith(columns.missing_suffix) and (value is None or isinstance(value, str)):
            metric = name.removesuffix(columns.missing_suffix)
            if flat.get(metric) is None:
                found[metric] = None
                why[metric] = value or f"run {record.run_id} recorded null without a reason"
        elif value is None:
            found[name] = None
            why.setdefault(name, f"run {record.run_id} recorded null without a reason")
        elif isinstance(value, int | float) and not isinstance(value, bool):
            if math.isfinite(value):
                found[name] = value
            else:
                found[name] = None
                why[name] = f"run {record.run_id} recorded {value}"
    return found, why


def _flat(summary: Mapping[str, Any], prefix: str = "") -> list[tuple[str, Any]]:
    """Return the leaves with dotted names; pictures, tables and other media of the tracker are no metrics."""
    leaves: list[tuple[str, Any]] = []
    for name, value in summary.items():
        if isinstance(value, Mapping):
            if "_type" not in value:
                leaves += _flat(value, f"{prefix}{name}.")
        else:
            leaves.append((f"{prefix}{name}", value))
    return leaves


def _best(
    primary: Mapping[str, float | None], wanted: Role, direction: Direction, reasons: dict[str, str], columns: Columns
) -> Best:
    of_role = [run_id for run_id in primary if role(run_id) == wanted]
    candidates = [(run_id, value) for run_id in of_role if (value := primary[run_id]) is not None]
    if not candidates:
        word = "'proposed'" if wanted == "proposed" else "'comparative' or 'baseline'"
        reasons[f"best_{wanted}"] = (
            f"none of the {wanted} runs has a value of {columns.primary}" if of_role else f"no run id contains {word}"
        )
        return Best(None, None)
    sign = 1 if direction == "maximize" else -1
    run_id, value = max(candidates, key=lambda candidate: sign * candidate[1])
    return Best(run_id, value)
