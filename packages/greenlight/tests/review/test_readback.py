"""What the expressions of evaluate.py stand for, over functions, records, loops and objects."""

import ast

import pytest

from greenlight.review.engines.readback import Readback
from greenlight.review.engines.records import EMPTY, Records
from greenlight.review.subject import Subject

READING = """
from dataclasses import dataclass
import pandas as pd
import wandb

@dataclass
class Record:
    history: pd.DataFrame
    summary: dict

class Reader:
    def __init__(self):
        self.api = wandb.Api()

    def read(self, path):
        return self.api.run(path)

def as_dict(api, path):
    run = api.run(path)
    if run is None:
        return {"history": pd.DataFrame(), "summary": {}}
    return {"history": pd.DataFrame(list(run.scan_history())), "summary": run.summary._json_dict}

def as_tuple(api, path):
    run = api.run(path)
    return run.history(), run.summary

def as_object(api, path):
    run = api.run(path)
    return Record(run.history(), summary=run.summary)

def draw(history, key):
    points = history[["step", key]].dropna()
    return points["step"]

def main(paths):
    api = wandb.Api()
    records = {path: as_dict(api, path) for path in paths}
    for path, record in records.items():
        a = record["history"]
        draw(record["history"], path)
    rows, total = as_tuple(api, paths[0])
    made = as_object(api, paths[0])
    b = made.summary
    every = []
    for path in paths:
        every.append(as_tuple(api, path))
    for number, (c, d) in enumerate(every):
        print(c, d, number)
    e = [record["summary"] for record in records.values()][0]
    f = dict(total)
"""


@pytest.fixture
def kind():
    readback = Subject.of({"src/evaluate.py": READING}).derived(Readback)
    stores = {}
    for node in readback.module.nodes:
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            stores.setdefault(node.id, node)
    return lambda name: readback._kind_of_store(readback.module, stores[name])


def test_a_dictionary_that_a_function_returns_has_a_kind_for_each_key(kind):
    assert kind("a") == "history"
    assert kind("e") == "summary-plain"


def test_a_table_without_gaps_is_told_from_the_whole_one(kind):
    assert kind("points") == "history-cut"


def test_tuples_objects_and_lists_are_seen_through(kind):
    assert (kind("rows"), kind("total")) == ("history", "summary")
    assert kind("b") == "summary"
    assert (kind("c"), kind("d"), kind("number")) == ("history", "summary", None)
    assert kind("f") == "summary-dict"


def test_a_key_that_is_stored_again_as_something_else_has_no_kind():
    code = """
    import wandb
    def read(path):
        run = wandb.Api().run(path)
        return {"history": run.history(), "summary": run.summary}
    def main(paths, clean):
        records = [read(path) for path in paths]
        records[0]["history"] = clean(records[0]["history"])
        first = records[0]["history"]
        second = records[0]["summary"]
    """
    readback = Subject.of({"src/evaluate.py": code}).derived(Readback)
    module = readback.module
    names = {n.id: n for n in module.nodes if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Store)}
    assert readback._kind_of_store(module, names["first"]) is None
    assert readback._kind_of_store(module, names["second"]) == "summary"


def test_records_merge_by_field_and_what_is_empty_stands_for_anything():
    records = Records()
    one = records.kind({"history": "history", "summary": "summary"})
    other = records.kind({"history": "history-cut", "summary": "config"})
    assert records.fields(records.merged({one, other})) == {"history": "history-cut", "summary": None}
    assert records.merged({one, EMPTY}) == one
    assert records.merged({EMPTY}) == EMPTY
    assert records.merged({one, None}) is None
    assert records.kind({"history": None}) is None
