import ast

import pytest

from greenlight.review.engines.split_flow import SplitFlow
from greenlight.review.engines.split_values import UNKNOWN_SPLIT
from greenlight.review.subject import Subject

DATA = """
from datasets import load_dataset

train = load_dataset("lab/rows", split="train")
dev = load_dataset("lab/rows", split="validation")
test = load_dataset("lab/rows", split="test")
"""


def splits(code, **files):
    """Return where the argument of FOUND comes from, U for data of an unknown split."""
    more = {f"src/{name}.py": text for name, text in files.items()}
    subject = Subject.of(
        {"src/data.py": DATA, "src/train.py": "from src.data import dev, test, train\n" + code, **more}
    )
    module = subject.module("src/train.py")
    node = next(n.args[0] for n in module.nodes if isinstance(n, ast.Call) and ast.unparse(n.func) == "FOUND")
    return {"U" if name == UNKNOWN_SPLIT else name for name in subject.derived(SplitFlow).splits_of(module, node)}


def test_a_score_comes_from_the_rows_that_a_loop_walks_over():
    code = """
def score(model, rows):
    right = 0
    for row in rows:
        right += model(row["x"]) == row["y"]
    return right / len(rows)

def f(model):
    FOUND(score(torch.nn.Linear(1, 1), test))
"""
    assert splits("import torch\n" + code) == {"test"}


def test_what_a_model_was_trained_on_counts_where_the_training_returns_it():
    assert splits("def fit(rows):\n    return rows\n\ndef f():\n    FOUND(fit(train) + fit(test))\n") == {
        "train",
        "test",
    }


def test_entries_of_a_dictionary_and_places_of_a_tuple_are_told_apart():
    code = """
def measure():
    summary = {"dev": max(dev), "name": "x"}
    summary["test"] = max(test)
    return summary, max(train)

def f():
    summary, rest = measure()
    FOUND(float(summary[KEY]))
"""
    assert splits(code.replace("KEY", '"dev"')) == {"validation"}
    assert splits(code.replace("KEY", '"test"')) == {"test"}
    assert splits(code.replace("summary[KEY]", "rest")) == {"train"}


def test_fields_of_a_record_are_told_apart():
    code = """
from dataclasses import dataclass

@dataclass
class Splits:
    train: list
    held_out: list

def read():
    return Splits(train, held_out=test)

def f():
    FOUND(sum(row["y"] for row in read().held_out))
"""
    assert splits(code) == {"test"}


def test_attributes_of_an_own_object_are_followed_through_its_methods():
    code = """
class Fit:
    def __init__(self, rows):
        self.rows = list(rows)

    def score(self):
        return [row["y"] for row in self.rows]

def f():
    fit = Fit(dev)
    FOUND(fit.score())
"""
    assert splits(code) == {"validation"}


def test_pairs_that_are_walked_over_are_not_taken_for_the_tuple_around_them():
    code = "def f():\n    for name, rows in (('dev', dev), ('test', test)):\n        FOUND(max(rows))\n"
    assert splits(code) == {"validation", "test"}


def test_a_name_that_is_bound_twice_can_be_either():
    assert splits("def f():\n    rows = dev\n    rows = test\n    FOUND(max(rows))\n") == {"validation", "test"}


def test_names_of_comprehensions_are_known_in_them_alone():
    code = "def f():\n    a = [row for row in dev]\n    b = [row for row in test]\n    FOUND(max(b))\n"
    assert splits(code) == {"test"}


@pytest.mark.parametrize(
    "rows",
    [
        "test.train_test_split(0.5)['test']",
        "test[100:]",
        "test.select(range(100, 200))",
        "test.filter(keep)",
        "json.load(open('rows.json'))",
        "pandas.read_csv('rows.csv')",
        "somewhere.rows()",
        "load_dataset('lab/rows', split=unknown)",
        "load_dataset('lab/rows', split='test[:50%]')",
    ],
)
def test_part_of_a_split_and_data_from_elsewhere_are_unknown(rows):
    head = "import json\n\nimport pandas\nimport somewhere\nfrom datasets import load_dataset\n"
    assert "U" in splits(f"{head}\ndef f(unknown, keep):\n    FOUND(max({rows}))\n")


def test_batches_and_the_first_rows_are_the_split():
    code = "def f(size):\n    for at in range(0, len(test), size):\n        FOUND(test[at : at + 8])\n"
    assert splits(code.replace("(size)", "()").replace("size", "8")) == {"test"}
    assert splits("def f():\n    FOUND(max(test[:100]))\n") == {"test"}


def test_what_a_parameter_is_given_is_known_from_all_its_calls():
    code = "def g(rows):\n    FOUND(max(rows))\n\ndef f():\n    g(test)\n"
    assert splits(code) == {"test"}
    assert splits(code + "    g(dev)\n") == {"test", "validation"}
    assert splits("def g(rows):\n    FOUND(max(rows))\n") == {"U"}


def test_how_many_rows_there_are_says_nothing_about_them():
    assert splits("def f():\n    FOUND(1.0 / len(test))\n") == set()


def test_a_function_that_calls_itself_comes_to_an_end():
    code = "def g(n):\n    return g(n - 1) if n else max(test)\n\ndef f():\n    FOUND(g(3))\n"
    assert splits(code) == {"test", "U"}


def test_very_deep_nesting_is_unknown_and_no_error():
    assert splits(f"def f():\n    FOUND({'-' * 400}max(test))\n") == {"U"}
