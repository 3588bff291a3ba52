"""The experiment that `greenlight new` writes runs as it stands: its own commands, a local tracker, the review."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from greenlight.contract import experiment
from greenlight.rehearse.standins import loopback, tracker
from greenlight.scaffold import new
from greenlight.scaffold.experiment import run_ids

pytestmark = pytest.mark.timeout(240)

ROOT = Path(__file__).parents[4]
PROPOSED, COMPARATIVE = IDS = run_ids("first-try")
SECONDS = 5.0
LEADS_ELSEWHERE = ("WANDB_BASE_URL", "WANDB_API_KEY", "WANDB_MODE", "PYTHONDONTWRITEBYTECODE")


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    return new("first-try", tmp_path_factory.mktemp("written"))


@pytest.fixture(scope="module")
def environment(tmp_path_factory):
    """Bytecode is kept outside of the experiment: the four processes would compile the same libraries four times."""
    kept = {key: value for key, value in os.environ.items() if key not in LEADS_ELSEWHERE}
    bytecode = str(tmp_path_factory.getbasetemp().parent / "bytecode")
    return kept | {"OMP_NUM_THREADS": "1", "OMP_WAIT_POLICY": "PASSIVE", "PYTHONPYCACHEPREFIX": bytecode}


def start(folder, module, *arguments, environment):
    return subprocess.Popen(
        [sys.executable, "-u", "-m", module, *arguments],
        cwd=folder,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def ended(process):
    output, _ = process.communicate(timeout=200)
    return process.returncode, output


@pytest.fixture(scope="module")
def trial(written, environment, tmp_path_factory):
    """A trial without any service to talk to, started; it runs beside the full runs, as importing takes longest."""
    results = tmp_path_factory.mktemp("trial")
    process = start(
        written, "src.main", f"run={PROPOSED}", f"results_dir={results}", "mode=trial", environment=environment
    )
    yield process, results
    process.kill()


@pytest.fixture(scope="module")
def compared(trial, written, environment, tmp_path_factory):
    """Both runs in full mode under a tiny budget, the first one interrupted and resumed, and their comparison."""
    results = tmp_path_factory.mktemp("results")
    data = tmp_path_factory.mktemp("tracker")
    clock = results / PROPOSED / "clock.json"
    with loopback.background(tracker.app(data)) as address:
        served = environment | {"WANDB_BASE_URL": address, "WANDB_API_KEY": tracker.api_key(data)}

        def train(run_id):
            words = (f"run={run_id}", f"results_dir={results}", "mode=full", f"training.budget_seconds={SECONDS:g}")
            return start(written, "src.main", *words, "training.evaluation_steps=10", environment=served)

        first, second = train(PROPOSED), train(COMPARATIVE)
        while first.poll() is None and not (clock.exists() and json.loads(clock.read_text())["elapsed_s"] > 0):
            time.sleep(0.05)
        first.send_signal(signal.SIGINT)
        assert ended(first)[0] == 130
        status, log = ended(train(PROPOSED))
        assert status == 0, log
        status, log = ended(second)
        assert status == 0, log
        words = (f"results_dir={results}", f"run_ids={json.dumps(IDS)}")
        status, log = ended(start(written, "src.evaluate", *words, environment=served))
        assert status == 0, log
    return results


def strict(path):
    def refuse(name):
        raise AssertionError(f"{path} holds {name}")

    return json.loads(path.read_text(), parse_constant=refuse)


def test_the_written_experiment_has_exactly_the_files_of_the_contract(written):
    assert experiment.read(written).run_ids == tuple(sorted(IDS))
    runs = {f"config/runs/{run_id}.yaml" for run_id in IDS}
    found = {path.relative_to(written).as_posix() for path in written.rglob("*") if path.is_file()}
    assert found == {*experiment.FILES, *runs}


def test_the_review_finds_nothing_in_it(written, environment):
    done = subprocess.run(
        [sys.executable, "-m", "greenlight", "review", str(written)],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("command", [("check",), ("format", "--check")], ids=" ".join)
def test_it_has_the_style_of_the_repository(written, command):
    done = subprocess.run(
        [sys.executable, "-m", "ruff", *command, "--config", str(ROOT / "pyproject.toml"), "--no-cache", str(written)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_its_files_compile_are_short_and_hold_nothing_of_the_template(written):
    for path in written.rglob("*.*"):
        text = path.read_text(encoding="utf-8")
        assert "{{" not in text, path
        assert len(text.splitlines()) < 150, path
        if path.suffix == ".py":
            compile(text, str(path), "exec")


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


def test_its_trial_runs_with_nothing_but_this_interpreter_and_leaves_nothing(compared, trial):
    process, results = trial
    status, log = ended(process)
    assert status == 0, log
    assert "after 2 steps" in log
    assert {path.name for path in results.rglob("*")} == {PROPOSED, ".lock"}
