"""The main job through its real commands; the tracker, read back over HTTP, is the witness."""

import json
import math
import os
import re
import signal
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import pytest

from greenlight.launch.demo import RUN_IDS
from tests.processes import GREENLIGHT, GSM8K, environment, marked, python, server, wait_for

pytestmark = pytest.mark.timeout(420)

PROPOSED, REACTOR, LINEAR = RUN_IDS
SECONDS = 20.0
SMALL = ("evaluation.test_examples=40", "dataset.dev_examples=16")

READ_BACK = """
import json, sys, wandb
api = wandb.Api()
run = api.run(sys.argv[1])
print(json.dumps({
    "rows": list(run.scan_history()), "summary": dict(run.summary), "config": dict(run.config), "state": run.state,
    "files": sorted(file.name for file in run.files()),
    "runs": [other.id for other in api.runs("/".join(sys.argv[1].split("/")[:2]))],
}, default=str))
"""


def read_back(path, exports):
    done = subprocess.run(
        [sys.executable, "-c", READ_BACK, path],
        env=environment(**exports),
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


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
        runs = {name: read_back(f"greenlight/demo-{results.name}/{name}", exports) for name in RUN_IDS}
    return done.stdout, results, runs


def test_every_run_keeps_its_budget_and_uses_it(demo):
    _, _, runs = demo
    for run in runs.values():
        summary = run["summary"]
        assert summary["budget_s"] == SECONDS
        assert 0.5 * SECONDS < run["rows"][-1]["elapsed_s"] < SECONDS
        # Answers may be late on a machine with other work, never by more than they were measured to take.
        assert summary["elapsed_s"] < 1.2 * SECONDS
        assert math.isclose(summary["overrun_s"], max(0.0, summary["elapsed_s"] - SECONDS))
        assert summary["stop_reason"] == "budget"


def test_every_step_is_logged_once_with_loss_rate_tokens_clock_and_planner(demo):
    _, _, runs = demo
    for name, run in runs.items():
        steps = [row["step"] for row in run["rows"]]
        assert steps == list(range(run["summary"]["steps"] + 1))
        for row in run["rows"][1:]:
            assert {"loss", "learning_rate", "tokens", "elapsed_s", "remaining_s"} <= row.keys()
            assert math.isclose(row["elapsed_s"] + row["remaining_s"], SECONDS, abs_tol=0.01)
        assert any(key.startswith("planner/") for key in run["rows"][-1])
        elapsed = [row["elapsed_s"] for row in run["rows"]]
        assert elapsed == sorted(elapsed)
        assert len({row["learning_rate"] for row in run["rows"][1:]}) > 10, f"{name} never moved its rate"
        assert run["state"] == "finished"


def test_the_methods_differ_and_the_linear_bar_ends_near_zero(demo):
    _, _, runs = demo
    rates = {name: [row["learning_rate"] for row in run["rows"][1:]] for name, run in runs.items()}
    assert rates[LINEAR][-1] < 0.15 * max(rates[LINEAR])
    assert max(rates[PROPOSED]) > 1.5 * max(rates[LINEAR]), "GRAFF's residual never raised an untuned rate"
    assert len({tuple(values[:10]) for values in rates.values()}) == 3


def test_evaluations_are_logged_and_the_summary_holds_what_the_contract_names(demo):
    _, _, runs = demo
    for run in runs.values():
        points = [
            (row["elapsed_s"], row["dev_exact_match"]) for row in run["rows"] if row.get("dev_exact_match") is not None
        ]
        assert points[0][0] == 0
        assert len(points) >= 2
        summary = run["summary"]
        assert 0 < summary["exact_match_at_budget"] < 1
        assert summary["best_dev_exact_match"] >= summary["final_dev_exact_match"]
        assert 0 < summary["auc_em_over_budget"] < 1
        assert 0 < summary["planner_overhead_fraction"] < 0.2
        assert summary["peak_memory_mb"] > 100
        assert (summary.get("energy_j") is None) == bool(summary.get("energy_j_missing"))
        assert "outcomes.jsonl" in run["files"]


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
        assert len(rows) == 40
        assert values[name] == runs[name]["summary"]["exact_match_at_budget"] == sum(r["correct"] for r in rows) / 40
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
        assert sum(pair["questions"].values()) == 40
        assert 0 <= pair["mcnemar"]["p_value"] <= pair["mcnemar"]["p_holm"] <= 1


def test_the_demo_prints_a_table_with_intervals_the_files_and_the_page(demo):
    output, results, _ = demo
    for name in RUN_IDS:
        assert name in output
    assert re.search(r"\d+\.\d \[\d+\.\d, \d+\.\d\]", output)
    assert f"/greenlight/demo-{results.name}" in output
    assert "greenlight tracker --data" in output
    assert str(results / "comparison" / "aggregated_metrics.json") in output


@pytest.fixture(scope="module")
def services(tmp_path_factory):
    folder = tmp_path_factory.mktemp("services")
    with (
        server("tracker", "--data", str(folder / "tracker")) as tracker,
        server("hub", "--cache", str(folder / "hub")) as hub,
    ):
        yield tracker | hub


def test_a_trial_runs_every_embedded_method_and_tracks_nothing(services, tmp_path):
    done = python("src.main", f"run={PROPOSED}", f"results_dir={tmp_path}", "mode=trial", env=environment(**services))
    assert done.returncode == 0, done.stderr
    assert {path.name for path in (tmp_path / PROPOSED).iterdir()} == {".lock"}
    probe = "import wandb; print(len(list(wandb.Api().projects('greenlight'))))"
    listed = subprocess.run(
        [sys.executable, "-c", probe], env=environment(**services), capture_output=True, text=True, check=True
    )
    assert listed.stdout.splitlines()[-1] == "0"


def test_an_interrupted_and_a_killed_run_resume_into_one_run_without_gap_or_double_rows(services, tmp_path):
    seconds = 22.0
    words = [f"run={LINEAR}", f"results_dir={tmp_path}", "mode=full", f"training.budget_seconds={seconds:g}", *SMALL]
    command = [sys.executable, "-u", "-m", "src.main", *words, "training.checkpoint_seconds=2"]
    clock = tmp_path / LINEAR / "clock.json"
    reached = [0.0]

    def life(seconds_more, signum):
        """Train for some seconds of the budget, then send a signal; return the exit status."""
        with (tmp_path / "log").open("ab") as log:
            process = subprocess.Popen(command, cwd=GSM8K, env=environment(**services), stdout=log, stderr=log)

            def spent():
                if process.poll() is not None:
                    raise AssertionError((tmp_path / "log").read_text())
                return clock.exists() and json.loads(clock.read_text())["elapsed_s"] > reached[0] + seconds_more

            wait_for(spent)
            process.send_signal(signum)
            status = process.wait(60)
        reached[0] = json.loads(clock.read_text())["elapsed_s"]
        return status

    assert life(3, signal.SIGINT) == 130
    after_interrupt = reached[0]
    assert life(4, signal.SIGKILL) == -signal.SIGKILL
    assert reached[0] > after_interrupt
    last = subprocess.run(command, cwd=GSM8K, env=environment(**services), capture_output=True, text=True, check=False)
    assert last.returncode == 0, last.stderr
    assert "resumed at step" in last.stderr

    run = read_back(f"greenlight/gsm8k-wall-clock/{LINEAR}", services)
    assert run["runs"] == [LINEAR]
    steps = [row["step"] for row in run["rows"]]
    assert steps == list(range(run["summary"]["steps"] + 1))
    elapsed = [row["elapsed_s"] for row in run["rows"]]
    assert elapsed == sorted(elapsed)
    assert run["summary"]["elapsed_s"] < 1.2 * seconds
    assert elapsed[-1] < seconds
    assert run["summary"]["resumed"] == 2
    assert run["summary"].get("energy_j") is None
    assert run["state"] == "finished"

    again = subprocess.run(command, cwd=GSM8K, env=environment(**services), capture_output=True, text=True, check=False)
    assert again.returncode == 0
    assert "is finished already" in again.stderr
    assert read_back(f"greenlight/gsm8k-wall-clock/{LINEAR}", services)["rows"] == run["rows"]

    elsewhere = [*command[:5], f"results_dir={tmp_path / 'elsewhere'}", *command[6:]]
    taken = subprocess.run(
        elsewhere, cwd=GSM8K, env=environment(**services), capture_output=True, text=True, check=False
    )
    assert taken.returncode == 1
    assert "if that run exists already" in taken.stderr.splitlines()[-1]
    assert read_back(f"greenlight/gsm8k-wall-clock/{LINEAR}", services)["rows"] == run["rows"]


FULL = [f"run={LINEAR}", "mode=full"]
BAD_INPUTS = {
    "unknown run": (
        ["run=proposed-iter1-tiny-qwen3", "mode=trial"],
        {},
        f"no such file in config/runs; did you mean '{PROPOSED}'",
    ),
    "no mode": ([f"run={LINEAR}"], {}, "mode is missing: say mode=trial"),
    "unknown key": ([*FULL, "training.optimizer.lr=1"], {}, "no key 'lr' in 'training.optimizer'"),
    "no budget": (
        [*FULL, "training.budget_seconds=0"],
        {},
        "budget of 0.0 s: a budget is a positive number of seconds",
    ),
    "no tracker": (FULL, {"WANDB_BASE_URL": "http://127.0.0.1:9"}, "tracker http://127.0.0.1:9: cannot be reached"),
    "unknown model": ([*FULL, "model.name=nobody/nothing"], {}, "model nobody/nothing: not on the hub"),
}


@pytest.fixture(scope="module")
def bad_inputs(services, tmp_path_factory):
    """Run the commands two at a time: most of each is importing."""
    folders = {name: tmp_path_factory.mktemp("bad") for name in BAD_INPUTS}

    def run(name):
        words, changed, _ = BAD_INPUTS[name]
        return python("src.main", f"results_dir={folders[name]}", *words, env=environment(**services | changed))

    with ThreadPoolExecutor(2) as pool:
        return {name: (done, folders[name]) for name, done in zip(folders, pool.map(run, folders), strict=True)}


@pytest.mark.parametrize("name", BAD_INPUTS)
def test_a_bad_input_is_one_clear_line_and_a_failure_that_leaves_nothing(bad_inputs, name):
    done, folder = bad_inputs[name]
    assert done.returncode == 1
    last = [line for line in done.stderr.splitlines() if line.strip()][-1]
    assert BAD_INPUTS[name][2] in last
    assert last.startswith("error: ")
    assert "Traceback" not in done.stderr
    assert {path.name for path in folder.rglob("*")} - {LINEAR, ".lock"} == set()


def test_a_results_dir_that_cannot_be_written_is_named_and_left_as_it_was(services, tmp_path):
    (tmp_path / "file").write_text("precious")
    done = python("src.main", f"results_dir={tmp_path / 'file'}", *FULL, env=environment(**services))
    assert done.returncode == 1
    assert f"results_dir={tmp_path / 'file'}: cannot be written" in done.stderr.splitlines()[-1]
    assert (tmp_path / "file").read_text() == "precious"


def test_a_truncated_data_file_is_named_before_the_clock_starts(services, tmp_path):
    rows = [json.dumps({"question": f"What is {n} + 1?", "answer": f"#### {n + 1}"}) for n in range(50)]
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "train.jsonl").write_text("\n".join(rows)[:-9])
    (tmp_path / "data" / "test.jsonl").write_text("\n".join(rows))
    with server("hub", "--cache", str(tmp_path / "hub"), "--dataset", f"my/sums={tmp_path / 'data'}") as hub:
        done = python(
            "src.main", f"results_dir={tmp_path / 'r'}", *FULL, "dataset.name=my/sums", "dataset.config=null",
            env=environment(**services | hub),
        )  # fmt: skip
    assert done.returncode == 1
    last = done.stderr.splitlines()[-1]
    assert re.match(r"error: data set my/sums, split train, near row \d+: cannot be read", last)
    assert not (tmp_path / "r" / LINEAR / "run.json").exists()


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (['run_ids=["nothing"]'], "run nothing: not found in greenlight/gsm8k-wall-clock"),
        (["run_ids=nothing"], "run_ids"),
        ([], "run_ids is missing"),
        (['run_ids=["a"]', "mode=trial"], "argument 'mode=trial'"),
    ],
)
def test_an_evaluation_of_what_is_not_there_is_one_clear_line(services, tmp_path, words, message):
    done = python("src.evaluate", f"results_dir={tmp_path}", *words, env=environment(**services))
    assert done.returncode == 1
    last = done.stderr.splitlines()[-1]
    assert last.startswith("error: ")
    assert message in last
    assert list(tmp_path.iterdir()) == []


def test_ctrl_c_in_the_demo_leaves_nothing_running(tmp_path):
    marker = f"GREENLIGHT_TEST_MARKER_{os.getpid()}"
    with subprocess.Popen(
        [*GREENLIGHT, "demo", "--results", str(tmp_path), "--no-stay"],
        env=environment(**{marker: "1"}),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    ) as process:

        def trained():
            return any(json.loads(path.read_text())["elapsed_s"] > 0 for path in tmp_path.rglob("clock.json"))

        wait_for(trained)
        assert len(marked(marker)) >= 2
        os.killpg(process.pid, signal.SIGINT)
        output, _ = process.communicate(timeout=60)
    assert process.returncode == 130, output
    assert "nothing is left running" in output
    wait_for(lambda: not marked(marker), timeout_s=10)
