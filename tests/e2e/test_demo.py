"""The demo through its real command; the tracker, read back over HTTP, is the witness."""

import json
import math
import os
import re
import signal
import subprocess

import pytest

from greenlight.launch.demo import RUN_IDS
from tests.e2e import concerns
from tests.e2e.playing import read_back
from tests.processes import GREENLIGHT, environment, marked, server, wait_for

pytestmark = pytest.mark.timeout(420)

PROPOSED, REACTOR, LINEAR = RUN_IDS
SECONDS = 14.0
QUESTIONS = 16
SMALL = (f"evaluation.test_examples={QUESTIONS}", "dataset.dev_examples=6", "evaluation.max_new_tokens=96")


def strict(path):
    def refuse(name):
        raise AssertionError(f"{path} holds {name}")

    return json.loads(path.read_text(), parse_constant=refuse)


@pytest.fixture(scope="module")
def demo(tmp_path_factory):
    """A whole demo with a short budget: its output, its results, and its runs read back from the tracker."""
    folder = tmp_path_factory.mktemp("demo")
    overrides = [word for override in SMALL for word in ("--set", override)]
    done = subprocess.run(
        [*GREENLIGHT, "demo", "--seconds", f"{SECONDS:g}", "--results", str(folder), "--no-stay", *overrides],
        env=environment(COLUMNS="200"),
        capture_output=True,
        text=True,
        check=False,
        timeout=400,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    (results,) = (path for path in folder.iterdir() if path.name[0].isdigit())
    with server("tracker", "--data", str(folder / "tracker")) as exports:
        project = f"demo-{results.name}"
        runs = {name: read_back(exports, project, results / name, folder / "saved") for name in RUN_IDS}
    return done.stdout, results, runs


def test_every_run_keeps_its_budget_and_uses_it(demo):
    _, _, runs = demo
    for run in runs.values():
        assert run.summary["budget_s"] == SECONDS
        concerns.within_budget(run)


def test_every_step_is_logged_once_and_the_planners_move_the_rate(demo):
    _, _, runs = demo
    for name, run in runs.items():
        assert [row["step"] for row in run.rows] == list(range(run.summary["steps"] + 1))
        assert run.state == "finished"
        assert any(key.startswith("planner/") for key in run.rows[-1])
        assert len({row["learning_rate"] for row in run.rows[1:]}) > 10, f"{name} never moved its rate"


def test_the_methods_differ_and_the_linear_bar_ends_near_zero(demo):
    _, _, runs = demo
    rates = {name: [row["learning_rate"] for row in run.rows[1:]] for name, run in runs.items()}
    assert rates[LINEAR][-1] < 0.15 * max(rates[LINEAR])
    assert max(rates[PROPOSED]) > 1.5 * max(rates[LINEAR]), "GRAFF's residual never raised an untuned rate"
    assert len({tuple(values[:10]) for values in rates.values()}) == 3


def test_evaluations_are_logged_and_the_summary_holds_what_the_contract_names(demo):
    _, _, runs = demo
    for run in runs.values():
        measured = run.evaluations
        assert measured[0]["elapsed_s"] == 0
        assert len(measured) >= 2
        summary = run.summary
        assert 0 < summary["exact_match_at_budget"] < 1
        assert summary["best_dev_exact_match"] >= summary["final_dev_exact_match"]
        assert 0 < summary["auc_em_over_budget"] < 1
        assert "outcomes.jsonl" in run.files


def test_training_writes_no_figures_and_no_results_file(demo):
    _, results, _ = demo
    for name in RUN_IDS:
        kept = {path.name for path in (results / name).iterdir() if not path.name.endswith(".pdf")}
        assert kept <= {
            "adapter", "clock.json", "history.jsonl", "metrics.json", "outcomes.jsonl", "run.json", "wandb", ".lock",
        }  # fmt: skip


def test_the_comparison_has_exactly_the_prescribed_structure_and_agrees_with_the_outcomes(demo):
    _, results, runs = demo
    content = strict(results / "comparison" / "aggregated_metrics.json")
    assert list(content) == ["primary_metric", "metrics", "best_proposed", "best_baseline", "gap"]
    assert content["primary_metric"] == f"Exact-match accuracy at {SECONDS:g} s wall-clock."
    values = content["metrics"]["exact_match_at_budget"]
    for name in RUN_IDS:
        rows = [json.loads(line) for line in (results / name / "outcomes.jsonl").read_text().splitlines()]
        assert len(rows) == QUESTIONS
        right = sum(row["correct"] for row in rows) / QUESTIONS
        assert values[name] == runs[name].summary["exact_match_at_budget"] == right
        assert all(row["correct"] == (row["prediction"] == row["gold"]) for row in rows)
    best = max((REACTOR, LINEAR), key=lambda name: values[name])
    assert content["best_proposed"] == {"run_id": PROPOSED, "value": values[PROPOSED]}
    assert content["best_baseline"]["value"] == values[best]
    assert math.isclose(content["gap"], (values[PROPOSED] - values[best]) / values[best] * 100)


def test_figures_carry_the_prescribed_names_and_are_whole_files(demo):
    _, results, _ = demo
    for name in RUN_IDS:
        strict(results / name / "metrics.json")
        figures = list((results / name).glob("*.pdf"))
        assert figures
        assert all(path.name.startswith(f"{name}_") for path in figures)
    compared = list((results / "comparison").glob("*.pdf"))
    assert compared
    assert all(path.name.startswith("comparison_") for path in compared)
    for path in results.rglob("*.pdf"):
        content = path.read_bytes()
        assert content.startswith(b"%PDF-")
        assert content.rstrip().endswith(b"%%EOF")


def test_significance_is_paired_over_questions(demo):
    _, results, _ = demo
    content = strict(results / "comparison" / "significance.json")
    assert len(content["pairs"]) == 3
    for pair in content["pairs"]:
        assert sum(pair["questions"].values()) == QUESTIONS
        assert 0 <= pair["mcnemar"]["p_value"] <= pair["mcnemar"]["p_holm"] <= 1


def test_the_demo_prints_a_table_with_intervals_the_files_and_the_page(demo):
    output, results, _ = demo
    for name in RUN_IDS:
        assert name in output
    assert re.search(r"\d+\.\d \[\d+\.\d, \d+\.\d\]", output)
    assert f"/greenlight/demo-{results.name}" in output
    assert "greenlight tracker --data" in output
    assert str(results / "comparison" / "aggregated_metrics.json") in output


def test_ctrl_c_in_the_demo_leaves_nothing_running(tmp_path):
    marker = f"GREENLIGHT_TEST_MARKER_{os.getpid()}"
    with subprocess.Popen(
        [
            *(*GREENLIGHT, "demo", "--experiment", "chipseq", "--results", str(tmp_path), "--no-stay"),
            *("--seconds", "100", "--set", "evaluation.max_bins=500"),
        ],
        env=environment(**{marker: "1"}),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    ) as process:

        def trained():
            assert process.poll() is None, process.communicate()[0]
            return any(json.loads(path.read_text())["elapsed_s"] > 0 for path in tmp_path.rglob("clock.json"))

        wait_for(trained)
        assert len(marked(marker)) >= 2
        os.killpg(process.pid, signal.SIGINT)
        output, _ = process.communicate(timeout=60)
    assert process.returncode == 130, output
    assert "nothing is left running" in output
    wait_for(lambda: not marked(marker), timeout_s=60)
