"""The concerns are tested themselves: each fault, put into a copy of an experiment, turns the named one red."""

import signal
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest

from tests.e2e import chipseq_concerns, gsm8k_concerns
from tests.e2e.mutants import CHIPSEQ_MUTANTS, GSM8K_MUTANTS, SHORTENED
from tests.e2e.playing import Played

pytestmark = [pytest.mark.timeout(420), pytest.mark.slow]

CONCERNS = {"chipseq": chipseq_concerns.CONCERNS, "gsm8k": gsm8k_concerns.CONCERNS}
STOPS = {"chipseq": [(30, signal.SIGINT)], "gsm8k": [(3, signal.SIGINT)]}
MUTANTS = {f"{m.small.experiment}: {m.name}": m for m in (*CHIPSEQ_MUTANTS, *GSM8K_MUTANTS)}


def name_of(key):
    return "mutant-" + "".join(character if character.isalnum() else "-" for character in key)


def play(stage, name, small, *, interrupted, mutant=None):
    code = stage.copied(small.experiment, name)
    if mutant is not None:
        mutant.apply(code)
    played = Played(small, stage.play(small, name, code), stage, expected=small.expected())
    if not interrupted:
        return played
    return replace(played, twin=stage.interrupt(small, f"{name}-twin", code, STOPS[small.experiment]))


@pytest.fixture(scope="module")
def plays(stage):
    """The runs of all mutants, and the shortened runs of the experiments as they are, two at a time, begun."""
    pool = ThreadPoolExecutor(2)
    mutated = {
        key: pool.submit(play, stage, name_of(key), m.small, interrupted=m.interrupted, mutant=m)
        for key, m in MUTANTS.items()
    }
    sound = [
        pool.submit(play, stage, f"sound-{index}", small, interrupted=False) for index, small in enumerate(SHORTENED)
    ]
    yield mutated, sound
    pool.shutdown(cancel_futures=True)


def check(played, concern):
    CONCERNS[played.small.experiment][concern](played)


@pytest.mark.parametrize("key", MUTANTS)
def test_a_fault_turns_its_concern_red(plays, key):
    played, mutant = plays[0][key].result(), MUTANTS[key]
    with pytest.raises(AssertionError):
        check(played, mutant.found_by)
    if played.twin is not None:
        # Until the signal both are one run: it is the resuming that makes the difference.
        losses = [[row.get("loss") for row in run.rows] for run in (played.main, played.twin)]
        (rows, _), *_ = STOPS[mutant.small.experiment]
        assert losses[0][:rows] == losses[1][:rows]


@pytest.mark.parametrize("index", range(len(SHORTENED)))
def test_a_shortened_run_of_an_experiment_as_it_is_leaves_these_concerns_green(plays, index):
    for concern in {mutant.found_by for mutant in MUTANTS.values() if mutant.small is SHORTENED[index]}:
        check(plays[1][index].result(), concern)


def test_every_concern_of_chipseq_has_a_fault_that_it_must_find():
    assert {mutant.found_by for mutant in CHIPSEQ_MUTANTS} == set(chipseq_concerns.CONCERNS)
