import ast
import dataclasses
from pathlib import Path

import pytest

from greenlight.contract.experiment import FILES
from greenlight.contract.submission import Submission
from greenlight.review import engine
from greenlight.review.criteria import Criterion
from greenlight.review.engine import review
from greenlight.review.finding import Edit, Severity
from greenlight.review.mending import mended
from greenlight.review.module import Module, walk
from greenlight.review.rule import NotApplicable, NotChecked, Rule
from greenlight.review.verdict import State

FILLED = {path: b"a = 1\n" if path.endswith(".py") else b"a: 1\n" for path in FILES} | {"pyproject.toml": b"a = 1\n"}
HANDED_IN = Submission("x", "bundle", FILLED | {"src/train.py": b"a = 1\nb = 2\nb = 2\n"})


def rule_that(does, identity="GL401", criterion=Criterion.MODEL):
    class Made(Rule):
        id, name, severity = identity, "made", Severity.MAJOR
        summary = why = remedy = "Something."

        def check(self, subject):
            yield from does(self, subject)

    Made.criterion = criterion
    return Made()


def finds(rule, subject):
    yield rule.on("src/train.py", 2, "b is 2")


def raises(error):
    def does(rule, subject):
        raise error
        yield

    return does


@pytest.mark.parametrize(
    ("does", "state", "status", "ready"),
    [
        (lambda rule, subject: iter(()), State.PASS, 0, True),
        (finds, State.FAIL, 1, False),
        (raises(NotApplicable("no search")), State.NOT_APPLICABLE, 0, True),
        (raises(NotChecked("src/model.py cannot be read")), State.NOT_CHECKED, 1, False),
        (raises(RecursionError("deep")), State.CHECKER_ERROR, 2, False),
    ],
)
def test_the_five_states_and_what_they_mean_for_ready_and_the_exit_status(does, state, status, ready):
    others = [rule_that(lambda r, s: iter(()), f"GL{c}99", c) for c in Criterion if c is not Criterion.MODEL]
    verdict = review(HANDED_IN, [rule_that(does), *others])
    assert verdict.criteria[3].state is state
    assert verdict.exit_status == status
    assert verdict.is_code_ready is ready
    assert {c.state for c in verdict.criteria if c.criterion is not Criterion.MODEL} == {State.PASS}


def test_a_crash_is_neither_a_pass_nor_a_finding_and_what_was_found_before_it_stands():
    def crashes(rule, subject):
        yield from finds(rule, subject)
        raise KeyError("x")

    verdict = review(HANDED_IN, [rule_that(crashes), rule_that(lambda r, s: iter(()), "GL402")])
    assert verdict.criteria[3].state is State.CHECKER_ERROR
    assert "GL401 KeyError at test_engine.py" in verdict.criteria[3].reasons[0]
    assert len(verdict.findings) == 1


def test_a_criterion_passes_where_some_rules_do_not_apply_and_does_not_apply_where_none_does():
    absent, fine = rule_that(raises(NotApplicable("none"))), rule_that(lambda r, s: iter(()), "GL402")
    assert review(HANDED_IN, [absent, fine]).criteria[3].state is State.PASS
    assert review(HANDED_IN, [absent]).criteria[3].state is State.NOT_APPLICABLE


def test_a_criterion_about_a_file_that_is_empty_broken_or_missing_does_not_pass():
    rules = [rule_that(lambda r, s: iter(()), f"GL{c}99", c) for c in Criterion]
    for content, reason in ((b"# later\n", "is empty"), (b"def (", "cannot be parsed"), (None, "is missing")):
        files = {path: text for path, text in FILLED.items() if path != "src/model.py"}
        files |= {} if content is None else {"src/model.py": content}
        verdict = review(dataclasses.replace(HANDED_IN, files=files), rules)
        untold = {int(c.criterion): c.reasons for c in verdict.criteria if c.state is State.NOT_CHECKED}
        assert untold == {4: (f"src/model.py {reason}",), 7: (f"src/model.py {reason}",)}
        assert not verdict.is_code_ready


def test_criteria_that_nobody_asked_for_do_not_stand_in_the_way():
    verdict = review(HANDED_IN, [rule_that(lambda r, s: iter(()))])
    assert verdict.criteria[0].state is State.NOT_CHECKED
    assert verdict.is_code_ready


def test_an_edit_is_kept_only_if_its_finding_goes_and_no_other_comes():
    def doubles(rule, subject):
        lines = subject.submission.files["src/train.py"].decode().splitlines()
        for number, line in enumerate(lines[1:], start=2):
            if line == lines[number - 2]:
                yield rule.on("src/train.py", number, "twice", edits=(Edit("src/train.py", number, number, ""),))

    def misled(rule, subject):
        text = subject.submission.files["src/train.py"].decode()
        if "a = 1" in text:
            yield rule.on("src/train.py", 1, "a", edits=(Edit("src/train.py", 1, 1, "b = 2\nb = 2\n"),))

    changed, gone = mended(HANDED_IN, [rule_that(doubles)], heed_comments=True)
    assert changed == {"src/train.py": b"a = 1\nb = 2\n"}
    assert [finding.line for finding in gone] == [3]
    once = dataclasses.replace(HANDED_IN, files={"src/train.py": b"a = 1\n"})
    assert mended(once, [rule_that(misled), rule_that(doubles, "GL402")], heed_comments=True) == ({}, [])


def test_walking_a_node_gives_what_the_standard_librarys_walk_gives():
    module = Module("src/a.py", Path(engine.__file__).read_bytes())
    shared = (ast.expr_context, ast.boolop, ast.operator, ast.unaryop, ast.cmpop)
    for node in module.nodes:
        assert set(walk(node)) == {inner for inner in ast.walk(node) if not isinstance(inner, shared)}
    lines = [node.lineno for node in module.nodes if isinstance(node, ast.stmt)]
    assert lines == sorted(lines)
