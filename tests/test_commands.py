"""The experiment's three commands, typed as the README says; the tracker, read back over HTTP, is the witness."""

import json
import re
import signal
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import pytest

from greenlight.launch.demo import RUN_IDS
from tests.processes import GSM8K, environment, python, read_back, server, wait_for

pytestmark = pytest.mark.timeout(420)

PROPOSED, _, LINEAR = RUN_IDS
SMALL = ("evaluation.test_examples=40", "dataset.dev_examples=16")


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


def test_a_search_is_not_tracked_and_the_final_run_uses_what_it_found(services, tmp_path):
    words = ["training.budget_seconds=8", "optuna.n_trials=2", "wandb.project=searched"]
    done = python("src.main", f"run={LINEAR}", f"results_dir={tmp_path}", "mode=full", *words, *SMALL,
                  env=environment(**services))  # fmt: skip
    assert done.returncode == 0, done.stderr
    run = read_back(f"greenlight/searched/{LINEAR}", services)
    assert run["runs"] == [LINEAR]
    found = run["config"]["search"]
    assert found["n_trials"] == 2
    trials = re.findall(r"search trial (\d): dev exact match ([\d.]+)", done.stderr)
    assert [number for number, _ in trials] == ["0", "1"]
    assert found["objective"] == pytest.approx(max(float(value) for _, value in trials), abs=1e-3)  # the log rounds
    ((path, value),) = found["values"].items()
    assert path == "training.optimizer.lr_init"
    assert value != 2e-4
    assert run["config"]["training"]["optimizer"]["lr_init"] == value
    assert max(row["learning_rate"] for row in run["rows"][1:]) == pytest.approx(value, rel=0.3)


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
