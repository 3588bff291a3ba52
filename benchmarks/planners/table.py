"""The bake-off as tables: one row per method, one row per cell, in Markdown and CSV."""

import csv
import io
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from benchmarks.planners.aims import memory_ratio
from benchmarks.planners.board import Board
from benchmarks.planners.choosing import best_of_curve, best_rate, worst_in
from benchmarks.planners.evidence import Estimate, over_questions_and_seeds, score
from benchmarks.planners.grid import Method
from benchmarks.planners.measure import Measure
from benchmarks.planners.outcome import Outcome

_BASE = "linear"


@dataclass(frozen=True)
class Row:
    """A method in the summary; costs are medians over all of its cells.

    Attributes
    ----------
    method, planner
        Label, and the planner with its options.
    rate
        Chosen on development questions.
    dev, test
        Score at that rate, mean over seeds; `test` with its interval over questions and seeds.
    default
        Test score at the untuned rate; None where the grid has no such rate.
    worst_rate, worst
        The rate of the grid with the worst test score, and that.
    dev_loss
        At the chosen rate in nats per token.
    steps, tokens
        At the chosen rate, median over seeds.
    overhead_percent, memory_mb, memory_ratio, energy_j
        Of the clock's training time; MiB; over that of linear; joules. None where not known.
    energy_missing
        Why there are no joules.
    elapsed_s, training_s
        Both clocks: with evaluations and without.
    failed
        Cells that diverged, crashed or died, of all.
    """

    method: str
    planner: str
    rate: float
    dev: float
    test: Estimate | None
    default: Estimate | None
    worst_rate: float
    worst: float
    dev_loss: float
    steps: float
    tokens: float
    overhead_percent: float | None
    memory_mb: float | None
    memory_ratio: float | None
    energy_j: float | None
    energy_missing: str | None
    elapsed_s: float
    training_s: float
    failed: int
    cells: int


def rows(board: Board, default_rate: float) -> tuple[Row, ...]:
    """Return one row per method, the best test score first."""
    made = [_row(board, method, default_rate) for method in board.methods]
    sign = board.measure.sign
    return tuple(sorted(made, key=lambda row: -(sign * row.test.value if row.test else row.steps)))


def _row(board: Board, method: Method, default_rate: float) -> Row:
    label = method.label
    rate = best_rate(board, label)
    chosen, everything = board.of(label, rate), board.all_of(label)
    worst_rate, worst = worst_in(board, label, board.rates) if board.scored else (rate, 0.0)
    energies = [o.energy_j for o in chosen]
    joules = None if any(e is None for e in energies) else _median([e for e in energies if e is not None])
    overhead = _median([o.overhead for o in everything if o.overhead is not None])
    options = "".join(f",{key}={value}" for key, value in method.options.items())
    return Row(
        method=label,
        planner=method.planner + options,
        rate=rate,
        dev=board.dev_score(label, rate),
        test=score(board, label, rate) if board.scored else None,
        default=score(board, label, default_rate) if board.scored and default_rate in board.rates else None,
        worst_rate=worst_rate,
        worst=worst,
        dev_loss=board.dev_loss(label, rate),
        steps=float(np.median([o.steps for o in chosen])),
        tokens=float(np.median([o.tokens for o in chosen])),
        overhead_percent=None if overhead is None else 100 * overhead,
        memory_mb=_median([o.peak_memory_mb for o in everything if o.peak_memory_mb is not None]),
        memory_ratio=memory_ratio(board, label, _BASE),
        energy_j=joules,
        energy_missing=next((o.energy_missing for o in chosen if o.energy_missing), None),
        elapsed_s=float(np.median([o.elapsed_s for o in chosen])),
        training_s=float(np.median([o.training_s for o in chosen])),
        failed=sum(o.status != "ok" for o in everything),
        cells=len(everything),
    )


def _median(values: Sequence[float]) -> float | None:
    return float(np.median(values)) if values else None


def summary_markdown(board: Board, made: Sequence[Row], default_rate: float) -> str:
    """Return the table that a person reads."""
    heads = ["method", "planner", "best rate", "steps", "tokens", "overhead %", "peak MiB", "x linear", "joules",
             "clock s", "without evaluation s", "failed cells"]  # fmt: skip
    measure = board.measure
    own = measure.short
    scores = [f"test {own}", f"dev {own}", "dev loss", f"test {own} at {default_rate:g}", f"worst test {own} (rate)"]
    if measure.kind == "loss":
        scores.remove("dev loss")
    if board.scored:
        heads[3:3] = scores
    lines = ["| " + " | ".join(heads) + " |", "|" + "---|" * len(heads)]
    for row in made:
        cells = [row.method, row.planner, f"{row.rate:g}", f"{row.steps:g}", f"{row.tokens:,.0f}",
                 _shown(row.overhead_percent, ".2f"), _shown(row.memory_mb, ".0f"), _shown(row.memory_ratio, ".3f"),
                 _shown(row.energy_j, ".0f"), f"{row.elapsed_s:.1f}", f"{row.training_s:.1f}",
                 f"{row.failed} of {row.cells}"]  # fmt: skip
        if board.scored:
            loss = [f"{row.dev_loss:.4f}"] if measure.kind == "right" else []
            cells[3:3] = [_interval(measure, row.test), measure.bare(row.dev), *loss, _interval(measure, row.default),
                          f"{measure.bare(row.worst)} ({row.worst_rate:g})"]  # fmt: skip
        lines.append("| " + " | ".join(cells) + " |")
    missing = sorted({row.energy_missing for row in made if row.energy_missing})
    lines += ["", *(f"Joules are null: {reason}." for reason in missing)]
    return "\n".join(lines) + "\n"


def rates_markdown(board: Board) -> str:
    """Return the mean test score of every method at every rate."""
    lines = ["| method | " + " | ".join(f"{rate:g}" for rate in board.rates) + " |",
             "|---|" + "---|" * len(board.rates)]  # fmt: skip
    for method in board.methods:
        means = [float(board.test_score(method.label, rate).mean()) for rate in board.rates]
        lines.append(f"| {method.label} | " + " | ".join(map(board.measure.bare, means)) + " |")
    return "\n".join(lines) + "\n"


def best_of_markdown(board: Board) -> str:
    """Return the expected test score of the best of n rates against n."""
    width = len(board.rates)
    lines = ["| method | " + " | ".join(f"best of {n}" for n in range(1, width + 1)) + " |", "|---|" + "---|" * width]
    for method in board.methods:
        curve = best_of_curve(board, method.label)
        lines.append(f"| {method.label} | " + " | ".join(map(board.measure.bare, curve)) + " |")
    return "\n".join(lines) + "\n"


def failures_markdown(board: Board) -> str:
    """Return the cells that diverged, crashed or died, with their reasons; "" where there are none."""
    failed = [
        (key, outcome)
        for key, outcome in board.outcomes.items()
        if outcome.status != "ok" and key[1] == outcome.cell.rate
    ]
    if not failed:
        return ""
    lines = [f"| method | rate | seed | how | why | test {board.measure.short} |", "|---|---|---|---|---|---|"]
    for (label, rate, seed), outcome in failed:
        value = board.test_score(label, rate)[board.seeds.index(seed)] if board.scored else 0.0
        reason = (outcome.reason or "").replace("|", "/")
        lines.append(
            f"| {label} | {rate:g} | {seed} | {outcome.status} | {reason} | {board.measure.bare(float(value))} |"
        )
    return "\n".join(lines) + "\n"


def summary_csv(made: Sequence[Row]) -> str:
    """Return the summary with one column a figure; empty where a figure is not known."""
    return _csv(
        [
            {
                **{key: value for key, value in vars(row).items() if key not in ("test", "default")},
                **_columns("test", row.test),
                **_columns("default", row.default),
            }
            for row in made
        ]
    )


def cells_csv(board: Board) -> str:
    """Return one row per cell: Wilson's interval of its test exact match, or a bootstrap's of its loss."""
    cells = {(label, outcome.cell.path): outcome for (label, _, _), outcome in board.outcomes.items()}
    return _csv([_cell_row(board, label, outcome) for (label, _), outcome in cells.items()])


def _test_of_cell(board: Board, outcome: Outcome) -> tuple[float | None, float | None, float | None]:
    """Return a cell's test score and the bounds of its interval over questions; None where it has none."""
    from greenlight.assets.scoring import ExactMatch

    if outcome.test_right:
        right, questions = sum(outcome.test_right), len(outcome.test_right)
        return right / questions, *ExactMatch(right, questions).interval()
    losses = [loss for loss in outcome.test_losses if loss is not None]
    if board.measure.kind == "right" or not losses or len(losses) < len(outcome.test_losses):
        return None, None, None
    estimate = over_questions_and_seeds(np.array([losses]))
    return estimate.value, estimate.low, estimate.high


def _cell_row(board: Board, label: str, outcome: Outcome) -> dict[str, object]:
    value, low, high = _test_of_cell(board, outcome)
    final, of_right = outcome.final, board.measure.kind == "right"
    dev = {f"dev_{board.measure.key}": outcome.dev_exact_match if final else None} if of_right else {}
    return {
        "method": label,
        "rate": outcome.cell.rate,
        "seed": outcome.cell.seed,
        "status": outcome.status,
        "reason": outcome.reason,
        f"test_{board.measure.key}": value,
        "test_low": low,
        "test_high": high,
        **dev,
        "dev_loss": final.loss if final else None,
        "steps": outcome.steps,
        "tokens": outcome.tokens,
        "skipped": outcome.skipped,
        "elapsed_s": outcome.elapsed_s,
        "training_s": outcome.training_s,
        "overhead_s": outcome.overhead_s,
        "peak_memory_mb": outcome.peak_memory_mb,
        "energy_j": outcome.energy_j,
        "file": outcome.cell.path.as_posix(),
    }


def _columns(name: str, estimate: Estimate | None) -> dict[str, float | None]:
    if estimate is None:
        return {name: None, f"{name}_low": None, f"{name}_high": None}
    return {name: estimate.value, f"{name}_low": estimate.low, f"{name}_high": estimate.high}


def _csv(dictionaries: Sequence[dict[str, object]]) -> str:
    text = io.StringIO()
    writer = csv.DictWriter(text, fieldnames=list(dictionaries[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(dictionaries)
    return text.getvalue()


def _interval(measure: Measure, estimate: Estimate | None) -> str:
    if estimate is None:
        return "-"
    return f"{measure.bare(estimate.value)} [{measure.bare(estimate.low)}, {measure.bare(estimate.high)}]"


def _shown(value: float | None, form: str) -> str:
    return "null" if value is None else format(value, form)
