"""Metric keys on both sides, and what the names of evaluate.py stand for."""

import ast

import pytest

from greenlight.review.engines.metrics import Metrics
from greenlight.review.engines.readback import Readback
from greenlight.review.subject import Subject

START = "import wandb\nrun = wandb.init(id='a', project='b')\n"


def logged(code):
    found = Subject.of({"src/train.py": START + code}).derived(Metrics)
    return sorted({key.name for key in found.logged}), found.is_complete


@pytest.mark.parametrize(
    ("code", "names"),
    [
        ("run.log({'loss': 1.0, 'lr': 0.1})", ["loss", "lr"]),
        (
            "row = {'loss': 1.0}\nrow['lr'] = 0.1\nrow.update({'step': 3}, epoch=1)\nrun.log(row)",
            ["epoch", "loss", "lr", "step"],
        ),
        ("def scores():\n    return {'em': 0.5}\nwandb.log({'step': 1, **scores()})", ["em", "step"]),
        ("def scores():\n    return {'em': 0.5}, []\nfound, _ = scores()\nwandb.log(found)", ["em"]),
        ("for split in ('dev', 'test'):\n    run.log({f'{split}/em': 0.5})", ["{}/em"]),
        ("found = {'em': 0.5}\nrun.log({f'dev/{k}': v for k, v in found.items()})", ["dev/{}"]),
        ("def note(values):\n    run.log(values)\nnote({'a': 1})\nnote({'b': 2})", ["a", "b"]),
        ("run.log(dict(a=1) | {'b': 2})", ["a", "b"]),
        ("def fill(row):\n    row['c'] = 1\nrow = {}\nfill(row)\nrun.log(row)", ["c"]),
    ],
)
def test_keys_are_followed_to_where_they_are_made(code, names):
    assert logged(code) == (names, True)


@pytest.mark.parametrize(
    "code",
    [
        "from other import scores\nrun.log(scores())",
        "def note(values):\n    run.log(values)\ncallbacks = [note]",
        "run.log({name: 1 for name in open('names')})",
        "run.log({'a': 1})\nrun.summary.update(open('x'))",
        "from transformers import Trainer\nrun.log({'a': 1})\nTrainer().train()",
    ],
)
def test_a_set_that_can_have_other_keys_is_not_complete(code):
    assert not logged(code)[1]


def test_a_pattern_stands_for_every_name_that_fits_and_for_nested_values():
    found = Subject.of({"src/train.py": START + "x = 'dev'\nrun.log({f'{open}/em': 1, 'box': {'a': 1}})"}).derived(
        Metrics
    )
    assert found.may_be_logged("dev/em")
    assert found.may_be_logged("box.a")
    assert found.may_be_logged("_step")
    assert not found.may_be_logged("dev/acc")


def test_the_summary_holds_its_own_keys_and_the_last_logged_values():
    code = (
        START + "run.log({'loss': 1})\nwandb.summary['best'] = 1\nrun.summary.final = 2\nrun.summary.update(worst=3)\n"
    )
    found = Subject.of({"src/train.py": code}).derived(Metrics)
    assert {key.name for key in found.summarised} == {"best", "final", "worst"}
    assert found.may_be_in_summary("loss")
    assert not found.may_be_logged("best")


EVALUATE = """
import pandas as pd
import wandb
def curve(frame):
    return frame["em"].dropna()
def main(paths):
    api = wandb.Api()
    kept = {}
    for path in paths:
        run = api.run(path)
        plain = run.summary._json_dict
        live = dict(run.summary)
        clean = {k: v for k, v in run.summary.items() if not k.startswith("_")}
        whole = pd.DataFrame(run.scan_history())
        kept[path] = run.history(samples=10000)
        curve(whole)
    for name, table in kept.items():
        column = table["em"]
    changed = kept
    changed = 3
    return plain, live, clean, whole, kept, table, column, changed, api
"""


def test_names_of_the_evaluation_have_kinds():
    readback = Subject.of({"src/evaluate.py": EVALUATE}).derived(Readback)
    last = readback.module.tree.body[-1].body[-1].value
    kinds = {node.id: readback.kind(node) for node in last.elts}
    assert kinds == {
        "plain": "summary-plain",
        "live": "summary-dict",
        "clean": "summary-plain",
        "whole": "history",
        "kept": "dict:history",
        "table": "history",
        "column": "column",
        "changed": None,
        "api": "api",
    }
    frame = next(n for n in readback.module.nodes if isinstance(n, ast.Name) and n.id == "frame")
    assert readback.kind(frame) == "history"


def test_an_evaluation_that_leaves_its_work_to_another_library_is_not_seen():
    seen = {"src/evaluate.py": "import wandb\nimport matplotlib.pyplot as plt\n"}
    unseen = {"src/evaluate.py": "import my_comparison\n"}
    missing = {"src/evaluate.py": "from src.model import build\n"}
    assert [Subject.of(f).derived(Readback).is_seen for f in (seen, unseen, missing)] == [True, False, False]
