"""Code whose own checks fail on a stand-in of two layers: a check that holds on more layers is no finding."""

import json
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from greenlight.contract.submission import Submission
from greenlight.errors import GreenlightError
from greenlight.rehearse.cast import LAYERS, Cast
from greenlight.rehearse.observer.record import Raised, Record
from greenlight.rehearse.performing import Patience, Performing
from greenlight.rehearse.rehearsal import Phase
from greenlight.rehearse.sandbox import Ended
from greenlight.rehearse.sandbox.box import require
from greenlight.rehearse.stage import Performed
from greenlight.rehearse.standins.hub import Part, Repository
from greenlight.rehearse.standins.models import architecture_of

SMALL = Cast((), (Repository("model", "a/b", (Part(Path("small")),)),))
DEEP = Cast((), (Repository("model", "a/b", (Part(Path("deep")),)),))


class FakeStage:
    """Ends every training as a function of the run and of what is served says."""

    def __init__(self, folder, ends):
        self.experiment, self.results, self.tracker_data = folder / "experiment", folder / "results", folder / "tracker"
        self.results.mkdir()
        self.ends, self.served, self.log = ends, "small", folder / "log"
        self.log.write_text("")

    def serve(self, repositories):
        self.served = str(repositories[0].parts[0].folder)

    def put(self, files):
        raise AssertionError("nothing is to be mended")

    def perform(self, command, limits, shrinking=None, threads=None):
        run_id = next((word.removeprefix("run=") for word in command if word.startswith("run=")), None)
        raised = None if run_id is None else self.ends(run_id, self.served)  # an evaluation has no model
        record = Record(raised=() if raised is None else (raised,))
        return Performed(tuple(command), Ended(0 if raised is None else 1, 1.0, None, 0, 1), record, self.log)


def check(code="assert layers >= 12", kind="AssertionError", line=3):
    return Raised(kind, "too few", kind, "too few", "src/model.py", line, code)


def performed(tmp_path, ends, run_ids=("a",)):
    stage = FakeStage(tmp_path, ends)
    submission = Submission("e", "folder", {f"config/runs/{run_id}.yaml": b"" for run_id in run_ids})
    asked = []
    performing = Performing(submission, submission.files, run_ids, stage, Patience(side_by_side=2), lambda line: None)
    rehearsal = performing.perform(SMALL, "", None, confined=True, deepen=lambda: (asked.append("once"), DEEP)[1])
    return rehearsal, stage, asked


def ended(rehearsal, phase=Phase.TRIAL):
    return [(act.run_ids[0], act.status, act.crash is not None) for act in rehearsal.acts if act.phase is phase]


def test_a_check_that_holds_on_more_layers_is_excused_and_they_stay(tmp_path):
    rehearsal, stage, asked = performed(tmp_path, lambda run_id, served: check() if served == "small" else None)
    assert ended(rehearsal) == [("a", 1, False), ("a", 0, False)]
    assert rehearsal.acts[0].excused == f"AssertionError: too few; not so with a stand-in of {LAYERS} layers"
    assert (stage.served, rehearsal.cast, asked) == ("deep", DEEP, ["once"])


def test_a_check_that_fails_on_more_layers_too_is_a_crash_and_they_go(tmp_path):
    rehearsal, stage, asked = performed(tmp_path, lambda run_id, served: check())
    assert ended(rehearsal) == [("a", 1, True), ("a", 1, True)]
    assert (stage.served, rehearsal.cast, asked) == ("small", SMALL, ["once"])


def test_of_two_runs_each_is_judged_by_itself(tmp_path):
    rehearsal, stage, asked = performed(
        tmp_path, lambda run_id, served: check() if run_id == "b" or served == "small" else None, ("a", "b")
    )
    assert ended(rehearsal) == [("a", 1, False), ("b", 1, True), ("a", 0, False), ("b", 1, True)]
    assert (stage.served, asked) == ("deep", ["once"])


@pytest.mark.parametrize(
    "raised",
    [check("model = load(cfg)", "ValueError"), check("raise RuntimeError('x')", "RuntimeError")],
    ids=["in a library", "another kind"],
)
def test_what_no_check_of_the_experiment_says_is_not_doubted(tmp_path, raised):
    rehearsal, stage, asked = performed(tmp_path, lambda run_id, served: raised)
    assert ended(rehearsal) == [("a", 1, True)]
    assert (stage.served, asked) == ("small", [])


@pytest.mark.parametrize(
    ("model_id", "key", "layers"),
    [
        ("Qwen/Qwen3-0.6B", "num_hidden_layers", 32),
        ("gpt2", "n_layer", 32),
        ("distilbert-base-uncased", "n_layers", 32),
        ("t5-small", "num_decoder_layers", 32),
        ("microsoft/resnet-50", "depths", [2, 2, 2, 2]),
    ],
)
def test_every_kind_of_model_that_counts_its_layers_has_more(model_id, key, layers):
    small = architecture_of(model_id)
    deep = small.of_layers(32)
    assert deep.config[key] == layers
    assert {k: v for k, v in deep.config.items() if v != small.config[k]}.keys() <= {key, "num_layers"}


def test_layers_of_two_types_take_turns():
    types = architecture_of("google/gemma-3-1b-it").of_layers(5).config["layer_types"]
    assert types == ["sliding_attention", "full_attention", "sliding_attention", "full_attention", "sliding_attention"]


MAIN = """
import json, sys
from huggingface_hub import hf_hub_download

given = dict(argument.split("=", 1) for argument in sys.argv[1:])
needed = 12 if "twelve" in given["run"] else 100
with open(hf_hub_download("Qwen/Qwen3-0.6B", "config.json")) as file:
    layers = json.load(file)["num_hidden_layers"]
assert layers >= needed, f"{needed} layers are needed"
"""


def test_through_the_command_a_model_of_many_layers_is_served(tmp_path):
    try:
        require()
    except GreenlightError as error:
        pytest.skip(str(error))
    folder = tmp_path / "e"
    files = {"src/main.py": MAIN, "src/evaluate.py": "", "src/train.py": "", "pyproject.toml": ""}
    run_file = "model:\n  name: Qwen/Qwen3-0.6B\n"
    files |= {f"config/runs/{name}.yaml": run_file for name in ("proposed-twelve", "comparative-hundred")}
    for path, text in files.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_text(textwrap.dedent(text), encoding="utf-8")
    words = ["rehearse", str(folder), "--no-install", "--format", "json", "--select", "GR101"]
    done = subprocess.run(
        [sys.executable, "-m", "greenlight", *words],
        capture_output=True,
        text=True,
        check=False,
    )
    report = json.loads(done.stdout)
    (crash,) = report["findings"]
    assert "100 layers are needed" in crash["message"], done.stderr
    assert "comparative-hundred ends" in crash["message"]
    trials = [c for c in report["rehearsal"]["commands"] if c["phase"] == "trial" and "proposed-twelve" in c["runs"]]
    assert [one["ended"] for one in trials] == [
        f"exit 1, AssertionError: 12 layers are needed; not so with a stand-in of {LAYERS} layers", "exit 0",
    ]  # fmt: skip
    (part,) = report["rehearsal"]["stand_ins"]
    assert part["detail"].endswith(f"in {LAYERS} layers")
