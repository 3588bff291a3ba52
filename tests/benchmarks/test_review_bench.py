"""The benchmark of the review: valid experiments are silent, every defect that is put into them is found by name."""

from __future__ import annotations

import ast
import json
import tomllib
from pathlib import Path

import pytest

import benchmarks.review as bench
from benchmarks.review.bundles import names, score
from benchmarks.review.command import main
from benchmarks.review.mutants import changed_lines, findings_on_original, is_at, outcome
from benchmarks.review.operators import OPERATORS, NotThere, Operator
from benchmarks.review.originals import folders, original
from benchmarks.review.truth import Defect, Judgement, Naming, Place, places, read_table
from greenlight.contract.experiment import FILES
from greenlight.contract.submission import Submission
from greenlight.rehearse.rule import all_rules as observing_rules
from greenlight.review.engine import review
from greenlight.review.finding import Finding, Severity
from greenlight.review.registry import all_rules

BY_NAME = {operator.name: operator for operator in OPERATORS}
MISSED = tomllib.loads((Path(bench.__file__).parent / "missed.toml").read_text(encoding="utf-8"))
# These put in what no parser accepts: that is their defect.
UNPARSABLE = {"syntax-error", "nul-byte", "prose-in-code", "unreadable-encoding"}


def finding(path: str, line: int, rule: str = "GL101", end_line: int | None = None) -> Finding:
    return Finding(path, line, 1, rule, "it is so", "mend it", Severity.MAJOR, end_line=end_line)


def defect(key: str, loc: str, bundle: int = 1) -> Defect:
    return Defect(key, bundle, loc, "something", "major", "S", "", (), None)


@pytest.mark.parametrize("name", sorted(folders()))
def test_a_valid_experiment_is_silent(name: str) -> None:
    assert [f"{f.path}:{f.line} {f.rule} {f.message}" for f in findings_on_original(name)] == []


@pytest.mark.parametrize("name", sorted(BY_NAME))
def test_every_mutant_of_the_plain_experiment_is_caught_by_a_rule_that_names_it_or_is_a_known_miss(name: str) -> None:
    found = outcome(BY_NAME[name], "plain", only_named=True)
    if name in MISSED:
        assert found.result != "caught", f"{name} is caught now: take it out of benchmarks/review/missed.toml"
    else:
        assert found.result == "caught", f"{found.sentence} expected {found.expected}, elsewhere: {found.also}"


def test_known_misses_are_operators_and_say_why() -> None:
    assert set(MISSED) <= set(BY_NAME)
    assert all(len(reason) > 20 for reason in MISSED.values())


@pytest.mark.parametrize("content", [b"", b"def (\n"], ids=["empty", "unparsable"])
@pytest.mark.parametrize("path", [path for path in FILES if path.startswith("src/")])
def test_a_file_that_cannot_be_read_makes_no_rule_say_that_nobody_does_something(path: str, content: bytes) -> None:
    files = {name: text.encode() for name, text in original("plain").items()} | {path: content}
    verdict = review(Submission("plain", "bundle", files), all_rules())
    assert [(f.rule, f.path) for f in verdict.findings] == [("GL101" if content else "GL503", path)]


@pytest.mark.parametrize("name", sorted(BY_NAME))
def test_every_operator_really_changes_the_plain_experiment(name: str) -> None:
    before = original("plain")
    after = BY_NAME[name].mutant(before)
    assert changed_lines(before, after)
    for path, text in after.items():
        if path.endswith(".py") and name not in UNPARSABLE:
            ast.parse(text)


def test_operators_have_names_of_their_own_and_name_rules_that_exist() -> None:
    assert len(BY_NAME) == len(OPERATORS) >= 70
    known = {rule.id for rule in all_rules()}
    assert {key for operator in OPERATORS for key in operator.rules} <= known
    assert {operator.name for operator in OPERATORS if not operator.rules} <= set(MISSED)


def test_an_operator_that_changes_nothing_is_an_error() -> None:
    with pytest.raises(AssertionError, match="changes nothing"):
        Operator("idle", "Nothing is wrong.", (), dict).mutant({"src/main.py": "x = 1\n"})


def test_an_operator_without_its_snippet_says_so() -> None:
    with pytest.raises(NotThere):
        BY_NAME["no-shuffling"].mutant({"src/train.py": "x = 1\n"})


def test_the_plain_experiment_has_the_seven_files_and_two_runs_and_no_library_of_ours() -> None:
    files = original("plain")
    assert set(FILES) <= set(files)
    assert len(files) == len(FILES) + 2
    assert not any(word in text for text in files.values() for word in ("greenlight", "graff"))


def test_a_finding_counts_near_the_change_and_at_places_where_it_is_missed() -> None:
    before = {"src/train.py": "".join(f"line_{n} = {n}\n" for n in range(60))}
    after = {"src/train.py": before["src/train.py"].replace("line_40 = 40\n", "")}
    spans = changed_lines(before, after)
    assert spans == {"src/train.py": [(41, 41)]}
    assert is_at(finding("src/train.py", 45), spans, ())
    assert is_at(finding("src/train.py", 1), spans, ())
    assert not is_at(finding("src/train.py", 5), spans, ())
    assert not is_at(finding("src/model.py", 41), spans, ())
    assert is_at(finding("src/model.py", 3), spans, ("src/model.py",))


def test_recorded_places_are_read_in_every_form() -> None:
    assert places("src/train.py:32,167") == (Place("src/train.py", ((32, 32), (167, 167))),)
    assert places("pyproject.toml:12 + src/model.py:108-109") == (
        Place("pyproject.toml", ((12, 12),)),
        Place("src/model.py", ((108, 109),)),
    )
    assert places("src/main.py:10, src/train.py:222")[1] == Place("src/train.py", ((222, 222),))
    assert places("src/train.py (no use), src/main.py:27")[0] == Place("src/train.py")
    assert places("src/train.py:78, src/*")[1] == Place("src/*.py")
    assert places("src/train.py:213 / run YAML eval_split: test")[1] == Place("config/runs/*")


def test_a_finding_names_a_defect_by_a_rule_of_the_table_at_its_place() -> None:
    known, naming = defect("B1-50", "src/train.py:32,167"), [Naming(("GL701",), (Place("config/runs/*"),))]
    assert names(naming, known, finding("src/train.py", 167, "GL701"))
    assert names(naming, known, finding("src/train.py", 30, "GL701", end_line=31))
    assert names(naming, known, finding("config/runs/a.yaml", 9, "GL701"))
    assert not names(naming, known, finding("src/train.py", 100, "GL701"))
    assert not names(naming, known, finding("src/train.py", 167, "GL702"))
    assert not names((), known, finding("src/train.py", 167, "GL701"))
    assert names([Naming(("GL701",), says=("it is",))], known, finding("src/train.py", 167, "GL701"))
    assert not names([Naming(("GL701",), says=("another key",))], known, finding("src/train.py", 167, "GL701"))


def test_precision_is_told_only_when_every_other_finding_is_judged() -> None:
    known, table = [defect("B1-01", "pyproject.toml:7")], {"B1-01": [Naming(("GL506",))]}
    found = [finding("pyproject.toml", 7, "GL506"), finding("src/main.py", 3, "GL999")]
    assert score(1, found, known, table).precision is None
    judged = [Judgement(1, "GL999", "src/main.py", is_true=False, because="it works")]
    rated = score(1, found, known, table, judged)
    assert rated.precision == 0.5
    assert [f.rule for f in rated.found["B1-01"]] == ["GL506"]


def test_the_table_of_known_defects_names_rules_that_exist() -> None:
    naming, judged = read_table()
    known = {rule.id for rule in (*all_rules(), *observing_rules())}
    assert {key for entries in naming.values() for entry in entries for key in entry.rules} <= known
    assert {entry.rule for entry in judged} <= known


def test_the_command_writes_a_page_and_a_json_file_with_the_conditions(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    prompt, truth = tmp_path / "prompt.json", tmp_path / "truth.json"
    prompt.write_text(json.dumps({"pyproject_toml": '[project]\nname = "a"\n\n[project.dependencies]\ntorch = "^2"\n'}))
    row = {"id": "B1-01", "bundle": 1, "loc": "pyproject.toml:4", "title": "a table", "severity": "blocker"}
    row |= {"detect": "S", "detect_also": "", "off_the_shelf": ["uv"], "reviewer_claim": None}
    truth.write_text(json.dumps([row]))
    status = main(["bundles", "--prompt", str(prompt), "--truth", str(truth), "--out", str(tmp_path / "out")])
    assert status == 0
    assert "1/1 (100%)" in capsys.readouterr().out
    assert "- machine:" in (tmp_path / "out" / "bundles.md").read_text()
    content = json.loads((tmp_path / "out" / "bundles.json").read_text())
    assert content["conditions"]["command"].startswith("python -m benchmarks.review bundles")
    assert [f["rule"] for f in content["found"]["B1-01"]] == ["GL506"]


def test_a_file_that_is_no_truth_is_refused_in_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "truth.json"
    path.write_text("[{}]")
    assert main(["bundles", "--prompt", str(path), "--truth", str(path)]) == 2
    assert capsys.readouterr().err.count("\n") == 1
