"""What holds for every rule: its own examples, its words, and that it survives what nobody foresaw."""

import re
import tomllib
from importlib.resources import files

import pytest

from greenlight.review.engine import run_rule
from greenlight.review.registry import all_rules
from greenlight.review.subject import Subject
from greenlight.review.verdict import State

RULES = all_rules()
SENTENCES = tomllib.loads(files("greenlight.review").joinpath("sentences.toml").read_text(encoding="utf-8"))
NUMBERS = {f"{criterion}.{number}" for criterion, entries in SENTENCES.items() for number in entries}

pytestmark = pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.id)

STRANGE = {
    "nothing": {},
    "blank": dict.fromkeys(
        ("src/train.py", "src/evaluate.py", "src/main.py", "pyproject.toml", "config/config.yaml"), ""
    ),
    "unparsable": {
        "src/train.py": "def (",
        "src/evaluate.py": "x = = 1",
        "src/model.py": "\0",
        "pyproject.toml": "[[[",
        "config/config.yaml": "a: [",
        "config/runs/a.yaml": "- 1\n- 2\n",
    },
    "odd types": {
        "pyproject.toml": "project = 3\n",
        "config/config.yaml": "wandb: 1\noptuna: [1]\ndefaults: {a: b}\n",
        "config/runs/a.yaml": """
            run_id: [1]
            model: 3
            dataset: null
            training: x
            optuna: {search_space: [a]}
        """,
        "src/train.py": """
            import wandb, hydra
            @hydra.main()
            def main(*args, **cfg):
                lambda: (yield)
                wandb.log(*args)
                wandb.init(**cfg)
        """,
        "src/evaluate.py": """
            from . import *
            from .. import x
            import json
            run[:] = history.scan_history()[0][1:2]
            json.dumps()
        """,
        "src/preprocess.py": """
            from datasets import load_dataset
            load_dataset()
            load_dataset(*[1], **{})
        """,
        "src/model.py": """
            import torch
            class A(torch.nn.Module, *b, metaclass=c): pass
            (torch.tensor)([])[...].x = 3
        """,
    },
}


def test_its_valid_examples_are_silent_and_each_invalid_one_is_found(rule):
    assert rule.valid
    assert rule.invalid
    for example in rule.valid:
        outcome = run_rule(rule, Subject.of(example))
        assert outcome.state in (State.PASS, State.NOT_APPLICABLE), (outcome.reason, outcome.findings)
    for example in rule.invalid:
        outcome = run_rule(rule, Subject.of(example))
        assert outcome.state is State.FAIL, outcome.reason
        for finding in outcome.findings:
            assert finding.rule == rule.id
            assert "\n" not in finding.message + finding.remedy
            assert finding.message
            assert finding.remedy
            assert finding.path in example or rule.id == "GL501"
            lines = Subject.of(example).submission.files.get(finding.path, b"").decode().splitlines()
            assert 1 <= finding.line <= max(1, len(lines))


def test_its_words_are_complete(rule):
    assert re.fullmatch(r"GL\d{3}", rule.id)
    assert rule.id[2] == str(rule.criterion.value)
    assert re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*", rule.name)
    assert type(rule).__module__.rpartition(".")[2] == f"{rule.id.lower()}_{rule.name.replace('-', '_')}"
    for text in (rule.summary, rule.why, rule.remedy):
        assert text.endswith(".")
        assert len(text) > 20
    assert rule.sentences
    assert set(rule.sentences) <= NUMBERS


@pytest.mark.parametrize("strange", STRANGE)
def test_it_survives_what_nobody_foresaw(rule, strange):
    outcome = run_rule(rule, Subject.of(STRANGE[strange]))
    assert outcome.state is not State.CHECKER_ERROR, outcome.reason
