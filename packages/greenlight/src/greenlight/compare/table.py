"""One table of all runs: what they reached, what it cost, and how they differ from the best baseline."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from greenlight.compare.aggregate import Aggregate
from greenlight.compare.columns import DEFAULT, Columns
from greenlight.compare.findings import number
from greenlight.compare.json_files import write_bytes
from greenlight.compare.records import RunRecord, method_of, short_names
from greenlight.compare.significance import Significance

if TYPE_CHECKING:
    from rich.table import Table as RichTable


# The columns of the terminal by their place among the headings, under names short enough for one line.
_ON_A_TERMINAL = {
    0: "run",
    2: "test score",
    3: "AUC",
    4: "steps",
    6: "overhead %",
    9: "vs best baseline, pp",
    10: "p (Holm)",
}


@dataclass(frozen=True)
class Row:
    """One run; a value that is None has its reason in `missing`, by the name of the field."""

    run_id: str
    method: str
    score: float | None
    score_interval: tuple[float, float] | None
    auc: float | None
    steps: float | None
    tokens: float | None
    planner_overhead: float | None
    peak_memory_mb: float | None
    energy_j: float | None
    difference: float | None
    difference_interval: tuple[float, float] | None
    p_holm: float | None
    missing: dict[str, str]


@dataclass(frozen=True)
class ComparisonTable:
    """The rows of a comparison and the words around them."""

    title: str
    score: str
    score_is_proportion: bool
    reference: str | None
    rows: tuple[Row, ...]

    def as_rich(self) -> RichTable:
        """Return the table for a terminal of 100 columns; print it with ``rich.console.Console().print``.

        Only what decides is shown, one line a run; the files hold every column.
        """
        from rich.table import Table

        names, ending = short_names([row.run_id for row in self.rows])
        title = f"{self.title} (run ids end in {ending})" if ending else self.title
        table = Table(title=title, title_justify="left", caption=self._note(), caption_justify="left")
        for index, heading in _ON_A_TERMINAL.items():
            # A run is looked up by its id, so the id is never cut short.
            percent = " %" if self.score_is_proportion and index in (2, 3) else ""
            table.add_column(f"{heading}{percent}", justify="left" if index == 0 else "right", overflow="fold")
        for row in self.rows:
            cells = [names[row.run_id], *self._cells(row)[1:]]
            table.add_row(*(_plain(cells[index]) for index in _ON_A_TERMINAL))
        return table

    def as_markdown(self) -> str:
        """Return the table and the reasons for what is missing as GitHub-flavoured Markdown."""
        headings = self._headings()
        lines = [f"**{_escaped(self.title)}**", ""]
        lines.append("| " + " | ".join(_escaped(name) for name in headings) + " |")
        lines.append("|" + "|".join(" --- " if index < 2 else " ---: " for index in range(len(headings))) + "|")
        lines += ["| " + " | ".join(_escaped(cell) for cell in self._cells(row)) + " |" for row in self.rows]
        lines += ["", _escaped(self._note())]
        reasons = [f"- {row.run_id}, {name}: {reason}" for row in self.rows for name, reason in row.missing.items()]
        if reasons:
            lines += ["", "Not available:", "", *map(_escaped, reasons)]
        return "\n".join(lines) + "\n"

    def as_csv(self) -> str:
        """Return the unrounded numbers, one run a line; a missing value is empty, its reason in the last column."""
        stream = io.StringIO()
        writer = csv.writer(stream, lineterminator="\n")
        writer.writerow([*_CSV, "reference", "missing"])
        for row in self.rows:
            reasons = "; ".join(f"{name}: {reason}" for name, reason in row.missing.items())
            cells = [read(row) for read in _CSV.values()]
            writer.writerow(["" if cell is None else cell for cell in [*cells, self.reference, reasons]])
        return stream.getvalue()

    def write(self, folder: Path) -> tuple[Path, Path]:
        """Write ``comparison_table.csv`` and ``comparison_table.md`` into a folder and return both paths.

        Raises
        ------
        GreenlightError
            If the folder cannot be written to.
        """
        return (
            write_bytes(Path(folder) / "comparison_table.csv", self.as_csv().encode()),
            write_bytes(Path(folder) / "comparison_table.md", self.as_markdown().encode()),
        )

    def _headings(self) -> list[str]:
        percent = " (%)" if self.score_is_proportion else ""
        return [
            "run",
            "method",
            f"test {self.score}{percent} [95 %]",
            f"AUC over budget{percent}",
            "steps",
            "tokens",
            "planner overhead (%)",
            "peak memory (MB)",
            "energy (J)",
            "minus best baseline (pp) [95 %]",
            "p (McNemar, Holm)",
        ]

    def _cells(self, row: Row) -> list[str]:
        scale, digits = (100, 1) if self.score_is_proportion else (1, 4)
        is_reference = row.run_id == self.reference
        return [
            row.run_id,
            row.method,
            _with_interval(row.score, row.score_interval, f".{digits}f", scale),
            _number(row.auc, f".{digits}f", scale),
            _number(row.steps, ",.0f"),
            _number(row.tokens, ",.0f"),
            _number(row.planner_overhead, ".2f", 100),
            _number(row.peak_memory_mb, ",.0f"),
            row.missing["energy_j"] if row.energy_j is None else _number(row.energy_j, ",.0f"),
            "best baseline" if is_reference else _with_interval(row.difference, row.difference_interval, "+.1f", 100),
            "" if is_reference else ("–" if row.p_holm is None else number(row.p_holm)),
        ]

    def _note(self) -> str:
        if self.reference is None:
            return "No baseline among the runs, so no differences. Intervals are Wilson's."
        return (
            f"Differences are to {self.reference}, paired over the test questions (bootstrap interval, "
            "p corrected over all pairs of runs). Intervals of the score are Wilson's."
        )


def comparison_table(
    records: Sequence[RunRecord], totals: Aggregate, significance: Significance, columns: Columns = DEFAULT
) -> ComparisonTable:
    """Return the table of a comparison, best run first.

    Parameters
    ----------
    records
        The runs.
    totals, significance
        What :func:`greenlight.compare.aggregate.aggregate` and
        :func:`greenlight.compare.significance.compare_runs` say about the same runs.
    columns
        Which summary keys hold what.
    """
    rows = [_row(record, totals, significance, columns) for record in records]
    sign = -1 if totals.direction == "maximize" else 1
    rows.sort(key=lambda row: (row.score is None, sign * (row.score or 0.0)))
    return ComparisonTable(
        title=totals.primary_metric.rstrip("."),
        score=columns.score,
        score_is_proportion=columns.score_is_proportion,
        reference=totals.best_baseline.run_id,
        rows=tuple(rows),
    )


def _row(record: RunRecord, totals: Aggregate, significance: Significance, columns: Columns) -> Row:
    run_id, reference = record.run_id, totals.best_baseline.run_id
    missing: dict[str, str] = {}

    def metric(name: str, key: str) -> float | None:
        value = totals.metrics.get(key, {}).get(run_id)
        if value is None:
            missing[name] = totals.missing.get(key, {}).get(run_id, f"run {run_id} did not record {key}")
        return value

    wilson = significance.intervals[run_id]
    if wilson.not_applicable is not None:
        missing["score_interval"] = wilson.not_applicable
    pair = None if reference is None or run_id == reference else significance.between(run_id, reference)
    if reference is None:
        missing["difference"] = totals.reasons["best_baseline"]
    elif pair is not None and pair.difference.not_applicable is not None:
        missing["difference"] = pair.difference.not_applicable
    return Row(
        run_id=run_id,
        method=method_of(record, columns),
        score=metric("score", columns.primary),
        score_interval=wilson.interval,
        auc=metric("auc", columns.auc),
        steps=metric("steps", columns.steps),
        tokens=metric("tokens", columns.total_tokens),
        planner_overhead=metric("planner_overhead", columns.planner_overhead),
        peak_memory_mb=metric("peak_memory_mb", columns.peak_memory_mb),
        energy_j=metric("energy_j", columns.energy_j),
        difference=None if pair is None else pair.difference.estimate,
        difference_interval=None if pair is None else pair.difference.interval,
        p_holm=None if pair is None else pair.test.p_holm,
        missing=missing,
    )


_CSV: dict[str, Callable[[Row], str | float | None]] = {
    "run_id": lambda row: row.run_id,
    "method": lambda row: row.method,
    "score": lambda row: row.score,
    "score_low": lambda row: _bound(row.score_interval, 0),
    "score_high": lambda row: _bound(row.score_interval, 1),
    "auc": lambda row: row.auc,
    "steps": lambda row: row.steps,
    "tokens": lambda row: row.tokens,
    "planner_overhead_fraction": lambda row: row.planner_overhead,
    "peak_memory_mb": lambda row: row.peak_memory_mb,
    "energy_j": lambda row: row.energy_j,
    "difference": lambda row: row.difference,
    "difference_low": lambda row: _bound(row.difference_interval, 0),
    "difference_high": lambda row: _bound(row.difference_interval, 1),
    "p_holm": lambda row: row.p_holm,
}


def _bound(interval: tuple[float, float] | None, index: int) -> float | None:
    return None if interval is None else interval[index]


def _number(value: float | None, form: str, scale: float = 1) -> str:
    return "–" if value is None else format(scale * value, form)


def _with_interval(value: float | None, interval: tuple[float, float] | None, form: str, scale: float) -> str:
    text = _number(value, form, scale)
    if value is None or interval is None:
        return text
    return f"{text} [{format(scale * interval[0], form)}, {format(scale * interval[1], form)}]"


def _escaped(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")


def _plain(text: str) -> str:
    """Keep rich from reading ``[a, b]`` as markup."""
    return text.replace("[", r"\[")
