"""What an experiment asks for and what stands in for it; how full runs are made short; what is read back."""

import doctest
import json

import pytest

from greenlight.errors import GreenlightError
from greenlight.rehearse import comparable, shrinking
from greenlight.rehearse import produced as produced_module
from greenlight.rehearse.cast import Player, cast
from greenlight.rehearse.produced import produced
from greenlight.rehearse.shrinking import leaves_of, shrinking_of, training_rows
from greenlight.rehearse.standins import hub
from greenlight.rehearse.tracked import tracked

RUN = """
model:
  name: Qwen/Qwen3-0.6B
dataset:
  name: openai/gsm8k
  config: main
  dev_examples: 100
method: acme/not-a-model
"""


@pytest.mark.parametrize("module", [shrinking, produced_module, comparable], ids=lambda module: module.__name__)
def test_the_examples_of_the_documentation_hold(module):
    assert doctest.testmod(module).failed == 0


def players(files, tmp_path, mapped=()):
    found = cast({path: text.encode() for path, text in files.items()}, mapped, tmp_path)
    return {part.id: part.player for part in found.parts}, found


def test_ids_come_from_run_files_and_from_literals_in_loading_calls_and_from_nowhere_else(tmp_path):
    files = {
        "config/runs/a.yaml": RUN,
        "src/preprocess.py": 'x = load_dataset("imdb")\ny = "squad"\n',
        "src/model.py": 'm = AutoModel.from_pretrained("gpt2")\n',
        "config/runs/broken.yaml": "a: [",
        "src/broken.py": "def",
    }
    found, whole = players(files, tmp_path)
    assert found == {
        "Qwen/Qwen3-0.6B": Player.STAND_IN,
        "gpt2": Player.STAND_IN,
        "openai/gsm8k": Player.STAND_IN,
        "imdb": Player.STAND_IN,
        "stanfordnlp/imdb": Player.STAND_IN,  # the same set by its whole id
    }
    assert {one.id for one in whole.repositories} == set(found)
    assert not whole.unplayed


def test_runs_are_grouped_by_their_data_and_their_budget_and_by_nothing_else():
    files = {
        "a": b"dataset: {name: x}\ntraining: {budget_minutes: 30, lr: 1}\n",
        "b": b"dataset: {name: x}\ntraining: {budget_minutes: 60, lr: 1}\n",
        "c": b"training: {lr: 2, budget_minutes: 30}\ndataset: {name: x}\n",
        "d": b"dataset: {name: x, split: y}\ntraining: {budget_minutes: 30, lr: 1}\n",
        "broken": b"a: [",
    }
    assert comparable.groups(files, ["d", "a", "b", "c", "broken", "absent"]) == [
        ("d",), ("a", "c"), ("b",), ("broken", "absent"),
    ]  # fmt: skip


def test_for_a_model_named_without_its_owner_the_one_that_is_meant_is_ready_and_the_name_itself_is_not_served(tmp_path):
    found, whole = players({"config/runs/a.yaml": "model:\n  name: Llama-2-7B\n"}, tmp_path)
    assert found == {"meta-llama/Llama-2-7b": Player.STAND_IN}
    assert [one.id for one in whole.repositories] == ["meta-llama/Llama-2-7b"]


def test_what_the_user_maps_comes_before_a_stand_in_and_an_unknown_model_is_played_by_nobody(tmp_path):
    folder = tmp_path / "data"
    folder.mkdir()
    (folder / "train.jsonl").write_text(json.dumps({"question": "q", "answer": "a"}) + "\n", "utf-8")
    run = "model:\n  name: acme/unheard-of\ndataset:\n  name: openai/gsm8k\n"
    found, whole = players({"config/runs/a.yaml": run}, tmp_path / "c", [hub.dataset(f"openai/gsm8k={folder}")])
    assert found == {"openai/gsm8k": Player.MAPPED, "acme/unheard-of": Player.NOBODY}
    short, _ = players(
        {"config/runs/a.yaml": run.replace("openai/", "")}, tmp_path / "c", [hub.dataset(f"gsm8k={folder}")]
    )
    assert {short["gsm8k"], short["openai/gsm8k"]} == {Player.MAPPED}
    assert "--model acme/unheard-of=FOLDER" in whole.unplayed[0].detail
    with pytest.raises(GreenlightError, match="mapped already"):
        players({}, tmp_path / "c", [hub.dataset(f"openai/gsm8k={folder}")] * 2)


def test_a_data_set_that_is_not_in_the_catalogue_gets_the_columns_that_the_code_reads_and_says_so(tmp_path):
    run = "dataset:\n  name: acme/puzzles\n"
    code = 'def f(row):\n    return row["riddle"], row["solution"]\n\nd = load_dataset("acme/puzzles").map(f)\n'
    found, whole = players({"config/runs/a.yaml": run, "src/preprocess.py": code}, tmp_path)
    assert found == {"acme/puzzles": Player.GUESSED}
    assert "riddle" in whole.parts[0].detail
    assert "solution" in whole.parts[0].detail


def test_training_splits_have_rows_left_after_what_the_configuration_cuts_from_them(tmp_path):
    import pyarrow.parquet

    _, whole = players({"config/runs/a.yaml": RUN}, tmp_path)
    (data,) = [one for one in whole.repositories if one.kind == "dataset"]
    files = sorted(data.parts[0].folder.glob("main/*.parquet"))
    rows = {file.name.partition("-")[0]: pyarrow.parquet.read_metadata(file).num_rows for file in files}
    assert rows == {"train": 164, "test": 32}


@pytest.mark.parametrize(
    ("path", "value", "seconds"),
    [
        (("training", "budget_minutes"), 30, 1800.0),
        (("training", "budget_seconds"), 45, 45.0),
        (("max_train_time_hours",), 2, 7200.0),
        (("training", "time_limit", "minutes"), 10, 600.0),
        (("training", "budget_minutes"), None, 0.0),
        (("training", "budget_minutes"), True, 0.0),
        (("training", "warmup_minutes"), 3, 0.0),
        (("training", "token_budget"), 1000, 0.0),
    ],
)
def test_a_budget_is_a_number_whose_key_names_one_and_its_unit(path, value, seconds):
    assert shrinking_of([(path, value)], 10).step_s == seconds / 10


def test_counts_of_development_examples_add_to_the_rows_and_other_numbers_do_not():
    content = {"dataset": {"val_size": 10, "max_tokens": 999}, "training": {"steps": 7}, "list": [{"dev_rows": 5}]}
    assert training_rows(leaves_of(content), 64) == 79
    assert training_rows([(("dev_examples",), 10**9)], 64) == 4096


@pytest.mark.parametrize(
    ("content", "trouble"),
    [
        (b'{"a": 1e400}', "1e400 is no JSON value"),
        (b'{"a": [Infinity]}', "Infinity is no JSON value"),
        (b'{"a": 1', "cannot be parsed"),
        (b"\xff", "cannot be parsed"),
        (b"[" * 100_000, "cannot be parsed"),
        (b'{"a": null}', None),
    ],
)
def test_what_is_no_json_is_told_with_the_word_that_is_none(content, trouble):
    found = produced_module.read_json(content).trouble
    assert found is None if trouble is None else trouble in found


def test_files_below_a_folder_are_listed_and_links_are_not_followed(tmp_path):
    (tmp_path / "outside.json").write_text("{}", "utf-8")
    folder = tmp_path / "results"
    (folder / "a").mkdir(parents=True)
    (folder / "a" / "metrics.json").write_text('{"x": 1}', "utf-8")
    (folder / "a" / "curve.pdf").write_bytes(b"x")
    (folder / "link.json").symlink_to(tmp_path / "outside.json")
    found = produced(folder)
    assert found.sizes == {"a/curve.pdf": 1, "a/metrics.json": 8}
    assert found.json["a/metrics.json"].content == {"x": 1}
    assert found.figures() == ("a/curve.pdf",)
    assert produced(tmp_path / "absent").sizes == {}


def test_a_folder_without_a_store_has_no_tracked_runs(tmp_path):
    assert tracked(tmp_path) == ()
