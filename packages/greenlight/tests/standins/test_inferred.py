"""Columns of a data set that nobody knows, guessed from the code that reads it."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from greenlight.rehearse.standins import datasets

LOAD = 'from datasets import load_dataset\ndata = load_dataset("acme/x"{more})\n'


def columns(body: str, more: str = "") -> list[str]:
    found = datasets.describe("acme/x", LOAD.replace("{more}", more) + body)
    assert found.inferred
    return list(next(iter(found.columns.values())))


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ('def f(example):\n    return {"t": example["question"] + example["answer"]}\n', ["question", "answer"]),
        ('data.map(lambda z: {"input_ids": tok(z["headline"])["input_ids"]})\n', ["headline"]),
        ('def prepare(it):\n    return tok(it["body"])\ndata.map(prepare, batched=True)\n', ["body"]),
        ('for one in data["train"]:\n    print(one["story"])\n', ["story"]),
        ('texts = data["train"]["poem"]\n', ["poem"]),
        ('first = data["train"][0]\nprint(first["title"])\n', ["title"]),
        ('data = data.rename_column("stars", "labels").remove_columns(["url", "date"])\n', ["stars", "url", "date"]),
        ('names = data["train"].features["kind"].names\n', ["kind"]),
        ('def f(row):\n    return row.get("note", "")\n', ["note"]),
        ('def f(row):\n    row["made"] = row["text"]\n    return row["made"]\n', ["text"]),
        ('def f(row):\n    return {"text": row["text"].strip()}\n', ["text"]),
        ('def g(batch):\n    return model(batch["input_ids"], batch["attention_mask"])\n', ["text", "label"]),
        ("print(1)\n", ["text", "label"]),
        ("def broken(:\n", ["text", "label"]),
    ],
)
def test_columns_are_those_that_the_code_reads(body: str, expected: list[str]) -> None:
    assert sorted(columns(body)) == sorted(expected)


def test_a_value_inside_a_column_makes_a_group() -> None:
    found = datasets.inferred(
        "acme/x", LOAD.replace("{more}", "") + 'def f(row):\n    return row["answers"]["text"][0]\n'
    )
    assert found.configurations["default"].columns["answers"].feature() == {
        "text": {"feature": {"dtype": "string", "_type": "Value"}, "_type": "Sequence"}
    }


@pytest.mark.parametrize(
    ("column", "kind"),
    [("label", "int64"), ("labels", "int64"), ("coarse_label", "int64"), ("target", "int64"), ("sentence", "string")],
)
def test_a_label_is_a_number_and_anything_else_a_text(column: str, kind: str) -> None:
    found = datasets.inferred("acme/x", f'def f(row):\n    return row["{column}"]\n')
    assert found.configurations["default"].columns[column].feature() == {"dtype": kind, "_type": "Value"}


def test_an_image_is_an_image() -> None:
    found = datasets.inferred("acme/x", 'def f(row):\n    return row["image"].convert("RGB")\n')
    assert found.configurations["default"].columns["image"].feature() == {"_type": "Image"}


def test_the_configuration_and_the_splits_that_the_code_asks_for_exist() -> None:
    found = datasets.describe("acme/x", LOAD.replace("{more}", ', "v2", split="dev[:10%]+extra"'))
    assert found.default == "v2"
    assert found.splits["v2"] == ("train", "validation", "test", "dev", "extra")


def test_a_configuration_from_a_run_file_exists() -> None:
    assert list(datasets.describe("acme/x", "", ["small"]).columns) == ["small"]


def test_another_set_s_configuration_is_not_this_one_s() -> None:
    source = 'load_dataset("acme/other", "big")\nload_dataset("acme/x", name="tiny")\n'
    assert list(datasets.describe("acme/x", source).columns) == ["tiny"]


def test_the_card_says_that_the_columns_were_guessed(cache: Path) -> None:
    folder = datasets.folder("acme/x", cache, 'def f(row):\n    return row["poem"]\n')
    text = (folder / "README.md").read_text("utf-8")
    assert yaml.safe_load(text.split("---")[1])["greenlight_inferred"] is True
    assert "were guessed" in text


def test_other_code_gives_another_folder(cache: Path) -> None:
    one = datasets.folder("acme/x", cache, 'def f(row):\n    return row["poem"]\n')
    assert datasets.folder("acme/x", cache, 'def f(row):\n    return row["prose"]\n') != one
    assert datasets.folder("acme/x", cache, 'def g(row):\n    return row["poem"]\n') == one


def test_a_set_of_the_catalogue_is_never_guessed() -> None:
    assert not datasets.describe("gsm8k", 'def f(row):\n    return row["nonsense"]\n').inferred
