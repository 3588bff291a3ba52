"""The cells as tables for a reader: one row a method, the proposed one against each of the others."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from benchmarks.chipseq.cells import Cell
from benchmarks.chipseq.evidence import Difference, over_blocks, over_seeds

PROPOSED = "technb_mixture"
COLUMNS = {
    "nll": ".4f",
    "nll_each": ".4f",
    "pit_ks": ".3f",
    "coverage_50": ".3f",
    "coverage_95": ".3f",
    "nll_technical_free": ".4f",
    "pit_ks_technical_free": ".3f",
    "p_below_1_percent_free": ".4f",
    "log_mean_bias": "+.3f",
    "log_mean_rmse": ".3f",
    "log_size_bias": "+.3f",
    "log_size_rmse": ".3f",
    "auroc_p_values": ".4f",
    "auroc_posterior": ".4f",
    "cpu_s": ".1f",
}


def write(cells: Sequence[Cell], out: Path, heading: Sequence[str]) -> list[Path]:
    """Write ``summary.md`` and ``cells.csv``; return them."""
    lines = list(heading)
    for scenario in dict.fromkeys(cell.scenario for cell in cells):
        chosen = [cell for cell in cells if cell.scenario == scenario]
        lines += ["", f"## {scenario}", "", *scores_table(chosen), "", *_differences(chosen)]
    summary = out / "summary.md"
    summary.write_text("\n".join(lines) + "\n", encoding="utf-8")
    names = list(dict.fromkeys(name for cell in cells for name in cell.scores))
    with (out / "cells.csv").open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, ["scenario", "number", "method", *names], lineterminator="\n")
        writer.writeheader()
        for cell in cells:
            writer.writerow({"scenario": cell.scenario, "number": cell.number, "method": cell.method, **cell.scores})
    return [summary, out / "cells.csv"]


def scores_table(cells: Sequence[Cell]) -> list[str]:
    """Return a Markdown table of the means over seeds or turns, the lowest loss first."""
    present = [name for name in COLUMNS if any(name in cell.scores for cell in cells)]
    rows = []
    for method in dict.fromkeys(cell.method for cell in cells):
        of_method = [cell.scores for cell in cells if cell.method == method]
        means = {
            name: float(np.mean([scores[name] for scores in of_method]))
            for name in present
            if all(name in scores for scores in of_method)
        }
        rows.append(
            (means["nll"], method, [format(means[name], COLUMNS[name]) if name in means else "–" for name in present])
        )
    lines = ["| method | " + " | ".join(present) + " |", "|---|" + "---:|" * len(present)]
    lines += [f"| {method} | " + " | ".join(row) + " |" for _, method, row in sorted(rows)]
    truth = [cell.scores["nll_background_of_truth"] for cell in cells if "nll_background_of_truth" in cell.scores]
    if truth:
        lines += ["", f"The distribution that bins without signal were drawn from has {np.mean(truth):.4f} there."]
    return lines


def _differences(cells: Sequence[Cell]) -> list[str]:
    if not any(cell.method == PROPOSED for cell in cells):
        return []
    real = any(cell.losses is not None for cell in cells)
    lines = []
    if real:
        lines += _table("nll, over held-out blocks", over_blocks(cells, PROPOSED))
    else:
        for metric in ("nll", "nll_each", "pit_ks"):
            lines += _table(f"{metric}, over seeds", over_seeds(cells, PROPOSED, metric))
    return lines


def _table(title: str, found: Sequence[Difference]) -> list[str]:
    if not found:
        return []
    lines = [f"{PROPOSED} minus the other, {title} (n = {found[0].n}); p after Holm over the rows:", ""]
    lines += ["| other | difference | 95 % interval | p of t | p of sign flips |", "|---|---:|---|---:|---:|"]
    for one in found:
        of_t = "–" if one.p_t_holm is None else f"{one.p_t_holm:.2g}"
        lines.append(
            f"| {one.rival} | {one.estimate:+.4f} | {one.low:+.4f} to {one.high:+.4f} | {of_t} | {one.p_holm:.2g} |"
        )
    return [*lines, ""]
