"""``greenlight rehearse`` and ``check`` as they are typed, on a small experiment without torch."""

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import textwrap
import time
from pathlib import Path

import pytest

from greenlight.errors import GreenlightError
from greenlight.rehearse.sandbox.box import require


def why_not():
    try:
        require()
    except GreenlightError as error:
        return str(error)
    return ""


pytestmark = pytest.mark.skipif(bool(why_not()), reason=why_not() or "a sandbox can be had")

MAIN = """
import pathlib, sys, time

given = dict(argument.split("=", 1) for argument in sys.argv[1:])
place = pathlib.Path(given["results_dir"]) / given["run"]
(place / "begun.txt").write_text(given["mode"])
if given["run"].startswith("slow"):
    time.sleep(600)
import wandb
if given["mode"] == "full":
    run = wandb.init(entity="lab", project="study", id=given["run"])
    for step in range(3):
        run.log({"loss": 1.0 / (step + 1)})
    run.finish()
print("all good, PASSED")
"""
EVALUATE = """
import json, pathlib, sys
import wandb

given = dict(argument.split("=", 1) for argument in sys.argv[1:])
results = pathlib.Path(given["results_dir"])
best = {"run_id": None, "value": 0.0}
for run_id in json.loads(given["run_ids"]):
    rows = list(wandb.Api().run(f"lab/study/{run_id}").scan_history())
    (results / run_id).mkdir(parents=True, exist_ok=True)
    (results / run_id / "metrics.json").write_text(json.dumps({"loss": rows[-1]["loss"], "best": float("nan")}))
(results / "comparison").mkdir(parents=True, exist_ok=True)
(results / "comparison" / "aggregated_metrics.json").write_text(json.dumps({"gap": 0.0, "best_baseline": best}))
"""


def experiment(folder, *run_ids):
    files = {"src/main.py": MAIN, "src/evaluate.py": EVALUATE, "src/train.py": "", "pyproject.toml": ""}
    files |= {f"config/runs/{run_id}.yaml": f"run_id: {run_id}\n" for run_id in run_ids}
    for path, text in files.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_text(textwrap.dedent(text), encoding="utf-8")
    return folder


@pytest.fixture
def private(tmp_path, monkeypatch):
    """A temporary folder with a short name, because sockets lie in it."""
    folder = Path(tempfile.mkdtemp(prefix="gr"))
    monkeypatch.setenv("TMPDIR", str(folder))
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    yield folder
    shutil.rmtree(folder)


def greenlight(*arguments):
    return [sys.executable, "-m", "greenlight", *map(str, arguments)]


def test_one_call_lists_the_chain_of_crashes_and_what_evaluate_made_up_and_leaves_nothing_behind(tmp_path, private):
    folder = experiment(tmp_path / "e", "proposed-a", "comparative-b")
    before = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    done = subprocess.run(
        greenlight("check", folder, "--no-install", "--format", "json"), capture_output=True, text=True, check=False
    )
    assert done.returncode == 1, done.stderr
    report = json.loads(done.stdout)
    found = {(f["rule"], f["path"], f["line"]): f for f in report["findings"]}
    crash = found["GR101", "src/main.py", 6]
    assert "FileNotFoundError" in crash["message"]
    assert "scratch copy went on" in crash["remedy"]
    assert {"GR801", "GR802", "GR805"} <= {rule for rule, _, _ in found}
    assert any(rule.startswith("GL") for rule, _, _ in found), "a check reviews the text as well"
    by_phase = {}
    for command in report["rehearsal"]["commands"]:
        by_phase.setdefault(command["phase"], []).append(command["ended"])
    assert by_phase["trial"][-2:] == ["exit 0", "exit 0"]
    assert by_phase["full"] == ["exit 0", "exit 0"]
    assert by_phase["evaluate"] == by_phase["evaluate one run"] == ["exit 0"]
    assert report["rehearsal"]["commands"][0]["command"].startswith("uv run python -u -m src.main run=")
    assert not report["is_code_ready"]
    assert {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()} == before
    assert list(private.iterdir()) == []


def test_of_several_runs_one_can_be_rehearsed_and_its_evaluation_is_that_of_one_run(tmp_path, private):
    folder = experiment(tmp_path / "e", "proposed-a", "comparative-b")
    main = (folder / "src" / "main.py").read_text(encoding="utf-8")
    (folder / "src" / "main.py").write_text(
        main.replace("(place /", "place.mkdir(parents=True, exist_ok=True)\n(place /")
    )
    words = ("rehearse", folder, "--run", "proposed-a", "--no-install", "--format", "json")
    done = subprocess.run(greenlight(*words), capture_output=True, text=True, check=False)
    report = json.loads(done.stdout)
    assert [(c["phase"], c["runs"], c["ended"]) for c in report["rehearsal"]["commands"]] == [
        (phase, ["proposed-a"], "exit 0") for phase in ("trial", "full", "evaluate")
    ]
    assert "GR805" in {finding["rule"] for finding in report["findings"]}
    reasons = [reason for criterion in report["criteria"] for reason in criterion["reasons"]]
    assert not [reason for reason in reasons if reason.startswith("GR805")]


def begun(folder, process):
    """Wait until the slow command of a rehearsal has begun."""
    for _ in range(1200):
        if list(folder.glob("greenlight-rehearsal-*/w/results/slow-a/begun.txt")):
            return
        assert process.poll() is None, process.communicate()
        time.sleep(0.1)
    raise AssertionError("the command never began")


def of_it(folder):
    """Return the processes that name a folder in their command line or environment."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit() and entry.name != str(os.getpid()):
            try:
                words = (entry / "cmdline").read_bytes() + (entry / "environ").read_bytes()
            except OSError:
                continue
            if str(folder).encode() in words:
                found.append(entry.name)
    return found


def test_after_a_signal_no_process_is_left_and_after_kill_9_the_next_one_removes_the_folder(tmp_path, private):
    folder = experiment(tmp_path / "e", "slow-a")
    (folder / "src" / "main.py").write_text(MAIN.replace("(place /", "place.mkdir(parents=True)\n(place /"), "utf-8")
    for signal_number, status in ((signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGKILL, -9)):
        process = subprocess.Popen(
            greenlight("rehearse", folder, "--no-install"), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        begun(private, process)
        assert of_it(private)
        process.send_signal(signal_number)
        _, told = process.communicate(timeout=60)
        assert process.returncode == status, told
        if status == 130:
            assert told.strip().splitlines()[-1].startswith("interrupted")
        if status != -9:
            assert list(private.iterdir()) == []
        for _ in range(600):
            if not of_it(private):
                break
            time.sleep(0.1)
        assert of_it(private) == []
    assert [path.name.partition("-")[0] for path in private.iterdir()] == ["greenlight"]
    again = subprocess.run(
        greenlight("rehearse", experiment(tmp_path / "f", "a"), "--no-install", "--select", "GR101"),
        capture_output=True,
        check=False,
    )
    assert again.returncode == 1
    assert list(private.iterdir()) == []


def test_a_child_that_crashes_behind_exit_status_0_is_a_finding_at_the_child_s_line(tmp_path, private):
    folder = experiment(tmp_path / "e", "proposed-a")
    starts = "import subprocess, sys\nsubprocess.run([sys.executable, '-m', 'src.train', *sys.argv[1:]], check=False)\n"
    tries = "subprocess.run([sys.executable, '-c', 'import flash_attention_of_nobody'], check=False)\n"
    (folder / "src" / "main.py").write_text(starts + tries, "utf-8")
    (folder / "src" / "train.py").write_text("import sys\nvalues = {}\nprint(values['lr'])\n", "utf-8")
    done = subprocess.run(
        greenlight("rehearse", folder, "--no-install", "--format", "json", "--select", "GR105"),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1, done.stderr
    (finding,) = json.loads(done.stdout)["findings"]
    assert (finding["rule"], finding["path"], finding["line"]) == ("GR105", "src/train.py", 3)
    assert (
        "trial of proposed-a ends with exit status 0 though a process of it crashed here: KeyError: 'lr'"
        in finding["message"]
    )


@pytest.mark.parametrize(
    ("second", "is_finding"), [("dataset: {name: y}", False), ("dataset: {name: x}", True)], ids=["data", "no-reason"]
)
def test_refusing_runs_that_cannot_be_compared_is_no_crash_and_each_group_is_evaluated(
    tmp_path, private, second, is_finding
):
    folder = experiment(tmp_path / "e", "proposed-a", "comparative-b")
    made = MAIN.replace("(place /", "place.mkdir(parents=True, exist_ok=True)\n(place /", 1)
    (folder / "src" / "main.py").write_text(made, "utf-8")
    refusing = EVALUATE.replace(
        "best =", "if len(json.loads(given['run_ids'])) > 1: sys.exit('error: other data')\nbest =", 1
    )
    (folder / "src" / "evaluate.py").write_text(refusing, "utf-8")
    for run_id, line in (("proposed-a", "dataset: {name: x}"), ("comparative-b", second)):
        with (folder / "config" / "runs" / f"{run_id}.yaml").open("a") as file:
            file.write(f"{line}\n")
    done = subprocess.run(
        greenlight("rehearse", folder, "--no-install", "--format", "json"), capture_output=True, text=True, check=False
    )
    report = json.loads(done.stdout)
    evaluated = [c["ended"] for c in report["rehearsal"]["commands"] if c["phase"] == "evaluate"]
    assert len(evaluated) == (1 if is_finding else 3)
    assert ("refused, as it should: error: other data" in evaluated[0]) is not is_finding
    crashes = [f["message"] for f in report["findings"] if f["rule"] == "GR101"]
    assert any("other data" in message for message in crashes) is is_finding
    assert crashes == [] or is_finding


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--run", "proposed-x"], "did you mean proposed-a?"),
        (["--model", "nonsense"], "a mapping is ID=FOLDER"),
        (["--select", "GR999"], "none of that id"),
        (["--format", "xml"], "--format xml"),
    ],
)
def test_bad_input_is_one_line_and_exit_status_2(tmp_path, private, arguments, words):
    folder = experiment(tmp_path / "e", "proposed-a")
    done = subprocess.run(greenlight("rehearse", folder, *arguments), capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert len(done.stderr.strip().splitlines()) == 1
    assert words in done.stderr
    assert list(private.iterdir()) == []
