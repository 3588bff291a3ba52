"""Compare finished runs: ``uv run python -m src.evaluate results_dir=<path> run_ids='["run-1", "run-2"]'``.

Everything is read from the tracker; no file of the training is needed. ``wandb.entity=`` and ``wandb.project=`` name
another place than config/config.yaml does.
"""

from __future__ import annotations

import csv
import io
import math
import shutil
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
import wandb
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table

from greenlight.compare.aggregate import Aggregate, Direction, aggregate, run_metrics, write_json
from greenlight.compare.columns import Columns
from greenlight.compare.command import parse
from greenlight.compare.figures.canvas import Drawn, joined, styled
from greenlight.compare.figures.over_time import learning_rate_over_time, loss_over_time, score_over_time
from greenlight.compare.figures.per_run import draw_run
from greenlight.compare.figures.scores import bar_chart, box_plot
from greenlight.compare.findings import ALPHA, CONFIDENCE, Finding, holm, not_applicable, number
from greenlight.compare.json_files import write_bytes
from greenlight.compare.records import RunRecord, check_comparable, method_of, short_names
from greenlight.compare.runs import connect, read_runs
from greenlight.compare.significance import compare_runs
from greenlight.errors import GreenlightError
from technoise import TechnoiseError, calibration_table
from technoise.qc.blocks import BlockDifference, block_difference
from technoise.qc.differences import draw_differences
from technoise.qc.metrics import log_likelihoods, pit_of
from technoise.qc.page import draw_page
from technoise.qc.predictions import Predictions
from technoise.qc.run_tracks import write_tracks

CONFIG = Path(__file__).resolve().parents[1] / "config" / "config.yaml"
PREDICTIONS = "predictions.npz"
PRIMARY_METRIC = "Held-out negative log-likelihood per bin (nats)."
DIRECTION: Direction = "minimize"
COLUMNS = Columns(
    tokens="bins_seen",
    total_tokens="bins_seen",
    dev_score="dev_nll",
    primary="test_nll",
    auc="auc_dev_nll_over_budget",
    score="negative log-likelihood (nats per bin)",
    score_is_proportion=False,
    loss_label="training loss (nats per bin)",
)
TEST_OVER_BLOCKS = "sign-flip test over blocks"
SCOPE = (
    "Tests over blocks say whether these trained models differ on bins like the held-out ones, whole blocks of the "
    "genome being the observations; they say nothing about another training run with another seed. The loss of a bin "
    "is the negative log-likelihood of all its replicates together, over their number: for models whose replicates are "
    "independent the mean over them, for a mixture that of their joint distribution."
)


@dataclass(frozen=True, eq=False)
class Result:
    """A run as the tracker holds it, its predictions, and its loss of each held-out bin in nats, shape (n_test,)."""

    record: RunRecord
    predictions: Predictions
    losses: NDArray[np.float64]

    @property
    def run_id(self) -> str:
        """The run's id."""
        return self.record.run_id


@dataclass(frozen=True)
class Pair:
    """Two runs on the same held-out bins; `difference` is None where the test says why."""

    first: str
    second: str
    difference: BlockDifference | None
    test: Finding


# ---- reading ---------------------------------------------------------------------------------------------------


def read_results(entity: str, project: str, run_ids: Sequence[str]) -> list[Result]:
    """Return the runs with their predictions, which must be of the same held-out bins.

    Raises
    ------
    GreenlightError, TechnoiseError
        If a run is missing or unfinished, its predictions are missing or damaged or do not give the loss that it
        reported, or two runs were tested on different bins or counts.
    """
    api = connect()
    records = read_runs(entity, project, run_ids, api)
    check_comparable(records, COLUMNS)
    results = [_result(record, _predictions(api, f"{entity}/{project}/{record.run_id}")) for record in records]
    first = results[0].predictions.subset(results[0].predictions.test)
    for result in results[1:]:
        other = result.predictions.subset(result.predictions.test)
        if first.bins != other.bins or not np.array_equal(first.counts, other.counts):
            raise GreenlightError(
                f"runs tested on different bins cannot be compared: {results[0].run_id} and {result.run_id} differ in "
                "their held-out bins or counts; train both on the same dataset section"
            )
    return results


def _predictions(api: wandb.Api, path: str) -> Predictions:
    saved = [file for file in api.run(path).files(names=[PREDICTIONS]) if file.name == PREDICTIONS and file.size > 0]
    if not saved:
        raise GreenlightError(f"run {path}: saved no {PREDICTIONS}; train it again in mode=full")
    with tempfile.TemporaryDirectory(prefix="chipseq-predictions-") as folder:
        saved[0].download(root=folder).close()
        return Predictions.load(Path(folder) / PREDICTIONS)


def _result(record: RunRecord, predictions: Predictions) -> Result:
    test = predictions.subset(predictions.test)
    losses = -log_likelihoods(test.counts, test.mean, test.size, test.signal)
    reported = record.summary.get(COLUMNS.primary)
    if not isinstance(reported, int | float) or not math.isclose(reported, float(losses.mean()), rel_tol=1e-9):
        raise GreenlightError(
            f"run {record.run_id}: the summary says {COLUMNS.primary} is {reported}, its predictions give "
            f"{losses.mean():.9g}; both must come from the same measurement; train the run again"
        )
    return Result(record, predictions, losses)


# ---- one run ---------------------------------------------------------------------------------------------------


def export_run(result: Result, results: Path) -> list[Path]:
    """Write one run's metrics.json, figures and tracks into its folder; return the files."""
    folder, record = results / result.run_id, result.record
    test = result.predictions.subset(result.predictions.test)
    seed = int(record.config["seed"])
    figures = draw_run(record, folder, COLUMNS)
    page = draw_page(
        folder / f"{result.run_id}_qc.pdf",
        test.counts,
        test.mean,
        test.size,
        replicates=test.replicates,
        title=f"{result.run_id}: {len(test.bins):,} held-out bins",
        seed=seed,
        signal=test.signal,
    )
    pit = pit_of(test.counts, test.mean, test.size, test.signal, seed)
    metrics = write_json(
        folder / "metrics.json",
        run_metrics(record, COLUMNS)
        | {
            "test_bins": len(test.bins),
            "calibration": [asdict(row) for row in calibration_table(pit)],
            "figures_not_drawn": dict(figures.skipped),
        },
    )
    tracks = write_tracks(result.predictions, folder / "tracks", result.run_id)
    return [metrics, *figures.paths, page, *tracks]


# ---- all runs --------------------------------------------------------------------------------------------------


def compare_over_blocks(results: Sequence[Result]) -> list[Pair]:
    """Return every pair of runs with the difference of their losses and its test over blocks of held-out bins."""
    test = results[0].predictions.subset(results[0].predictions.test)
    block_bp = int(results[0].record.config["evaluation"]["block_bp"])
    blocks = test.bins.blocks(block_bp)
    pairs = []
    for first, second in combinations(results, 2):
        subject = f"{first.run_id} against {second.run_id}"
        try:
            found = block_difference(first.losses, second.losses, blocks, seed=0)
        except TechnoiseError as error:
            pairs.append(
                Pair(first.run_id, second.run_id, None, not_applicable(TEST_OVER_BLOCKS, subject, 0, str(error)))
            )
            continue
        verdict = (
            f"Over {found.n_blocks} blocks of {block_bp:,} bp, {first.run_id} is {found.estimate:+.4f} nats per bin "
            f"from {second.run_id}, 95 % interval {found.low:+.4f} to {found.high:+.4f};"
        )
        finding = Finding(
            TEST_OVER_BLOCKS,
            subject,
            found.n_blocks,
            estimate=found.estimate,
            interval=(found.low, found.high),
            p_value=found.p_value,
            verdict=verdict,
        )
        pairs.append(Pair(first.run_id, second.run_id, found, finding))
    corrected = holm([pair.test for pair in pairs])
    return [Pair(pair.first, pair.second, pair.difference, test) for pair, test in zip(pairs, corrected, strict=True)]


def against(pairs: Sequence[Pair], run_id: str, reference: str) -> tuple[BlockDifference | None, Finding] | None:
    """Return the difference of a run to a reference and its test, whichever of the two was named first."""
    for pair in pairs:
        if (pair.first, pair.second) == (run_id, reference):
            return pair.difference, pair.test
        if (pair.first, pair.second) == (reference, run_id):
            found = pair.difference
            return None if found is None else found.swapped(), pair.test
    return None


def table_rows(results: Sequence[Result], totals: Aggregate, pairs: Sequence[Pair]) -> list[dict[str, Any]]:
    """Return one row a run, the best first; what is missing is None."""
    reference, rows = totals.best_baseline.run_id, []
    for result in results:
        run_id = result.run_id
        found = against(pairs, run_id, reference) if reference is not None and run_id != reference else None
        difference, test = found if found is not None else (None, None)
        row = {"run": run_id, "method": method_of(result.record), "model": result.record.config["model"]["type"]}
        for name in ("nll", "nll_each", "deviance", "pit_ks", "coverage_95", "residual_spearman"):
            row[f"test_{name}"] = totals.metrics.get(f"test_{name}", {}).get(run_id)
        row["steps"] = totals.metrics.get("steps", {}).get(run_id)
        rows.append(
            row
            | {
                "minus_best_baseline": None if difference is None else difference.estimate,
                "low": None if difference is None else difference.low,
                "high": None if difference is None else difference.high,
                "p_holm": None if test is None else test.p_holm,
                "best_baseline": run_id == reference,
            }
        )
    return sorted(rows, key=lambda row: row["test_nll"])


def _cells(row: dict[str, Any], name: str) -> list[str]:
    def shown(key: str, form: str) -> str:
        return "–" if row[key] is None else format(row[key], form)

    difference, p_value = shown("minus_best_baseline", "+.4f"), "–" if row["p_holm"] is None else number(row["p_holm"])
    if row["minus_best_baseline"] is not None:
        difference += f" [{row['low']:+.4f}, {row['high']:+.4f}]"
    if row["best_baseline"]:
        difference, p_value = "best baseline", ""
    metrics = (
        ("test_nll", ".4f"),
        ("test_nll_each", ".4f"),
        ("test_pit_ks", ".3f"),
        ("test_coverage_95", ".3f"),
    )
    return [name, row["model"], *(shown(*metric) for metric in metrics), shown("steps", ",.0f"), difference, p_value]


HEADINGS = ("run", "model", "NLL", "each alone", "PIT KS", "95 % coverage", "steps", "NLL minus best baseline", "p")


def write_table(rows: Sequence[dict[str, Any]], folder: Path) -> list[Path]:
    """Write comparison_table.csv and comparison_table.md and print the table; return the files."""
    names, ending = short_names([row["run"] for row in rows])
    title = PRIMARY_METRIC.rstrip(".") + (f" (run ids end in {ending})" if ending else "")
    note = (
        "Less is better. NLL is that of all replicates of a bin together, over their number; 'each alone' leaves out "
        "what a mixture's replicates say about each other. Differences of NLL are paired over blocks of held-out bins; "
        "p after Holm's correction over all pairs."
    )
    console = Console(width=None if sys.stdout.isatty() else max(140, shutil.get_terminal_size().columns))
    table = Table(title=title, title_justify="left", caption=note, caption_justify="left")
    for heading in HEADINGS:
        table.add_column(heading, justify="left" if heading in ("run", "model") else "right", overflow="fold")
    for row in rows:
        table.add_row(*(cell.replace("[", r"\[") for cell in _cells(row, names[row["run"]])))
    console.print(table)
    lines = [f"**{title}**", "", "| " + " | ".join(HEADINGS) + " |", "|" + " --- |" * len(HEADINGS)]
    lines += ["| " + " | ".join(_cells(row, row["run"])) + " |" for row in rows]
    stream = io.StringIO()
    writer = csv.DictWriter(stream, list(rows[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows({key: "" if value is None else value for key, value in row.items()} for row in rows)
    return [
        write_bytes(folder / "comparison_table.csv", stream.getvalue().encode()),
        write_bytes(folder / "comparison_table.md", ("\n".join([*lines, "", note]) + "\n").encode()),
    ]


def draw_comparison(results: Sequence[Result], totals: Aggregate, pairs: Sequence[Pair], folder: Path) -> Drawn:
    """Draw all runs side by side, each figure as ``comparison_{topic}.pdf``."""
    records = [result.record for result in results]
    significance = compare_runs(records, COLUMNS)
    with styled():
        drawn = joined(
            [
                bar_chart(records, totals, significance, folder, COLUMNS),
                score_over_time(records, folder, COLUMNS),
                loss_over_time(records, folder, COLUMNS),
                learning_rate_over_time(records, folder, COLUMNS),
                box_plot(significance, folder, COLUMNS),
            ]
        )
    topic, reference = "comparison_paired_differences", totals.best_baseline.run_id
    if reference is None:
        return joined([drawn, Drawn((), {topic: totals.reasons["best_baseline"]})])
    names, _ = short_names([result.run_id for result in results])
    found = [(result.run_id, against(pairs, result.run_id, reference)) for result in results]
    rows = [
        (names[run_id], pair[0], f"p = {number(pair[1].p_holm)} (Holm)")
        for run_id, pair in found
        if pair is not None and pair[0] is not None
    ]
    if not rows:
        return joined([drawn, Drawn((), {topic: "no run can be paired with the best baseline"})])
    title = "Held-out likelihood against the best baseline"
    path = draw_differences(folder / f"{topic}.pdf", rows, reference=names[reference], title=title)
    return joined([drawn, Drawn((path,))])


def export_comparison(results: Sequence[Result], place: Path) -> list[Path]:
    """Write what the runs say together into ``comparison/`` and print the table; return the files."""
    folder, records = place / "comparison", [result.record for result in results]
    totals = aggregate(records, primary_metric=PRIMARY_METRIC, direction=DIRECTION, columns=COLUMNS)
    pairs = compare_over_blocks(results)
    figures = draw_comparison(results, totals, pairs, folder)
    tests = {
        "alpha": ALPHA,
        "confidence": CONFIDENCE,
        "scope": SCOPE,
        "pairs": [{"first": pair.first, "second": pair.second, "test": pair.test.as_json()} for pair in pairs],
        "over_seeds": [finding.as_json() for finding in compare_runs(records, COLUMNS).over_seeds],
        "missing": totals.missing,
        "reasons": totals.reasons,
        "figures_not_drawn": dict(figures.skipped),
    }
    return [
        write_json(folder / "aggregated_metrics.json", totals.as_json()),
        write_json(folder / "significance.json", tests),
        *write_table(table_rows(results, totals, pairs), folder),
        *figures.paths,
    ]


def main(arguments: Sequence[str]) -> None:
    """Read the runs back, export each, then compare them."""
    said = parse(arguments, CONFIG)
    results = read_results(said.entity, said.project, said.run_ids)
    files = [path for result in results for path in export_run(result, said.results_dir)]
    for path in [*files, *export_comparison(results, said.results_dir)]:
        print(path)


if __name__ == "__main__":
    try:
        main(sys.argv[1:])
    except (GreenlightError, TechnoiseError) as error:
        sys.exit(f"error: {error}")
