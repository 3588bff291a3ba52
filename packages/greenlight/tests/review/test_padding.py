"""What is known of the padding of batches, and of the rows of own data sets."""

from __future__ import annotations

import ast

from greenlight.review.engines.own_rows import columns_of_items
from greenlight.review.engines.padding import Padding
from greenlight.review.module import Module
from greenlight.review.subject import Subject

COLLATE = """
import torch

def collate(rows, pad_id):
    ids = torch.full((len(rows), 8), pad_id)
    for index, row in enumerate(rows):
        ids[index, : len(row)] = torch.tensor(row)
    return {"input_ids": ids, "labels": ids.clone()}
"""


def padded(train: str) -> list[tuple[str, bool]]:
    subject = Subject.of({"src/preprocess.py": COLLATE, "src/train.py": train})
    module = subject.modules["src/preprocess.py"]
    found = subject.derived(Padding).padded(module, module.functions[0])
    return [(name, with_pad_id) for name, _, with_pad_id in found]


def test_the_pad_id_is_followed_through_partial_and_int():
    given = "from functools import partial\nfrom src.preprocess import collate\n\n"
    assert padded(given + "def f(tok):\n    return partial(collate, pad_id=int(tok.pad_token_id))\n") == [("ids", True)]


def test_a_pad_id_that_one_caller_gives_otherwise_is_not_sure():
    given = "from src.preprocess import collate\n\ndef f(tok, rows):\n    collate(rows, tok.pad_token_id)\n"
    assert padded(given) == [("ids", True)]
    assert padded(given + "    collate(rows, 0)\n") == [("ids", False)]
    assert padded("x = 1\n") == [("ids", False)]


def test_constants_are_read_from_other_files():
    subject = Subject.of(
        {"src/preprocess.py": "IGNORED = -100\n", "src/model.py": "from src.preprocess import IGNORED\n\nx = IGNORED\n"}
    )
    module = subject.modules["src/model.py"]
    assert subject.derived(Padding).constant(module, ast.walk(module.tree.body[1]).__next__().value) == -100


def rows(body: str):
    module = Module("src/preprocess.py", body.encode())
    return columns_of_items(module, module.classes[0])


def test_rows_of_an_own_data_set_have_the_keys_that_are_appended():
    text = (
        "class Rows:\n    def __init__(self, texts):\n        self.rows = []\n        for text in texts:\n"
        "            self.rows.append({'a': text, 'b': 1})\n\n    def __len__(self):\n        return len(self.rows)\n\n"
        "    def __getitem__(self, index):\n        return self.rows[index]\n"
    )
    assert rows(text).sure == {"a", "b"}
    assert not rows(text).open
    assert rows(text + "\n    def load(self, other):\n        self.rows.extend(other)\n").open
    assert rows(text.replace("{'a': text, 'b': 1}", "encode(text)")).open
