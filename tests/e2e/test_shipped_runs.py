"""Every run file that is shipped, from a clean archive of what git tracks, with the packages of that archive."""

import json
import os
import subprocess
import sys
import tarfile
from pathlib import Path

import pytest

from tests.processes import ROOT, environment

pytestmark = pytest.mark.timeout(300)

NUMBER_OF_RUNS = {"gsm8k": 42, "chipseq": 17}

# Composes every run file in both modes; a mistake on top of each is written out as the error that it must be.
COMPOSE = """
import copy, json
from hydra import compose, initialize_config_dir
from greenlight.errors import GreenlightError
from greenlight.harness.compose import check_command, check_keys, register_runs, validated
from greenlight.harness.modes import configure_mode
from src.main import ROOT, TRIAL
from src.train import RunConfig

MISTAKES = ("trainig.total_steps=1", "+training.total_step=1", "++evaluation.interval=1")

def refused(words, runs):
    try:
        check_command(words, runs)
        check_keys(words, RunConfig)
    except GreenlightError as error:
        return str(error)

def composed_refused(cfg):
    try:
        validated(cfg, RunConfig)
    except GreenlightError as error:
        return str(error)

runs = register_runs(ROOT / "config" / "runs")
found = {}
with initialize_config_dir(str(ROOT / "config"), version_base="1.3"):
    for run in runs:
        words = [f"run={run}", "mode=full", "results_dir=r", "seed=11"]
        check_command(words, runs)
        check_keys(words, RunConfig)
        composed = compose("config", overrides=words)
        added = copy.deepcopy(composed)
        added._set_flag("struct", False)
        added.training.total_step = 1
        entry = {
            "refused": {mistake: refused([*words, mistake], runs) for mistake in MISTAKES},
            "refused_by_the_schema": composed_refused(added),
        }
        for mode in ("trial", "full"):
            cfg = copy.deepcopy(composed)
            cfg.mode = mode
            reduced = {"training.global_batch_size": cfg.training.micro_batch_size} if "gsm8k" in str(ROOT) else {}
            configure_mode(cfg, trial=TRIAL | reduced)
            entry[mode] = validated(cfg, RunConfig).model_dump(mode="json")
        found[run] = entry
"""
PRINT = """
import greenlight, graff
print("found " + json.dumps({"runs": found, "packages": [greenlight.__file__, graff.__file__]}))
"""
# Two steps of every network, a fit of every baseline, and everything that is measured of them, in one process.
TRAIN = """
import tempfile, pathlib
from src.train import job_of
for run, entry in found.items():
    with tempfile.TemporaryDirectory() as folder:
        job = job_of(RunConfig.model_validate(entry["trial"]), pathlib.Path(folder), True)
        job.prepare()
        from greenlight.harness.tracking import Untracked
        entry["summary"] = {k: v for k, v in job.finish(job.train(Untracked())).items() if k in ("steps", "test_nll")}
"""


@pytest.fixture(scope="module")
def archived(tmp_path_factory):
    """The tracked files as they are here, through ``git archive``; the repository is left as it is."""
    folder = tmp_path_factory.mktemp("archived")

    def git(*words, **changed):
        command = ["git", *words]
        done = subprocess.run(
            command, cwd=ROOT, env=os.environ | changed, capture_output=True, text=True, check=True, timeout=60
        )
        return done.stdout.strip()

    index, objects = (git("rev-parse", "--path-format=absolute", "--git-path", name) for name in ("index", "objects"))
    (folder / "index").write_bytes(Path(index).read_bytes())
    (folder / "objects").mkdir()
    beside = {
        "GIT_INDEX_FILE": str(folder / "index"),
        "GIT_OBJECT_DIRECTORY": str(folder / "objects"),
        "GIT_ALTERNATE_OBJECT_DIRECTORIES": objects,
    }
    git("add", "--update", **beside)
    git("archive", "-o", str(folder / "tree.tar"), git("write-tree", **beside), "experiments", "packages", **beside)
    with tarfile.open(folder / "tree.tar") as tar:
        tar.extractall(folder / "tree", filter="data")
    return folder / "tree"


@pytest.fixture(scope="module", params=list(NUMBER_OF_RUNS))
def shipped(request, archived):
    """What every run file of an experiment comes to."""
    experiment = request.param
    program = COMPOSE + (TRAIN if experiment == "chipseq" else "") + PRINT
    packages = os.pathsep.join(str(path) for path in sorted((archived / "packages").glob("*/src")))
    done = subprocess.run(
        [sys.executable, "-c", program],
        cwd=archived / "experiments" / experiment,
        env=environment(PYTHONPATH=packages, OMP_NUM_THREADS="1"),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    (line,) = (line for line in done.stdout.splitlines() if line.startswith("found "))
    found = json.loads(line.removeprefix("found "))
    assert all(path.startswith(str(archived)) for path in found["packages"]), found["packages"]
    assert len(found["runs"]) == NUMBER_OF_RUNS[experiment]
    return experiment, found["runs"]


def test_every_run_file_composes_in_both_modes_and_the_command_line_has_the_last_word(shipped):
    _, runs = shipped
    for run, entry in runs.items():
        for mode in ("trial", "full"):
            assert (entry[mode]["run_id"], entry[mode]["mode"]) == (run, mode)
            assert entry[mode]["seed"] == 11


def test_a_trial_tracks_nothing_searches_nothing_and_takes_at_most_two_batches(shipped):
    _, runs = shipped
    for entry in runs.values():
        trial, full = entry["trial"], entry["full"]
        assert (trial["wandb"]["mode"], trial["optuna"]["n_trials"], trial["training"]["epochs"]) == ("disabled", 0, 1)
        assert trial["training"]["total_steps"] * trial["training"].get("gradient_accumulation_steps", 1) == 2
        assert trial["evaluation"].get("test_examples", 0) <= 4
        assert full["wandb"]["mode"] == "online"
        assert full["training"]["total_steps"] > 2


def test_a_misspelt_key_on_top_of_any_run_file_is_refused_with_the_nearest_name_also_with_a_plus(shipped):
    _, runs = shipped
    for entry in runs.values():
        assert entry["refused"] == {
            "trainig.total_steps=1": "trainig.total_steps: no key 'trainig' at the top; did you mean 'training'?",
            "+training.total_step=1": "training.total_step: no key 'total_step' in 'training'; "
            "did you mean 'total_steps'?",
            "++evaluation.interval=1": "evaluation.interval: no key 'interval' in 'evaluation'; "
            "did you mean 'interval_steps'?",
        }
        assert entry["refused_by_the_schema"] == entry["refused"]["+training.total_step=1"]


def test_every_run_of_chipseq_is_trained_or_fitted_and_measured(shipped):
    experiment, runs = shipped
    if experiment != "chipseq":
        pytest.skip("a model of gsm8k comes from a hub; its trial is among the tests of the commands")
    for run, entry in runs.items():
        networks = ("technb_mu_r", "technb_r_p", "tech_poisson", "technb_mixture")
        assert entry["summary"]["steps"] == (2 if entry["trial"]["model"]["type"] in networks else 0), run
        assert 0 < entry["summary"]["test_nll"] < 10, run
