"""Every data set of the catalogue: its files, its types, and what makes code stumble."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import datasets as library
import pyarrow.parquet
import pytest
import yaml

from greenlight.errors import GreenlightError
from greenlight.rehearse.standins import datasets, hub
from greenlight.rehearse.standins.datasets.schema import Label, Many
from greenlight.review.engines.public_data import public_data

IDS = [known.id for known in datasets.SETS]
NAMES = [name for known in datasets.SETS for name in (known.id, *known.names)]


def rows(name: str, cache: Path, configuration: str, split: str) -> list[dict[str, Any]]:
    path = datasets.folder(name, cache) / configuration / f"{split}-00000-of-00001.parquet"
    found: list[dict[str, Any]] = pyarrow.parquet.read_table(path).to_pylist()
    return found


@pytest.mark.parametrize("name", IDS)
def test_every_split_is_a_file_whose_types_the_client_reads_as_they_are(name: str, cache: Path) -> None:
    known = datasets.data_set(name)
    assert known is not None
    folder = datasets.folder(name, cache)
    assert hub.dataset(f"{name}={folder}").id == name
    for configuration, told in known.configurations.items():
        for split in told.splits:
            table = pyarrow.parquet.read_table(folder / configuration / f"{split}-00000-of-00001.parquet")
            assert table.num_rows == (64 if split.startswith("train") else 32)
            features = library.Features.from_arrow_schema(table.schema)
            assert list(features) == list(told.columns)
            assert features.arrow_schema.types == table.schema.types
            for column, kind in told.columns.items():
                values = table.column(column).to_pylist()
                entries = [entry for value in values for entry in value] if isinstance(kind, Many) else values
                label = kind.of if isinstance(kind, Many) else kind
                if isinstance(label, Label):
                    read = features[column].feature if isinstance(kind, Many) else features[column]
                    assert read.names == [*label.names]
                    assert {*entries} <= {-1, *range(len(label.names))}


@pytest.mark.parametrize("name", NAMES)
def test_what_the_review_knows_of_a_public_set_is_true_of_its_stand_in(name: str) -> None:
    found = datasets.describe(name)
    for configuration in found.columns:
        known = public_data(name, configuration)
        if known is None:
            continue
        if known.columns:
            assert found.columns[configuration] == known.columns
        if known.splits:
            assert {*found.splits[configuration]} == {*known.splits}
        if known.configurations:
            assert found.default is None
            assert {*known.configurations} <= {*found.columns}


def test_no_id_is_in_the_catalogue_twice() -> None:
    assert len({name.lower() for name in NAMES}) == len(NAMES)


@pytest.mark.parametrize(
    "name",
    ["gsm8k", "glue", "super_glue", "wikitext", "ai2_arc", "cnn_dailymail", "hotpot_qa", "winogrande", "cais/mmlu",
     "truthful_qa", "race", "wmt14", "wmt16", "svhn", "allenai/c4", "tweet_eval"],
)  # fmt: skip
def test_a_configuration_has_to_be_named_where_the_real_set_asks_for_it(name: str, cache: Path) -> None:
    assert datasets.describe(name).default is None
    card = yaml.safe_load((datasets.folder(name, cache) / "README.md").read_text("utf-8").split("---")[1])
    assert len(card["configs"]) > 1
    assert not any("default" in (entry["config_name"], *entry) for entry in card["configs"])


@pytest.mark.parametrize(
    ("name", "default"),
    [("imdb", "plain_text"), ("aqua_rat", "raw"), ("openbookqa", "main"), ("mbpp", "full"), ("emotion", "split"),
     ("squad", "plain_text"), ("mnist", "mnist"), ("sst2", "default"), ("samsum", "samsum")],
)  # fmt: skip
def test_no_configuration_has_to_be_named_where_the_real_set_has_a_usual_one(name: str, default: str) -> None:
    assert datasets.describe(name).default == default


@pytest.mark.parametrize("name", ["openai/gsm8k", "stanfordnlp/imdb", "fancyzhx/ag_news", "EdinburghNLP/xsum"])
def test_some_rows_are_many_times_as_long_as_the_usual_one(name: str, cache: Path) -> None:
    configuration = next(iter(datasets.describe(name).columns))
    lengths = sorted(len("".join(map(str, row.values()))) for row in rows(name, cache, configuration, "train"))
    assert lengths[-1] > 3 * lengths[len(lengths) // 2]


@pytest.mark.parametrize(
    ("name", "configuration", "split", "column", "empty"),
    [
        ("wikitext", "wikitext-2-raw-v1", "train", "text", ""),
        ("tatsu-lab/alpaca", "default", "train", "input", ""),
        ("databricks/databricks-dolly-15k", "default", "train", "context", ""),
        ("hellaswag", "default", "test", "label", ""),
        ("winogrande", "winogrande_xl", "test", "answer", ""),
        ("commonsense_qa", "default", "test", "answerKey", ""),
        ("samsum", "samsum", "train", "dialogue", ""),
        ("OpenAssistant/oasst1", "default", "train", "parent_id", None),
        ("snli", "plain_text", "train", "label", -1),
        ("glue", "mnli", "test_matched", "label", -1),
        ("imagenet-1k", "default", "test", "label", -1),
    ],
)
def test_what_the_real_set_leaves_out_is_left_out(
    name: str, configuration: str, split: str, column: str, empty: object, cache: Path
) -> None:
    assert empty in [row[column] for row in rows(name, cache, configuration, split)]


def test_texts_are_not_all_ascii(cache: Path) -> None:
    assert not all(row["text"].isascii() for row in rows("imdb", cache, "plain_text", "train"))


def test_photographs_differ_in_size_and_some_have_another_number_of_channels(cache: Path) -> None:
    pictures = library.Dataset.from_parquet(
        str(datasets.folder("food101", cache) / "default" / "train-00000-of-00001.parquet"), cache_dir=str(cache / "hf")
    )["image"]
    assert {picture.mode for picture in pictures} == {"RGB", "L", "RGBA"}
    assert len({picture.size for picture in pictures}) > 10


def test_the_brightest_block_of_a_digit_tells_which_it_is(cache: Path) -> None:
    pictures = library.Dataset.from_parquet(
        str(datasets.folder("mnist", cache) / "mnist" / "train-00000-of-00001.parquet"), cache_dir=str(cache / "hf")
    )
    for row in pictures:
        assert row["image"].size == (28, 28)
        assert row["image"].getpixel((row["label"] % 4 * 7 + 3, row["label"] // 4 * 7 + 3)) == 255


def test_an_old_id_has_the_rows_of_the_new_one(cache: Path) -> None:
    assert rows("gsm8k", cache, "main", "train") == rows("openai/gsm8k", cache, "main", "train")


def test_no_row_of_train_is_a_row_of_test(cache: Path) -> None:
    train, test = (rows("gsm8k", cache, "main", split) for split in ("train", "test"))
    assert not {row["question"] for row in train} & {row["question"] for row in test}


def test_the_same_id_gives_the_same_files(cache: Path, tmp_path: Path) -> None:
    for name in ("gsm8k", "uoft-cs/cifar100", "acme/unknown"):
        one, other = datasets.folder(name, cache), datasets.folder(name, tmp_path)
        assert one.name == other.name
        files = sorted(path.relative_to(one) for path in one.rglob("*") if path.is_file())
        assert files
        assert all((one / file).read_bytes() == (other / file).read_bytes() for file in files)


def test_the_card_carries_the_mark(cache: Path) -> None:
    card = yaml.safe_load((datasets.folder("gsm8k", cache) / "README.md").read_text("utf-8").split("---")[1])
    assert card[datasets.MARK] is True
    assert card["greenlight_inferred"] is False
    assert json.dumps(card["configs"])


def test_a_text_that_is_no_id_is_refused(cache: Path) -> None:
    with pytest.raises(GreenlightError, match=r"--dataset ../data: an id is owner/name"):
        datasets.folder("../data", cache)


def test_importing_the_stand_ins_loads_no_heavy_library() -> None:
    code = (
        "import sys; from greenlight.rehearse.standins import datasets, models; "
        "models.architecture_of('gpt2'); datasets.describe('gsm8k'); "
        "print(sorted({'torch', 'transformers', 'tokenizers', 'pyarrow', 'datasets'} & {*sys.modules}))"
    )
    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    assert told.stdout.strip() == "[]"
