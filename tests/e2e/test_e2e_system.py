"""The eleven concerns of a training system on both experiments, through real processes; the tracker is the witness."""

import json
import re
import signal
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pyBigWig
import pytest

from tests.e2e import chipseq_concerns, concerns, gsm8k_concerns
from tests.e2e.playing import Played
from tests.e2e.small_runs import CHIPSEQ, CHIPSEQ_GLM, CHIPSEQ_ON_TIME, GSM8K, GSM8K_SEARCHED

pytestmark = pytest.mark.timeout(420)

CONCERNS = {"chipseq": chipseq_concerns.CONCERNS, "gsm8k": gsm8k_concerns.CONCERNS}
MAIN = {"chipseq": CHIPSEQ, "gsm8k": GSM8K}
OTHER = {"chipseq": CHIPSEQ_GLM, "gsm8k": GSM8K_SEARCHED}
STOPS = {
    "chipseq": [(15, signal.SIGINT), (45, signal.SIGKILL)],
    "gsm8k": [(3, signal.SIGINT), (9, signal.SIGKILL)],
}


def play(stage, experiment):
    code, main = stage.copied(experiment, "system"), MAIN[experiment]
    played = Played(
        main, stage.play(main, f"{experiment}-main", code, documented=True), stage, expected=main.expected()
    )
    return replace(played, twin=stage.interrupt(main, f"{experiment}-twin", code, STOPS[experiment]))


@pytest.fixture(scope="module")
def everything(stage):
    """Both experiments' runs, side by side: their rates follow steps, so that they may take each other's time."""
    pool = ThreadPoolExecutor(2)
    yield {name: pool.submit(play, stage, name) for name in MAIN}
    pool.shutdown(cancel_futures=True)


@pytest.fixture(scope="module", params=list(MAIN))
def played(request, everything):
    return everything[request.param].result()


def check(played, concern):
    CONCERNS[played.small.experiment][concern](played)


def test_the_configuration_is_the_defaults_then_the_run_file_then_the_command_line(played):
    check(played, "configuration")


def test_the_untrained_model_is_what_it_must_be(played):
    check(played, "initialisation")


def test_training_takes_every_step_once_and_the_model_learns(played):
    check(played, "training")


def test_every_row_holds_every_metric_and_the_tracker_holds_every_row(played):
    check(played, "metric_capture")


def test_the_loss_of_every_step_is_tracked_and_its_summary_follows_from_it(played):
    check(played, "loss_tracking")


def test_the_weights_that_were_kept_give_the_validation_loss_that_was_logged(played):
    check(played, "checkpoint_reloads")


def test_an_interrupted_killed_and_resumed_run_is_the_run_that_was_neither(played):
    check(played, "checkpoint_resumes")


def test_validation_metrics_can_be_measured_again(played):
    check(played, "validation_metrics")


def test_training_stops_where_the_patience_or_the_command_line_says(played):
    check(played, "early_stopping")


def test_the_scheduler_gives_the_exact_sequence_of_rates(played):
    check(played, "scheduler")


def test_a_completed_run_is_finished_everywhere_and_leaves_exactly_its_files(played):
    check(played, "completion")


# ---- full integration -------------------------------------------------------------------------------------------


def code_of(played):
    return played.stage.folder / "system" / played.small.experiment


@pytest.fixture(scope="module")
def integrated(played):
    """A second run in the same project, by the same commands, and the comparison of both by ``src.evaluate``."""
    stage, project, other = played.stage, played.main.project, OTHER[played.small.experiment]
    second = stage.play(other, project, code_of(played))
    ids = [played.small.run_id, other.run_id]
    words = (f"results_dir={played.main.folder.parent}", f"run_ids={json.dumps(ids)}", f"wandb.project={project}")
    ended = stage.start(code_of(played), project, *words, module="src.evaluate").wait(200)
    assert ended.returncode == 0, ended.output
    return played, second


def strict(path):
    def refuse(name):
        raise AssertionError(f"{path} holds {name}")

    return json.loads(path.read_text(), parse_constant=refuse)


PRIMARY = {"chipseq": ("test_nll", -1), "gsm8k": ("exact_match_at_budget", 1)}


def test_two_runs_are_compared_from_the_tracker_as_their_summaries_say(integrated):
    played, second = integrated
    place, (metric, sign) = played.main.folder.parent, PRIMARY[played.small.experiment]
    found = strict(place / "comparison" / "aggregated_metrics.json")
    assert list(found) == ["primary_metric", "metrics", "best_proposed", "best_baseline", "gap"]
    values = {run.folder.name: run.summary[metric] for run in (played.main, second)}
    assert found["metrics"][metric] == values
    roles = {name.split("-")[0]: value for name, value in values.items()}
    assert (found["best_proposed"]["value"], found["best_baseline"]["value"]) == (
        roles["proposed"],
        roles["comparative"],
    )
    gap = sign * (roles["proposed"] - roles["comparative"]) / roles["comparative"] * 100
    assert found["gap"] == pytest.approx(gap)
    (pair,) = strict(place / "comparison" / "significance.json")["pairs"]
    assert {pair["first"], pair["second"]} == set(values)
    for run_id in values:
        strict(place / run_id / "metrics.json")
        assert list((place / run_id).glob(f"{run_id}_*.pdf"))
    for path in [*place.rglob("*.pdf")]:
        content = path.read_bytes()
        assert content.startswith(b"%PDF-")
        assert content.rstrip().endswith(b"%%EOF")
    assert all(path.name.startswith("comparison_") for path in (place / "comparison").glob("*.pdf"))


def test_a_track_of_chipseq_is_its_reads_over_what_is_expected(integrated):
    played, _ = integrated
    if played.small.experiment != "chipseq":
        pytest.skip("gsm8k writes no tracks")
    said = chipseq_concerns.predicted(played)
    expected = (said.counts.sum(axis=1) + 1) / (said.mean.sum(axis=1) + 1)
    places = zip(said.bins.chromosome, said.bins.start, strict=True)
    (path,) = (played.main.folder / "tracks").glob("*normalised*.bw")
    with pyBigWig.open(str(path)) as track:
        found = [track.values(name, int(at), int(at) + 1)[0] for name, at in places]
    assert found == pytest.approx(expected, rel=1e-5)


def test_a_search_is_not_tracked_and_the_final_run_uses_what_it_found(integrated):
    played, second = integrated
    if played.small.experiment != "gsm8k":
        pytest.skip("a baseline of chipseq has nothing to search")
    assert sorted(second.runs_of_project) == sorted([played.small.run_id, OTHER["gsm8k"].run_id])
    found = second.config["search"]
    log = (played.stage.folder / played.main.project / "log").read_text()
    trials = re.findall(r"search trial (\d): dev exact match ([\d.]+)", log)
    assert [number for number, _ in trials] == ["0", "1"]
    assert found["n_trials"] == 2
    assert found["objective"] == pytest.approx(max(float(value) for _, value in trials), abs=1e-3)  # the log rounds
    assert found["values"].keys() == {"training.optimizer.lr_init", "training.scheduler.outer_lr"}
    for path, value in found["values"].items():
        _, section, name = path.split(".")
        assert second.config["training"][section][name] == value
    assert 1e-4 <= found["values"]["training.optimizer.lr_init"] <= 1e-2
    assert found["values"]["training.optimizer.lr_init"] != 2e-4


def test_a_finished_run_is_not_trained_again(played):
    stage, before = played.stage, played.twin
    words = played.small.words(before.folder.parent, before.project)
    ended = stage.start(code_of(played), before.project, *words).wait()
    assert ended.returncode == 0
    assert "is finished already" in ended.output
    assert stage.witness(played.small, before.project).rows == before.rows


# What comes before the tracker is asked.
CHEAP = {
    "chipseq": (),
    "gsm8k": ("dataset.dev_examples=1", "evaluation.test_examples=1", "evaluation.max_new_tokens=1"),
}


def test_a_run_id_that_is_taken_is_refused_and_the_run_that_has_it_is_left_alone(played, tmp_path):
    stage, before = played.stage, played.twin
    words = [*played.small.words(tmp_path, before.project), *CHEAP[played.small.experiment]]
    ended = stage.start(code_of(played), before.project, *words).wait()
    assert ended.returncode == 1
    assert "if that run exists already" in ended.error
    assert stage.witness(played.small, before.project).rows == before.rows


def test_a_run_of_chipseq_under_a_budget_of_time_uses_it_and_ends_in_it(stage):
    concerns.within_budget(stage.play(CHIPSEQ_ON_TIME, "on-time", stage.copied("chipseq", "on-time")))
