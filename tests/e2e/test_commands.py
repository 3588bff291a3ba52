"""What the experiments' commands do with what they cannot do: one clear line, a failure, and nothing left behind."""

import re
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest
import wandb

from tests.e2e.conftest import TRUNCATED
from tests.e2e.small_runs import CHIPSEQ, CHIPSEQ_MIXTURE, EXPERIMENTS, GSM8K
from tests.processes import ROOT

pytestmark = pytest.mark.timeout(420)

FULL = ("mode=full",)
MODES = "mode is missing: say mode=trial"
BAD_INPUTS = {
    "gsm8k unknown run": (("run=proposed-iter1-tiny-qwen3", "mode=trial"), {}, "did you mean 'proposed-iter1-tiny"),
    "gsm8k no mode": ((), {}, MODES),
    "gsm8k unknown key": ((*FULL, "training.optimizer.lr=1"), {}, "no key 'lr' in 'training.optimizer'"),
    "gsm8k misspelt key": ((*FULL, "trainig.total_steps=1"), {}, "did you mean 'training'?"),
    "gsm8k misspelt key added": ((*FULL, "+training.total_step=1"), {}, "did you mean 'total_steps'?"),
    "gsm8k early stopping": ((*FULL, "+training.early_stopping.patience=1"), {}, "no key 'early_stopping'"),
    "gsm8k misspelt option": ((*FULL, "+training.scheduler.warmup_fractoin=0"), {}, "did you mean 'warmup_fraction'?"),
    "gsm8k no budget": ((*FULL, "training.budget_seconds=0"), {}, "budget of 0.0 s: a budget is a positive number"),
    "gsm8k no tracker": (
        FULL, {"WANDB_BASE_URL": "http://127.0.0.1:9"}, "tracker http://127.0.0.1:9: cannot be reached",
    ),
    "gsm8k unknown model": ((*FULL, "model.name=nobody/nothing"), {}, "model nobody/nothing: not on the hub"),
    "gsm8k truncated data": (
        (*FULL, f"dataset.name={TRUNCATED}", "dataset.config=null"), {}, f"data set {TRUNCATED}, split train, near",
    ),
    "chipseq unknown run": (("run=proposed-iter1-technb", "mode=trial"), {}, "did you mean 'proposed-iter1-technb"),
    "chipseq no mode": ((), {}, MODES),
    "chipseq misspelt key": ((*FULL, "dataset.bin_width=1"), {}, "did you mean 'bin_width_bp'?"),
    "chipseq misspelt key added": ((*FULL, "+model.hiden=[1]"), {}, "did you mean 'hidden'?"),
    "chipseq misspelt option": ((*FULL, "+training.scheduler.warmup_fractoin=0"), {}, "did you mean 'warmup_fraction'"),
    "chipseq value out of range": ((*FULL, "training.losses.nll=-1"), {}, "training.losses.nll=-1"),
    "chipseq no such chromosome": ((*FULL, "dataset.split.dev=[chr9]"), {}, "chr9"),
    "chipseq no tracker": (
        FULL, {"WANDB_BASE_URL": "http://127.0.0.1:9"}, "tracker http://127.0.0.1:9: cannot be reached",
    ),
}  # fmt: skip
RUN = {"gsm8k": GSM8K.run_id, "chipseq": CHIPSEQ.run_id}


@pytest.fixture(scope="module")
def bad_inputs(stage, tmp_path_factory):
    folders = {name: tmp_path_factory.mktemp("bad") for name in BAD_INPUTS}

    def run(name):
        (words, changed, _), experiment = BAD_INPUTS[name], name.split()[0]
        if not any(word.startswith("run=") for word in words):
            words = (f"run={RUN[experiment]}", *words)
        words = (f"results_dir={folders[name]}", "wandb.project=bad", *words)
        return stage.start(EXPERIMENTS / experiment, name.replace(" ", "-"), *words, **changed).wait()

    with ThreadPoolExecutor(2) as pool:
        return {name: (done, folders[name]) for name, done in zip(folders, pool.map(run, folders), strict=True)}


@pytest.mark.parametrize("name", BAD_INPUTS)
def test_a_bad_input_is_one_clear_line_and_a_failure_that_leaves_nothing(bad_inputs, name):
    ended, folder = bad_inputs[name]
    assert ended.returncode == 1, ended.output
    assert BAD_INPUTS[name][2] in ended.error
    assert "Traceback" not in ended.output
    assert {path.name for path in folder.rglob("*")} - {*RUN.values(), ".lock"} == set()


def test_the_place_in_a_truncated_data_file_is_named(bad_inputs):
    ended, _ = bad_inputs["gsm8k truncated data"]
    assert re.match(rf"error: data set {TRUNCATED}, split train, near row \d+: cannot be read", ended.error)


@pytest.mark.parametrize("experiment", RUN)
def test_a_results_dir_that_cannot_be_written_is_named_and_left_as_it_was(stage, tmp_path, experiment):
    (tmp_path / "file").write_text("precious")
    words = (f"run={RUN[experiment]}", f"results_dir={tmp_path / 'file'}", "mode=full")
    ended = stage.start(EXPERIMENTS / experiment, f"unwritable-{experiment}", *words).wait()
    assert ended.returncode == 1
    assert f"results_dir={tmp_path / 'file'}: cannot be written" in ended.error
    assert (tmp_path / "file").read_text() == "precious"


@pytest.mark.parametrize("experiment", RUN)
def test_a_trial_tracks_nothing_and_leaves_nothing(stage, tmp_path, experiment):
    run_id = RUN[experiment] if experiment == "chipseq" else "proposed-iter1-tiny-qwen3-arithmetic"
    words = (f"run={run_id}", f"results_dir={tmp_path}", "mode=trial", f"wandb.project=trial-{experiment}")
    ended = stage.start(EXPERIMENTS / experiment, f"trial-{experiment}", *words).wait()
    assert ended.returncode == 0, ended.output
    assert {path.name for path in (tmp_path / run_id).iterdir()} == {".lock"}
    api = wandb.Api(overrides={"base_url": stage.exports["WANDB_BASE_URL"]}, api_key=stage.exports["WANDB_API_KEY"])
    assert f"trial-{experiment}" not in {project.name for project in api.projects("greenlight")}


def test_counts_are_kept_until_the_code_that_counts_changes(stage, tmp_path):
    code = stage.copied("chipseq", "counted")
    words = (f"run={CHIPSEQ.run_id}", f"results_dir={tmp_path}", "mode=trial")
    counted = []
    for index, changed in enumerate((False, False, True)):
        if changed:
            with (code / "src" / "preprocess.py").open("a") as file:
                file.write("\n# Another way to count.\n")
        ended = stage.start(code, f"counted-{index}", *words).wait()
        assert ended.returncode == 0, ended.output
        counted.append("counting: simulator" in ended.output)
    assert counted == [True, False, True]


# Another run that started at the same time counts faster; what it left is being read by then.
OVERTAKEN = """
import sys
from pathlib import Path
from omegaconf import OmegaConf
from src import preprocess

preprocess.CACHE = Path(sys.argv[1])
files = ("config/config.yaml", "config/runs/comparative-4-iter1-depth-scaling-simulator.yaml")
section = preprocess.Dataset(**OmegaConf.to_container(OmegaConf.merge(*map(OmegaConf.load, files)).dataset))
stamps, simulate = {}, preprocess.simulate

def overtaken(*settings):
    preprocess.simulate = simulate
    preprocess.load(section)
    stamps.update({path: path.stat().st_mtime_ns for path in preprocess.CACHE.rglob("*")})
    return simulate(*settings)

preprocess.simulate = overtaken
assert preprocess.load(section).table.n_bins > 0
assert len([path for path in stamps if path.is_file()]) == 3, stamps
left = {path: path.stat().st_mtime_ns for path in preprocess.CACHE.rglob("*")}
changed = {str(path) for path in left.keys() | stamps.keys() if left.get(path) != stamps.get(path) and path.is_file()}
assert not changed, changed
assert len(list(preprocess.CACHE.iterdir())) == 1, list(preprocess.CACHE.iterdir())
"""


def test_a_run_that_counts_later_leaves_alone_what_another_one_reads(tmp_path):
    done = subprocess.run(
        [sys.executable, "-c", OVERTAKEN, tmp_path],
        cwd=ROOT / "experiments" / "chipseq",
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("small", [CHIPSEQ, CHIPSEQ_MIXTURE], ids=lambda small: small.run_id)
def test_a_network_that_diverges_names_the_remedy_once_and_reports_its_best_weights(stage, small):
    said = {"training.optimizer.lr_init": 900, "training.clip_grad_norm": None, "training.total_steps": 12}
    diverging = replace(small, said={**small.said, **said, "training.early_stopping.patience": None})
    name = f"diverging-{small.run_id}"
    run = stage.play(diverging, name, stage.copied("chipseq", name))
    assert (stage.folder / name / "log").read_text().count("lower training.optimizer.lr_init") == 1
    assert run.summary["stop_reason"] == "total_steps"
    assert run.rows[-1]["step_skipped"] == 1
    best = min((row for row in run.evaluations if isinstance(row.get("dev_nll"), float)), key=lambda r: r["dev_nll"])
    assert (run.summary["best_dev_nll"], run.summary["weights_step"]) == (best["dev_nll"], best["step"])
    assert 0 < run.summary["test_nll"] < 10


ABSENT = [
    (('run_ids=["nothing"]',), "run nothing: not found in greenlight/"),
    (("run_ids=nothing",), "run_ids"),
    ((), "run_ids is missing"),
    (('run_ids=["a"]', "mode=trial"), "argument 'mode=trial'"),
]


@pytest.mark.parametrize("experiment", RUN)
@pytest.mark.parametrize(("words", "message"), ABSENT)
def test_an_evaluation_of_what_is_not_there_is_one_clear_line(stage, tmp_path, experiment, words, message):
    ended = stage.start(
        EXPERIMENTS / experiment, f"absent-{experiment}-{ABSENT.index((words, message))}", f"results_dir={tmp_path}",
        *words, module="src.evaluate",
    ).wait()  # fmt: skip
    assert ended.returncode == 1
    assert message in ended.error
    assert list(tmp_path.iterdir()) == []
