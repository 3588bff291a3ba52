"""What evaluate.py writes as JSON, and how an experiment's own functions call each other."""

import ast

import pytest

from greenlight.review.engines.flow import Flow
from greenlight.review.engines.readback import Readback
from greenlight.review.engines.samples import origin, vector
from greenlight.review.engines.written import parts, target_of, written
from greenlight.review.subject import Subject

SAVING = """
import json
from pathlib import Path
def save(content, path):
    with path.open("w") as file:
        json.dump(content, file, indent=2)
def main(folder, run_id, values):
    target = folder / run_id / "metrics.json"
    save({"values": values}, target)
    with open(folder / "comparison" / "aggregated_metrics.json", "w") as file:
        json.dump(values, file)
    print(json.dumps(values, default=str))
"""


def test_a_call_of_a_function_that_dumps_its_parameter_writes_json():
    readback = Subject.of({"src/evaluate.py": SAVING}).derived(Readback)
    found = [(ast.unparse(w.content), target_of(readback, w.call)) for w in written(readback)]
    assert sorted(found) == [("values", "aggregated_metrics.json"), ("{'values': values}", "metrics.json")]
    inside = [ast.unparse(p) for w in written(readback) for p in parts(readback, w.content)]
    assert "values" in inside


def test_vectors_are_followed_through_aliases_and_copies_but_not_through_calculations():
    code = "a = [f(x) for x in y]\nb = a\nc = list(b)\nd = c.copy()\ne = sorted(a)\nuse(d, e)\n"
    module = Subject.of({"src/evaluate.py": code}).module("src/evaluate.py")
    call = module.tree.body[-1].value
    assert [ast.unparse(vector(module, given)) for given in call.args] == ["a", "e"]
    assert ast.unparse(origin(module, call.args[0])) == "[f(x) for x in y]"


LOOPS = """
import hydra
def note(row):
    tracker.log(row)
def step():
    note({})
def free():
    tracker.log({})
handlers = [free]
@hydra.main()
def main(cfg):
    for epoch in range(3):
        while True:
            step()
"""


@pytest.mark.parametrize(("name", "loops"), [("note", 2), ("step", 2), ("free", 9), ("main", 0)])
def test_loops_around_a_call_are_counted_and_an_unknown_caller_is_many(name, loops):
    subject = Subject.of({"src/train.py": LOOPS})
    module = subject.module("src/train.py")
    body = module.top_level[name].body[0]
    assert subject.derived(Flow).loops_around(module, body) == loops


def test_arguments_are_found_by_position_keyword_and_default():
    subject = Subject.of({"src/train.py": "def f(a, b=2, *, c=3): ...\nf(1)\nf(1, c=4, b=5)\nf(*x)\n"})
    module, flow = subject.module("src/train.py"), subject.derived(Flow)
    function = module.top_level["f"]
    given = [
        [None if v is None else ast.unparse(v) for v in (flow.argument_of(function, n, call) for n in "abc")]
        for _, call in flow.calls_of(function)
    ]
    assert given == [["1", "2", "3"], ["1", "5", "4"], [None, None, None]]
