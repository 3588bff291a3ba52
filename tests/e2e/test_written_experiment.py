"""The experiment that `greenlight new` writes runs as it stands: its own commands and a local tracker."""

import json
import os
import signal

import pytest

from greenlight.scaffold import new
from greenlight.scaffold.experiment import run_ids
from tests.processes import wait_for

pytestmark = pytest.mark.timeout(240)

PROPOSED, COMPARATIVE = IDS = run_ids("first-try")
SECONDS = 5.0


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    return new("first-try", tmp_path_factory.mktemp("written"))


@pytest.fixture(scope="module")
def compared(stage, written, tmp_path_factory):
    """Both runs in full mode under a tiny budget, the first one interrupted and resumed, and their comparison."""
    results = tmp_path_factory.mktemp("results")
    clock = results / PROPOSED / "clock.json"

    def train(run_id):
        words = (f"run={run_id}", f"results_dir={results}", "mode=full", f"training.budget_seconds={SECONDS:g}")
        return stage.start(written, f"written-{run_id}", *words, "training.evaluation_steps=10")

    first, second = train(PROPOSED), train(COMPARATIVE)
    wait_for(lambda: clock.exists() and json.loads(clock.read_text())["elapsed_s"] > 0, every_s=0.02)
    os.kill(first.pid, signal.SIGINT)
    ended = first.wait()
    assert ended.returncode == 130, ended.output
    for command in (train(PROPOSED), second):
        ended = command.wait()
        assert ended.returncode == 0, ended.output
    words = (f"results_dir={results}", f"run_ids={json.dumps(IDS)}")
    ended = stage.start(written, "written-compared", *words, module="src.evaluate").wait()
    assert ended.returncode == 0, ended.output
    return results


def strict(path):
    def refuse(name):
        raise AssertionError(f"{path} holds {name}")

    return json.loads(path.read_text(), parse_constant=refuse)


def test_a_full_run_keeps_its_budget_tests_what_it_trained_and_resumes_with_what_was_left(compared):
    for run_id, resumed in ((PROPOSED, 1), (COMPARATIVE, 0)):
        metrics = strict(compared / run_id / "metrics.json")["metrics"]
        assert metrics["resumed"] == resumed
        assert metrics["budget_s"] == SECONDS
        assert 0.5 * SECONDS < metrics["elapsed_s"] < 1.5 * SECONDS
        assert metrics["steps"] > 0
        rows = [json.loads(line) for line in (compared / run_id / "outcomes.jsonl").read_text().splitlines()]
        assert len(rows) == 600
        assert metrics["accuracy_at_budget"] == sum(row["correct"] for row in rows) / 600 > 0.3
        steps = [json.loads(line)["step"] for line in (compared / run_id / "history.jsonl").read_text().splitlines()]
        assert steps == list(range(metrics["steps"] + 1))


def test_the_comparison_names_both_runs_pairs_their_outcomes_and_draws_stored_predictions(compared):
    content = strict(compared / "comparison" / "aggregated_metrics.json")
    assert content["primary_metric"] == "Test accuracy at 5 s wall-clock."
    assert content["best_proposed"]["run_id"] == PROPOSED
    assert content["best_baseline"]["run_id"] == COMPARATIVE
    (pair,) = strict(compared / "comparison" / "significance.json")["pairs"]
    assert sum(pair["questions"].values()) == 600
    for run_id in IDS:
        drawn = {path.name for path in (compared / run_id).glob("*.pdf")}
        topics = ("learning_curve", "learning_rate", "confusion_matrix")
        assert {f"{run_id}_{topic}.pdf" for topic in topics} <= drawn


def test_training_wrote_no_figure_and_no_results(written, compared):
    assert not list(written.rglob("*.pdf"))
    kept = {path.name for path in (compared / COMPARATIVE).iterdir() if path.suffix != ".pdf"}
    assert kept == {
        ".lock", "clock.json", "history.jsonl", "metrics.json", "model.safetensors", "outcomes.jsonl", "run.json",
        "wandb",
    }  # fmt: skip


def test_its_trial_runs_without_any_service_and_leaves_nothing(stage, written, tmp_path):
    nowhere = dict.fromkeys(("WANDB_BASE_URL", "HF_ENDPOINT"), "http://127.0.0.1:9")
    words = (f"run={PROPOSED}", f"results_dir={tmp_path}", "mode=trial")
    ended = stage.start(written, "written-trial", *words, **nowhere).wait()
    assert ended.returncode == 0, ended.output
    assert "after 2 steps" in ended.output
    assert {path.name for path in tmp_path.rglob("*")} == {PROPOSED, ".lock"}
