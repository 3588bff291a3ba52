"""Compare finished runs: ``uv run python -m src.evaluate results_dir=<path> run_ids='["run-1", "run-2"]'``.

Everything is read from the tracker; no file of the training is needed. ``wandb.entity=`` and ``wandb.project=`` name
another place than config/config.yaml does.
"""

from __future__ import annotations

import shutil
import sys
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console

from greenlight.compare.aggregate import Aggregate, Direction, aggregate, run_metrics, write_json
from greenlight.compare.budget import budget_label
from greenlight.compare.command import parse
from greenlight.compare.figures import draw_comparison
from greenlight.compare.figures.per_run import draw_run
from greenlight.compare.records import RunRecord, budget_of, check_comparable
from greenlight.compare.runs import read_runs
from greenlight.compare.significance import compare_runs
from greenlight.compare.table import comparison_table
from greenlight.errors import GreenlightError

CONFIG = Path(__file__).resolve().parents[1] / "config" / "config.yaml"
# For a budget of 30 minutes this is the hypothesis' own name of it; other budgets must not carry that name.
PRIMARY_METRIC = "Exact-match accuracy at {budget} wall-clock."
DIRECTION: Direction = "maximize"  # the expected results of the hypothesis: a higher exact match is better


def export_run(record: RunRecord, results: Path) -> list[Path]:
    """Write one run's metrics.json and figures into its folder; return the files."""
    folder = results / record.run_id
    figures = draw_run(record, folder)
    metrics = folder / "metrics.json"
    write_json(metrics, run_metrics(record) | {"figures_not_drawn": figures.skipped})
    return [metrics, *figures.paths]


def export_comparison(records: Sequence[RunRecord], results: Path) -> tuple[Aggregate, list[Path]]:
    """Write what the runs say together into ``comparison/`` and print the table; return the figures and files."""
    folder = results / "comparison"
    budget = budget_label(budget_of(records[0]))
    totals = aggregate(records, primary_metric=PRIMARY_METRIC.format(budget=budget), direction=DIRECTION)
    significance = compare_runs(records)
    table = comparison_table(records, totals, significance)
    figures = draw_comparison(records, totals, significance, folder)
    aggregated, tests = folder / "aggregated_metrics.json", folder / "significance.json"
    write_json(aggregated, totals.as_json())
    notes = {"missing": totals.missing, "reasons": totals.reasons, "figures_not_drawn": figures.skipped}
    write_json(tests, significance.as_json(notes))
    written = table.write(folder)
    # A pipe has no width of its own, and a table that is cut off says nothing.
    console = Console(width=None if sys.stdout.isatty() else max(100, shutil.get_terminal_size().columns))
    console.print(table.as_rich())
    return totals, [aggregated, tests, *written, *figures.paths]


def main(arguments: Sequence[str]) -> None:
    """Read the runs back, export each, then compare them."""
    said = parse(arguments, CONFIG)
    records = read_runs(said.entity, said.project, said.run_ids)
    check_comparable(records)
    files = [path for record in records for path in export_run(record, said.results_dir)]
    _, compared = export_comparison(records, said.results_dir)
    for path in [*files, *compared]:
        print(path)


if __name__ == "__main__":
    try:
        main(sys.argv[1:])
    except GreenlightError as error:
        sys.exit(f"error: {error}")
