"""Compare finished runs: ``uv run python -m src.evaluate results_dir=<path> run_ids='["run-1", "run-2"]'``.

Everything is read from W&B; no file of the training is needed.
"""

from __future__ import annotations

import json
import math
import sys
from itertools import product
from pathlib import Path
from typing import Any

import matplotlib

matplotlib.use("Agg")

import matplotlib.pyplot as plt
import pandas as pd
import wandb
from omegaconf import OmegaConf
from scipy.stats import binomtest

CONFIG = Path(__file__).resolve().parents[1] / "config" / "config.yaml"
PRIMARY = "exact_match_at_budget"  # the summary's name of the primary metric; higher is better
PRIMARY_METRIC = "Exact-match accuracy at {minutes:g} min wall-clock."
NO_CONFUSION_MATRIX = "not applicable because the answers are free text that is right or wrong, not one of some classes"


def parse(arguments: list[str]) -> tuple[Path, list[str]]:
    """Return the folder for results and the run ids from ``key=value`` arguments."""
    given = dict(argument.split("=", 1) for argument in arguments if "=" in argument)
    if len(given) != len(arguments) or set(given) != {"results_dir", "run_ids"}:
        raise SystemExit('error: say results_dir=<path> run_ids=\'["run-1", "run-2"]\'')
    run_ids = json.loads(given["run_ids"])
    if not isinstance(run_ids, list) or not run_ids or not all(isinstance(run_id, str) for run_id in run_ids):
        raise SystemExit(f"error: run_ids={given['run_ids']}: it is a JSON list of run ids")
    return Path(given["results_dir"]), run_ids


def strict(value: Any) -> Any:
    """Return a value that JSON can hold: numbers that are not finite become null."""
    if isinstance(value, dict):
        return {str(key): strict(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [strict(item) for item in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value


def write_json(path: Path, value: Any) -> Path:
    """Write a value as strict JSON and return the path."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(strict(value), indent=2, allow_nan=False) + "\n", encoding="utf-8")
    return path


def read_run(api: wandb.Api, name: str, folder: Path) -> dict[str, Any]:
    """Return a run's whole history, summary, configuration and the outcome of each test question by its id."""
    run = api.run(name)
    folder.mkdir(parents=True, exist_ok=True)
    with run.file("outcomes.jsonl").download(root=str(folder), replace=True) as stream:
        outcomes = [json.loads(line) for line in stream]
    return {
        "history": pd.DataFrame(list(run.scan_history())),
        "summary": {key: value for key, value in run.summary._json_dict.items() if not key.startswith("_")},
        "config": dict(run.config),
        "outcomes": {row["question_id"]: bool(row["correct"]) for row in outcomes},
    }


def save(figure: Any, path: Path) -> Path:
    """Write a figure as PDF, close it, and return the path."""
    figure.tight_layout()
    figure.savefig(path)
    plt.close(figure)
    return path


def export_run(run_id: str, record: dict[str, Any], folder: Path) -> list[Path]:
    """Write one run's metrics and figures into its folder; return the files."""
    history = record["history"]
    metrics = {
        "run_id": run_id,
        "primary_metric": {"name": PRIMARY, "value": record["summary"].get(PRIMARY)},
        "summary": record["summary"],
        "config": record["config"],
        "history": history.to_dict(orient="records"),
        "confusion_matrix": NO_CONFUSION_MATRIX,
    }
    written = [write_json(folder / "metrics.json", metrics)]
    for key, label in (("dev_exact_match", "exact match, development"), ("train_loss", "loss per answer token, nats")):
        if key not in history.columns:
            continue
        points = history[["elapsed_s", key]].dropna()
        figure, axes = plt.subplots(figsize=(6, 4))
        axes.plot(points["elapsed_s"] / 60.0, points[key], label=run_id)
        axes.set_xlabel("minutes of the budget")
        axes.set_ylabel(label)
        axes.set_title(run_id)
        axes.legend()
        written.append(save(figure, folder / f"{run_id}_{key}_learning_curve.pdf"))
    return written


def metrics_by_name(records: dict[str, dict[str, Any]]) -> dict[str, dict[str, float | None]]:
    """Return every numeric summary value by metric and run; None where a run does not have it."""
    names = sorted(
        key
        for key in set().union(*(record["summary"] for record in records.values()))
        if any(isinstance(record["summary"].get(key), int | float) for record in records.values())
    )
    return {name: {run_id: record["summary"].get(name) for run_id, record in records.items()} for name in names}


def best(values: dict[str, float | None], *tags: str) -> dict[str, Any]:
    """Return the run with the highest value among those whose id has one of the tags, or nulls with the reason."""
    own = {run_id: value for run_id, value in values.items() if any(tag in run_id for tag in tags)}
    known = {run_id: value for run_id, value in own.items() if value is not None and math.isfinite(value)}
    if not known:
        return {"run_id": None, "value": None, "reason": f"no run named {' or '.join(tags)} has {PRIMARY}"}
    run_id = max(known, key=lambda key: known[key])
    return {"run_id": run_id, "value": known[run_id]}


def gap_in_percent(proposed: float | None, baseline: float | None) -> float | None:
    """Return by how many percent of the baseline the proposed method is better, None where that is undefined."""
    if proposed is None or baseline is None or baseline == 0:
        return None
    return (proposed - baseline) / baseline * 100


def mcnemar(first: dict[str, bool], second: dict[str, bool]) -> dict[str, Any]:
    """Return the exact paired test over the questions that both runs answered."""
    shared = sorted(set(first) & set(second))
    only_first = sum(first[key] and not second[key] for key in shared)
    only_second = sum(second[key] and not first[key] for key in shared)
    found: dict[str, Any] = {"questions": len(shared), "only_first": only_first, "only_second": only_second}
    if only_first + only_second == 0:
        return found | {"p": None, "reason": "no question tells the two runs apart"}
    return found | {"p": float(binomtest(only_first, only_first + only_second, 0.5).pvalue)}


def significance(records: dict[str, dict[str, Any]]) -> list[dict[str, Any]]:
    """Return McNemar's exact test of every proposed run against every baseline, corrected after Holm."""
    proposed = [run_id for run_id in records if "proposed" in run_id]
    baselines = [run_id for run_id in records if "comparative" in run_id or "baseline" in run_id]
    tests = [
        {"first": one, "second": other} | mcnemar(records[one]["outcomes"], records[other]["outcomes"])
        for one, other in product(proposed, baselines)
    ]
    ranked = sorted((test for test in tests if test["p"] is not None), key=lambda test: float(test["p"]))
    largest = 0.0
    for rank, test in enumerate(ranked):
        largest = max(largest, min(1.0, float(test["p"]) * (len(ranked) - rank)))
        test["p_holm"] = largest
    return tests


def draw_bars(values: dict[str, float | None], title: str, path: Path) -> Path:
    """Draw the primary metric of every run that has it."""
    known = {run_id: value for run_id, value in values.items() if value is not None}
    figure, axes = plt.subplots(figsize=(max(6.0, 1.6 * len(known)), 4.5))
    for run_id, value in known.items():
        bars = axes.bar(run_id, value, label=run_id)
        axes.bar_label(bars, fmt="%.3f")
    axes.set_ylabel(title)
    axes.tick_params(axis="x", rotation=20)
    axes.legend()
    return save(figure, path)


def draw_curves(records: dict[str, dict[str, Any]], path: Path) -> Path:
    """Draw exact match on the development questions over time, all runs in one figure."""
    figure, axes = plt.subplots(figsize=(7, 4.5))
    for run_id, record in records.items():
        if "dev_exact_match" in record["history"].columns:
            points = record["history"][["elapsed_s", "dev_exact_match"]].dropna()
            axes.plot(points["elapsed_s"] / 60.0, points["dev_exact_match"], marker=".", label=run_id)
        else:
            axes.plot([], [], label=f"{run_id}: not measured")
    axes.set_xlabel("minutes of the budget")
    axes.set_ylabel("exact match, development")
    axes.legend()
    return save(figure, path)


def draw_step_times(records: dict[str, dict[str, Any]], path: Path) -> Path:
    """Draw the seconds between consecutive logged steps as one box for each run."""
    figure, axes = plt.subplots(figsize=(max(6.0, 1.6 * len(records)), 4.5))
    times = [record["history"]["elapsed_s"].dropna().diff().dropna() for record in records.values()]
    axes.boxplot(times, tick_labels=list(records))
    for place, seconds in enumerate(times, start=1):
        axes.annotate(f"n={len(seconds)}", (place, 0), textcoords="offset points", xytext=(0, 4), ha="center")
    axes.set_ylabel("seconds from step to step")
    axes.tick_params(axis="x", rotation=20)
    return save(figure, path)


def compare(records: dict[str, dict[str, Any]], folder: Path) -> list[Path]:
    """Write what the runs say together into a folder, print the table, and return the files."""
    folder.mkdir(parents=True, exist_ok=True)
    metrics = metrics_by_name(records)
    primary = {run_id: record["summary"].get(PRIMARY) for run_id, record in records.items()}
    budgets = {float(record["config"]["training"]["budget_minutes"]) for record in records.values()}
    if len(budgets) != 1:
        raise SystemExit(f"error: runs with budgets of {sorted(budgets)} minutes cannot be compared")
    title = PRIMARY_METRIC.format(minutes=budgets.pop())
    proposed, baseline = best(primary, "proposed"), best(primary, "comparative", "baseline")
    aggregated = {
        "primary_metric": title,
        "metrics": metrics,
        "best_proposed": proposed,
        "best_baseline": baseline,
        "gap": gap_in_percent(proposed["value"], baseline["value"]),
    }
    table = pd.DataFrame(metrics)
    table.index.name = "run_id"
    table.to_csv(folder / "comparison_metrics_table.csv")
    print(table.T.to_string())
    return [
        write_json(folder / "aggregated_metrics.json", aggregated),
        write_json(folder / "significance.json", {"test": "exact McNemar, Holm", "pairs": significance(records)}),
        folder / "comparison_metrics_table.csv",
        draw_bars(primary, title, folder / "comparison_exact_match_bar_chart.pdf"),
        draw_curves(records, folder / "comparison_dev_exact_match_curves.pdf"),
        draw_step_times(records, folder / "comparison_step_time_box_plot.pdf"),
    ]


def main(arguments: list[str]) -> None:
    """Read the runs back, export each, then compare them."""
    results, run_ids = parse(arguments)
    place = OmegaConf.load(CONFIG).wandb
    api = wandb.Api()
    records = {
        run_id: read_run(api, f"{place.entity}/{place.project}/{run_id}", results / run_id) for run_id in run_ids
    }
    files = [path for run_id, record in records.items() for path in export_run(run_id, record, results / run_id)]
    for path in [*files, *compare(records, results / "comparison")]:
        print(path)


if __name__ == "__main__":
    main(sys.argv[1:])
