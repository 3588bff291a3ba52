import dataclasses
import json

import pytest
from sarif_pydantic import Sarif

from greenlight.contract.submission import Submission
from greenlight.report import Document, forms
from greenlight.report.document import Command, Staged
from greenlight.review.engine import review
from greenlight.review.registry import all_rules, rule

BROKEN = {"src/model.py": "größe = 'ü'; def x(:\n".encode(), "src/tr%ai,n.py": b"\xff\x00"}


@pytest.fixture(scope="module")
def document():
    rules = (rule("GL101"), rule("GL501"))
    return Document(review(Submission("x", "bundle", BROKEN), rules), rules, BROKEN)


def test_every_form_renders_every_verdict(document):
    empty = Document(review(Submission("x", "bundle", {}), all_rules()), all_rules(), {})
    assert set(forms()) == {"text", "json", "sarif", "github", "review"}
    for render in forms().values():
        for each in (document, empty, dataclasses.replace(document, colour=True)):
            assert render(each).endswith("\n")


def test_sarif_is_valid_and_points_at_rules_by_their_place(document):
    text = forms()["sarif"](document)
    Sarif.model_validate_json(text)
    (run,) = json.loads(text)["runs"]
    assert len(run["results"]) == len(document.verdict.findings) > 5
    prints = set()
    for result in run["results"]:
        assert run["tool"]["driver"]["rules"][result["ruleIndex"]]["id"] == result["ruleId"]
        place = result["locations"][0]["physicalLocation"]
        assert not place["artifactLocation"]["uri"].startswith("/")
        prints.add(result["partialFingerprints"]["greenlight/v1"])
    assert len(prints) == len(run["results"])
    assert "src/tr%25ai%2Cn.py" in text


def test_githubs_annotations_escape_what_would_end_them(document):
    lines = forms()["github"](document).splitlines()
    assert len(lines) == len(document.verdict.findings)
    assert any("file=src/tr%25ai%2Cn.py,line=1" in line for line in lines)
    assert all(line.startswith(("::error ", "::warning ")) for line in lines)


def test_the_caret_stands_below_the_column_in_characters(document):
    lines = forms()["text"](document).splitlines()
    code = next(number for number, line in enumerate(lines) if "größe" in line)
    finding = next(f for f in document.verdict.findings if f.path == "src/model.py" and f.rule == "GL101")
    assert lines[code + 1].index("^") - lines[code].index("größe") == finding.column - 1


def test_the_review_document_has_the_parts_of_a_colleagues_review(document):
    text = forms()["review"](document)
    assert text.startswith("# Review: x\n\n**Decision:** Request Changes\n\n**Summary:**\n")
    assert text.count("*   **Finding:**") == len(document.verdict.findings)
    for part in ("**File:**", "**Issue:**", "**Suggestion:**", "**Reasoning:**"):
        assert text.count(f"    *   {part}") == len(document.verdict.findings)


def test_json_tells_why_something_went_unchecked(document):
    verdict = document.verdict
    unasked = json.loads(forms()["json"](document))
    assert unasked["criteria"][1]["state"] == "not checked"
    assert "not checked" not in unasked["code_issue"]
    asked = dataclasses.replace(verdict.criteria[1], asked=True, reasons=("the file is a link",))
    changed = dataclasses.replace(verdict, criteria=(verdict.criteria[0], asked, *verdict.criteria[2:]))
    told = json.loads(forms()["json"](dataclasses.replace(document, verdict=changed)))
    assert "Criterion 2 (Hydra and the command line): not checked: the file is a link" in told["code_issue"]


def test_every_form_tells_of_a_rehearsal_what_it_has_room_for():
    rules = all_rules()
    commands = (
        Command("trial", ("a",), "uv run x", "exit 1, KeyError", 2.5, 1024, "src/train.py:3: a column was added"),
        Command("trial", ("a",), "uv run x", "exit 0", 3.0, 2048),
    )
    parts = (("model", "acme/b", "stand-in", "tiny X with random weights"),)
    staged = Staged(commands, parts, "Python with 3 packages", "searches stopped after 2 trials", confined=False)
    document = Document(review(Submission("x", "bundle", BROKEN), rules), rules, BROKEN, staged=staged)
    text = forms()["text"](document)
    for words in (
        "went on after",
        "acme/b: stand-in",
        "Python with 3 packages",
        "stopped after 2 trials",
        "without a sandbox",
    ):
        assert words in text
    told = json.loads(forms()["json"](document))["rehearsal"]
    assert [one["ended"] for one in told["commands"]] == ["exit 1, KeyError", "exit 0"]
    assert told["stand_ins"] == [
        {"kind": "model", "id": "acme/b", "served": "stand-in", "detail": "tiny X with random weights"}
    ]
    assert told["sandbox"] is False
    assert "performed 2 times; 1 of them failed" in forms()["review"](document)
    plain = Document(document.verdict, rules, BROKEN)
    assert "rehearsal" not in json.loads(forms()["json"](plain))
    assert "What only a run can show was not looked at" in forms()["review"](plain)
