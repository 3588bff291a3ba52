import csv
import io
import subprocess
import sys
from dataclasses import replace

import pytest
from matplotlib.figure import Figure
from matplotlib.text import Text
from rich.console import Console

from greenlight.compare.aggregate import aggregate
from greenlight.compare.figures import draw_comparison, draw_run
from greenlight.compare.outcomes import read_outcomes
from greenlight.compare.significance import compare_runs
from greenlight.compare.table import comparison_table
from greenlight.errors import GreenlightError

IDS = [f"{name}-iter1-tiny-qwen3-arithmetic" for name in ("proposed", "comparative-1", "comparative-2")]


@pytest.fixture
def compared(make_run):
    runs = [make_run(name, accuracy=accuracy) for name, accuracy in zip(IDS, (0.7, 0.5, 0.3), strict=True)]
    return runs, aggregate(runs, primary_metric="Exact match.", direction="maximize"), compare_runs(runs)


def test_the_terminal_table_fits_into_100_columns_and_shows_what_decides(compared):
    text = io.StringIO()
    Console(file=text, width=100).print(comparison_table(*compared).as_rich())
    lines = text.getvalue().splitlines()
    assert max(map(len, lines)) <= 100
    rows = [line for line in lines if line.startswith("│")]
    assert len(rows) == 3, "one line a run"
    _, totals, found = compared
    best = found.between(IDS[0], totals.best_baseline.run_id).difference
    assert f"{100 * best.estimate:+.1f} [{100 * best.interval[0]:+.1f}, {100 * best.interval[1]:+.1f}]" in rows[0]
    for name in ("proposed", "comparative-1", "comparative-2"):
        assert any(name in row for row in rows)
    assert "iter1-tiny-qwen3-arithmetic" in lines[0] + lines[1]


def test_the_files_hold_every_column_and_the_reason_for_what_is_missing(compared):
    table = comparison_table(*compared)
    rows = list(csv.DictReader(io.StringIO(table.as_csv())))
    assert {row["run_id"] for row in rows} == set(IDS)
    for row in rows:
        assert row["energy_j"] == ""
        assert "energy_j: no energy counter on this machine" in row["missing"]
    markdown = table.as_markdown()
    assert all(name in markdown for name in IDS)
    assert "no energy counter on this machine" in markdown


def test_figures_have_the_prescribed_names_and_are_pdf(compared, tmp_path):
    runs, totals, found = compared
    for run in runs:
        drawn = draw_run(run, tmp_path / run.run_id)
        assert drawn.paths
        assert all(path.name.startswith(f"{run.run_id}_") and path.suffix == ".pdf" for path in drawn.paths)
    drawn = draw_comparison(runs, totals, found, tmp_path / "comparison")
    assert all(path.name.startswith("comparison_") and path.suffix == ".pdf" for path in drawn.paths)
    for path in tmp_path.rglob("*.pdf"):
        assert path.read_bytes().startswith(b"%PDF-")
    assert any("bar_chart" in path.name for path in drawn.paths)


@pytest.mark.parametrize("count", [2, 5])
def test_no_text_of_a_figure_leaves_the_page(make_run, tmp_path, monkeypatch, count):
    own, outside, seen = Figure.savefig, [], []

    def look_and_save(figure, *args, **kwargs):
        own(figure, *args, **kwargs)
        figure.set_dpi(72)  # as a PDF is laid out
        width, height = figure.bbox.size
        for text in figure.findobj(Text):
            # A tick beyond the limits is there and not drawn.
            if text.get_visible() and text.get_text().strip() and not text.get_text().strip().isdigit():
                box = text.get_window_extent()
                seen.append(text.get_text())
                if box.x0 < -1 or box.y0 < -1 or box.x1 > width + 1 or box.y1 > height + 1:
                    outside.append((text.get_text(), box.extents.tolist()))

    monkeypatch.setattr(Figure, "savefig", look_and_save)
    names = [f"proposed-iter1-tiny-qwen3-arithmetic{'-seed3' * (count > 2)}"]
    names += [f"comparative-{n}-iter1-tiny-qwen3-arithmetic" for n in range(1, count)]
    runs = [make_run(name, accuracy=0.4 + 0.05 * n) for n, name in enumerate(names)]
    totals = aggregate(runs, primary_metric="Exact-match accuracy at 45 s wall-clock.", direction="maximize")
    draw_comparison(runs, totals, compare_runs(runs), tmp_path)
    draw_run(runs[0], tmp_path)
    assert len(seen) > 50
    assert not outside, "\n".join(map(str, outside))


def test_a_box_plot_is_drawn_from_repeated_seeds_alone(make_run, compared, tmp_path):
    runs, totals, found = compared
    once = draw_comparison(runs, totals, found, tmp_path)
    assert not any("box" in path.name for path in once.paths)
    assert any("box" in name and "seed" in reason for name, reason in once.skipped.items())
    many = [
        make_run(f"{name}-{seed}", method=name, seed=seed) for name in ("proposed", "baseline") for seed in range(3)
    ]
    repeated = draw_comparison(
        many, aggregate(many, primary_metric="x", direction="maximize"), compare_runs(many), tmp_path
    )
    assert any("box" in path.name for path in repeated.paths)


def test_a_figure_without_its_column_is_left_out_with_the_reason(make_run, tmp_path):
    run = make_run("proposed")
    run = replace(run, history=run.history.drop(columns=["loss", "dev_exact_match"]))
    drawn = draw_run(run, tmp_path)
    assert not any("learning_curve" in path.name for path in drawn.paths)
    assert any("learning_curve" in name for name in drawn.skipped)


def test_a_planner_figure_that_never_changed_is_named_and_not_drawn(make_run, tmp_path):
    run = make_run("proposed")
    run.history["planner/skipped_steps"] = 0.0
    reasons = draw_run(run, tmp_path).skipped
    assert any("planner/skipped_steps" in reason for reason in reasons.values())


@pytest.mark.parametrize(
    "line",
    [
        '{"question_id": "a"',
        '{"question_id": "a", "correct": "yes", "prediction": "1", "gold": "1"}',
        "[]",
        '{"correct": true}',
    ],
)
def test_a_damaged_outcomes_file_is_named_with_its_line(tmp_path, line):
    path = tmp_path / "outcomes.jsonl"
    path.write_text('{"question_id": "q", "correct": true, "prediction": "1", "gold": "1"}\n' + line + "\n")
    with pytest.raises(GreenlightError, match="2"):
        read_outcomes(path, "run-a")


def test_significance_needs_neither_a_plot_nor_a_client():
    program = "import sys, greenlight.compare.significance as s; print({'matplotlib', 'wandb'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"
