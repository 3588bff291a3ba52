"""Every rule about observations, on rehearsals made up of observations: it speaks, and it keeps silent."""

import dataclasses

import pytest

from greenlight.rehearse.cast import Cast, Part, Player
from greenlight.rehearse.observer.record import Raised
from greenlight.rehearse.rehearsal import Crash, Phase
from greenlight.rehearse.rule import all_rules, outcomes
from greenlight.rehearse.sandbox import Stop
from greenlight.review.verdict import State
from packages.greenlight.tests.rehearse.observation_cases import (
    FILES,
    RAISED,
    SILENT,
    SPEAKS,
    TWO,
    act,
    optimizer,
    rehearsal,
)  # fmt: skip


def said(rule_id, seen):
    """Return the state of a rule and what it found, as path, line and message."""
    (rule,) = [one for one in all_rules() if one.id == rule_id]
    (outcome,) = outcomes(seen, [rule])
    return outcome.state, [(f.path, f.line, f.message) for f in outcome.findings]


@pytest.mark.parametrize("rule_id", [rule.id for rule in all_rules()])
def test_a_rule_finds_what_was_observed_and_is_silent_on_its_near_misses(rule_id):
    for seen, words in SPEAKS[rule_id]:
        state, findings = said(rule_id, seen)
        assert state is State.FAIL, (state, findings)
        assert any(words in message for _, _, message in findings), findings
        assert all(path in FILES and line >= 1 for path, line, _ in findings), findings
    for seen in SILENT[rule_id]:
        state, findings = said(rule_id, seen)
        assert findings == [], findings
        assert state in (State.PASS, State.NOT_APPLICABLE, State.NOT_CHECKED), state


@pytest.mark.parametrize("rule_id", [rule.id for rule in all_rules()])
def test_a_rule_makes_no_finding_of_a_rehearsal_in_which_nothing_was_observed(rule_id):
    state, findings = said(rule_id, rehearsal())
    assert findings == []
    assert state in (State.PASS, State.NOT_APPLICABLE, State.NOT_CHECKED)


def test_a_crash_for_want_of_a_model_that_nothing_stands_in_for_is_not_checked_and_no_finding():
    part = Part("model", "acme/unheard-of", Player.NOBODY, "map it: --model acme/unheard-of=FOLDER")
    raised = dataclasses.replace(RAISED, root_message="acme/unheard-of is not a local folder")
    crashed = act(Phase.TRIAL, status=1, crash=Crash(raised, ""))
    assert said("GR101", rehearsal(crashed, cast=Cast((part,), ()))) == (State.NOT_CHECKED, [])


def test_a_crash_is_told_once_for_all_runs_that_met_it_with_what_the_scratch_copy_went_on_with():
    first = dataclasses.replace(act(Phase.TRIAL, status=1, crash=Crash(RAISED, "")), mended="a column was added")
    second = act(Phase.TRIAL, (TWO,), status=1, crash=Crash(RAISED, ""))
    (rule,) = [one for one in all_rules() if one.id == "GR101"]
    (finding,) = rule.check(rehearsal(first, second))
    assert f"trial of {TWO} and 1 more" in finding.message
    assert "a column was added" in finding.remedy


def test_what_crashes_after_a_value_was_made_up_is_likely_and_not_proven():
    rough = dataclasses.replace(act(Phase.TRIAL, status=1, crash=Crash(RAISED, "")), mended="made up", rough=True)
    later = act(Phase.TRIAL, status=1, crash=Crash(dataclasses.replace(RAISED, line=9), ""))
    (rule,) = [one for one in all_rules() if one.id == "GR101"]
    assert {f.line: f.confidence for f in rule.check(rehearsal(rough, later))} == {7: "proven", 9: "likely"}


def test_a_child_that_does_not_start_is_told_at_the_line_that_starts_it():
    child = Raised(
        "ModuleNotFoundError", "No module named 'src'", "ModuleNotFoundError", "No module named 'src'", "", 0, ""
    )
    parent = Raised("CalledProcessError", "1", "CalledProcessError", "1", "src/main.py", 1, "")
    crashed = act(Phase.TRIAL, status=1, crash=Crash(child, ""), raised=(child, parent))
    ((path, line, message),) = said("GR101", rehearsal(crashed))[1]
    assert (path, line) == ("src/main.py", 1)
    assert "No module named 'src'" in message


def test_a_full_run_that_only_takes_long_is_not_checked_with_how_far_it_came():
    slow = act(Phase.FULL, status=137, stopped=Stop.TIME, totals={"optimizer 0": optimizer(steps=70)})
    (rule,) = [one for one in all_rules() if one.id == "GR102"]
    (outcome,) = outcomes(rehearsal(slow), [rule])
    assert outcome.state is State.NOT_CHECKED
    assert "after 70 optimizer steps" in outcome.reason
