"""The eleven concerns of a training system on both experiments, through real processes; the tracker is the witness."""

import json
import re
import signal
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from itertools import combinations

import pyBigWig
import pytest

from tests.e2e import chipseq_concerns, concerns, gsm8k_concerns
from tests.e2e.playing import Played
from tests.e2e.small_runs import (
    CHIPSEQ,
    CHIPSEQ_FEW_BINS,
    CHIPSEQ_GLM,
    CHIPSEQ_MIXTURE,
    CHIPSEQ_ON_TIME,
    GSM8K,
    GSM8K_SEARCHED,
)

pytestmark = pytest.mark.timeout(420)

CONCERNS = {"chipseq": chipseq_concerns.CONCERNS, "gsm8k": gsm8k_concerns.CONCERNS}
MAIN = {"chipseq": CHIPSEQ, "gsm8k": GSM8K}
OTHERS = {"chipseq": (CHIPSEQ_GLM, CHIPSEQ_MIXTURE), "gsm8k": (GSM8K_SEARCHED,)}
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
    """Other runs in the same project, by the same commands, and the comparison of all by ``src.evaluate``."""
    stage, project, others = played.stage, played.main.project, OTHERS[played.small.experiment]
    witnesses = [stage.play(other, project, code_of(played)) for other in others]
    ids = [played.small.run_id, *(other.run_id for other in others)]
    words = (f"results_dir={played.main.folder.parent}", f"run_ids={json.dumps(ids)}", f"wandb.project={project}")
    ended = stage.start(code_of(played), project, *words, module="src.evaluate").wait(200)
    assert ended.returncode == 0, ended.output
    return played, witnesses


def strict(path):
    def refuse(name):
        raise AssertionError(f"{path} holds {name}")

    return json.loads(path.read_text(), parse_constant=refuse)


PRIMARY = {"chipseq": ("test_nll", -1), "gsm8k": ("exact_match_at_budget", 1)}


def test_runs_are_compared_from_the_tracker_as_their_summaries_say(integrated):
    played, others = integrated
    place, (metric, sign) = played.main.folder.parent, PRIMARY[played.small.experiment]
    found = strict(place / "comparison" / "aggregated_metrics.json")
    assert list(found) == ["primary_metric", "metrics", "best_proposed", "best_baseline", "gap"]
    values = {run.folder.name: run.summary[metric] for run in (played.main, *others)}
    assert found["metrics"][metric] == values
    best = {
        role: max((value for name, value in values.items() if name.startswith(role)), key=lambda value: sign * value)
        for role in ("proposed", "comparative")
    }
    assert found["best_proposed"]["value"] == best["proposed"]
    assert found["best_baseline"]["value"] == best["comparative"]
    gap = sign * (best["proposed"] - best["comparative"]) / best["comparative"] * 100
    assert found["gap"] == pytest.approx(gap)
    pairs = strict(place / "comparison" / "significance.json")["pairs"]
    compared = sorted(tuple(sorted((pair["first"], pair["second"]))) for pair in pairs)
    assert compared == sorted(combinations(sorted(values), 2))
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


OF_CHIPSEQ = pytest.mark.parametrize("played", ["chipseq"], indirect=True)


@pytest.fixture(scope="module")
def mixture(integrated):
    """The mixture's run of chipseq, judged like the main one."""
    played, others = integrated
    return replace(played, small=CHIPSEQ_MIXTURE, main=others[-1], twin=None, expected=CHIPSEQ_MIXTURE.expected())


# Of several runs in one project; the mixture is not interrupted.
OF_ONE_RUN = sorted(chipseq_concerns.CONCERNS.keys() - {"checkpoint_resumes", "completion"})


@OF_CHIPSEQ
@pytest.mark.parametrize("concern", OF_ONE_RUN)
def test_a_concern_holds_of_the_mixture_too(mixture, concern):
    chipseq_concerns.CONCERNS[concern](mixture)


@OF_CHIPSEQ
def test_the_mixture_finds_the_simulated_signal_and_explains_held_out_reads_better_than_one_distribution(
    mixture, integrated
):
    signal, truth = chipseq_concerns.signal_of(mixture), mixture.option("dataset.simulator")
    assert 0.5 < signal.probability / truth["enriched_fraction"] < 2
    assert 0.5 < signal.folds[len(signal.folds) // 2] / truth["fold_median"] < 2
    others = [integrated[0].main, *integrated[1][:-1]]
    ours = mixture.main.summary
    for theirs in (run.summary for run in others):
        for metric in ("test_nll", "test_nll_each"):
            assert ours[metric] < theirs[metric] - 0.03, metric
        # One distribution for bins with and without signal is too wide for either.
        assert abs(ours["test_log_size_bias"]) < abs(theirs["test_log_size_bias"]) / 2


def test_a_search_is_not_tracked_and_the_final_run_uses_what_it_found(integrated):
    played, (second, *_) = integrated
    if played.small.experiment != "gsm8k":
        pytest.skip("a baseline of chipseq has nothing to search")
    assert sorted(second.runs_of_project) == sorted([played.small.run_id, GSM8K_SEARCHED.run_id])
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


@pytest.mark.parametrize("small", [CHIPSEQ_ON_TIME, CHIPSEQ_FEW_BINS], ids=["all-bins", "few-bins"])
def test_a_run_of_chipseq_under_a_budget_of_time_uses_it_and_ends_in_it(stage, small):
    name = f"on-time-{small.run_id}"
    concerns.within_budget(stage.play(small, name, stage.copied("chipseq", name)))
