"""The judge behind the command: opinions are printed and decide nothing; no answer is no verdict."""

import json
import os
import subprocess
import sys

import pytest

from greenlight.contract.experiment import FILES


@pytest.fixture
def folder(tmp_path):
    for path in FILES:
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_text("x = 1\n" if path.endswith(".py") else "", encoding="utf-8")
    (tmp_path / "src" / "model.py").write_text("def reward(loss):\n    return -loss.mean()\n", encoding="utf-8")
    return tmp_path


def review(folder, *arguments):
    return subprocess.run(
        [sys.executable, "-m", "greenlight", "review", str(folder), "--select", "GL101", *arguments],
        capture_output=True,
        text=True,
        check=False,
        env=os.environ | {"GREENLIGHT_JUDGE_KEY": "a-secret-key"},
    )


def test_an_opinion_is_printed_in_every_form_and_changes_no_verdict(judge, folder):
    opinion = {
        "path": "src/model.py", "line": 1, "quote": "return -loss.mean()", "criterion": "4.4",
        "issue": "no policy", "suggestion": "sample an action",
    }  # fmt: skip
    judge.says(opinion)
    for form in ("text", "json", "sarif", "github", "review"):
        told = review(folder, "--judge-url", judge.url, "--judge-model", "m", "--format", form)
        assert told.returncode == 0, told.stderr
        assert "no policy" in told.stdout, form
    whole = json.loads(review(folder, "--judge-url", judge.url, "--judge-model", "m", "--format", "json").stdout)
    assert whole["findings"] == []
    assert whole["opinions"][0]["line"] == 2
    (folder / "src" / "model.py").write_text("def reward(:  # return -loss.mean()\n", encoding="utf-8")
    assert review(folder, "--judge-url", judge.url, "--judge-model", "m").returncode == 1


def test_a_judge_that_gives_no_answer_leaves_the_code_not_ready(judge, folder):
    judge.replies(401)
    for form in ("text", "json", "sarif", "github", "review"):
        told = review(folder, "--judge-url", judge.url, "--judge-model", "m", "--format", form)
        assert told.returncode == 2
        assert "401" in told.stdout, form
        assert "a-secret-key" not in told.stdout + told.stderr
    assert (
        json.loads(review(folder, "--judge-url", judge.url, "--judge-model", "m", "--format", "json").stdout)[
            "is_code_ready"
        ]
        is False
    )


def test_half_a_judge_is_refused(folder):
    told = review(folder, "--judge-url", "http://127.0.0.1:9/v1")
    assert told.returncode == 2
    assert told.stderr == "error: --judge-model is missing: a judge is an address and a model; give both\n"
