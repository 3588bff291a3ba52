"""The documented commands, word for word, in the sandbox with both servers: what the outside sees of them."""

import sys
import textwrap

import pytest

from greenlight.contract import commands
from greenlight.errors import GreenlightError
from greenlight.rehearse.sandbox import Limits
from greenlight.rehearse.sandbox.box import require
from greenlight.rehearse.stage import stage


def why_not():
    try:
        require()
    except GreenlightError as error:
        return str(error)
    return ""


pytestmark = pytest.mark.skipif(bool(why_not()), reason=why_not() or "a sandbox can be had")

MAIN = """
import pathlib, sys
import wandb

MODES = {"trial": "disabled", "full": "online"}
given = dict(argument.split("=", 1) for argument in sys.argv[1:])
run = wandb.init(entity="lab", project="study", id=given["run"], mode=MODES[given["mode"]])
for step in range(3):
    run.log({"loss": 1.0 / (step + 1)})
run.summary["final_loss"] = 1 / 3
run.finish()
results = pathlib.Path(given["results_dir"]) / given["run"]
results.mkdir(parents=True)
(results / "done.txt").write_text(given["mode"])
print("trained")
"""
EVALUATE = """
import json, sys
import wandb

given = dict(argument.split("=", 1) for argument in sys.argv[1:])
for run_id in json.loads(given["run_ids"]):
    run = wandb.Api().run(f"lab/study/{run_id}")
    print(run_id, [round(float(row["loss"]), 3) for row in run.scan_history()], round(run.summary["final_loss"], 3))
raise ValueError("no figure")
"""


@pytest.fixture(scope="module")
def performed(tmp_path_factory):
    files = {"src/main.py": MAIN, "src/evaluate.py": EVALUATE}
    work = tmp_path_factory.mktemp("rehearsal") / "work"
    with stage({path: textwrap.dedent(text).encode() for path, text in files.items()}, work, []) as place:
        limits = Limits(90.0)
        typed = [
            commands.train("a-run", place.results, "trial", documented=True),
            commands.train("b-run", place.results, "full", documented=True),
            commands.evaluate(place.results, ["b-run"], documented=True),
        ]
        yield [place.perform(command, limits) for command in typed], place


def test_the_documented_commands_run_as_they_are_typed(performed):
    (trial, full, evaluate), place = performed
    assert trial.command[:3] == ("uv", "run", "python")
    for done in (trial, full):
        assert done.ended.status == 0, done.log.read_text(encoding="utf-8")
        assert "trained" in done.log.read_text(encoding="utf-8")
    assert (place.results / "b-run" / "done.txt").read_text(encoding="utf-8") == "full"
    assert evaluate.ended.status == 1


def test_a_full_run_is_read_back_through_the_tracker_by_evaluate(performed):
    (_, _, evaluate), _ = performed
    assert "b-run [1.0, 0.5, 0.333] 0.333" in evaluate.log.read_text(encoding="utf-8")


def test_what_ended_a_command_is_seen_with_the_subjects_own_line(performed):
    (_, _, evaluate), _ = performed
    (raised,) = evaluate.seen.raised
    assert (raised.type, raised.message, raised.path) == ("ValueError", "no figure", "src/evaluate.py")
    assert raised.code == 'raise ValueError("no figure")'


def test_files_it_wrote_are_seen_and_the_experiment_itself_is_a_copy(performed):
    (trial, _, _), place = performed
    assert str(place.results / "a-run" / "done.txt") in trial.seen.written
    assert sys.prefix not in str(place.experiment)
