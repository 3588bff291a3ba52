import hashlib
import json
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import yaml

from greenlight.assets import write_dataset
from greenlight.assets.dataset import ROWS, _files
from greenlight.errors import GreenlightError

# to be changed on purpose alone: the card of the shipped checkpoint and stored results refer to these bytes
SHA256 = {
    "README.md": "3db7e44eac2df951e959a8dd55076c3634f9e0580c6fc9f6982fb767aa3bc50e",
    "main/train.jsonl": "06fa5d2ba82bf57884e5671b7ea65e93caa43c562579910dc70a9a9db456f8d6",
    "main/test.jsonl": "93dfe8a124868b5a16bbcd5537fb7e1f014ff106a8faef75ec895e5c9c57746f",
    "pretrain/train.jsonl": "7fa469d9a130ea614a9919ad9761d19db5ef21ab0d532de72828d6d3ca8bfea5",
    "pretrain/test.jsonl": "55054867a7b85de9a12e31e963e11b69690ef7a70d55742a09ed0849a9acc9f6",
}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    write_dataset(tmp_path / "deep" / "arithmetic")
    return tmp_path / "deep" / "arithmetic"


def contents(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_the_repository_is_the_same_bytes_everywhere(folder):
    assert {name: hashlib.sha256(content).hexdigest() for name, content in contents(folder).items()} == SHA256


def test_nothing_but_the_repository_is_left_behind(folder):
    assert list(folder.parent.iterdir()) == [folder]


def test_each_row_is_a_question_and_an_answer(folder):
    assert ROWS["main"] == {"train": 4000, "test": 1000}
    for name, splits in ROWS.items():
        for split, count in splits.items():
            rows = [json.loads(line) for line in (folder / name / f"{split}.jsonl").read_text().splitlines()]
            assert len(rows) == count
            assert all(list(row) == ["question", "answer"] for row in rows)


def test_the_datasets_library_reads_both_configurations_and_main_is_the_default(folder, tmp_path):
    datasets = pytest.importorskip("datasets")
    assert datasets.get_dataset_config_names(str(folder)) == ["main", "pretrain"]
    first = json.loads((folder / "main" / "train.jsonl").read_text().splitlines()[0])
    for arguments in ((), ("main",)):
        rows = datasets.load_dataset(str(folder), *arguments, cache_dir=str(tmp_path / "cache"))
        assert {split: len(rows[split]) for split in rows} == ROWS["main"]
        assert rows["train"][0] == first
    rows = datasets.load_dataset(str(folder), "pretrain", streaming=True, split="test")
    assert len(list(rows)) == ROWS["pretrain"]["test"]


def test_the_card_names_the_licence_and_the_files_that_exist(folder):
    _, front, text = (folder / "README.md").read_text().split("---\n", 2)
    card = yaml.safe_load(front)
    assert card["license"] == "apache-2.0"
    assert card["configs"][0]["config_name"] == "main"
    assert card["configs"][0]["default"] is True
    named = {files["path"] for config in card["configs"] for files in config["data_files"]}
    assert named == set(contents(folder)) - {"README.md"}
    assert "| `main` | 3 | 6 to 30 | 100 | 4,000 | 1,000 |" in text


def test_a_complete_folder_is_left_alone(folder):
    before = {path: path.stat().st_mtime_ns for path in folder.rglob("*")}
    inode = folder.stat().st_ino
    write_dataset(folder)
    assert {path: path.stat().st_mtime_ns for path in folder.rglob("*")} == before
    assert folder.stat().st_ino == inode


@pytest.mark.parametrize("harm", ["shortened", "missing", "empty"])
def test_a_damaged_folder_is_made_whole(folder, harm):
    whole = contents(folder)
    victim = folder / "main" / "test.jsonl"
    if harm == "shortened":
        victim.write_bytes(whole["main/test.jsonl"][:1000])
    elif harm == "missing":
        victim.unlink()
    else:
        for name in whole:
            (folder / name).unlink()
    write_dataset(folder)
    assert contents(folder) == whole


def test_a_folder_with_other_files_is_refused_and_kept(tmp_path):
    (tmp_path / "thesis.txt").write_text("mine")
    with pytest.raises(GreenlightError, match=r"thesis\.txt"):
        write_dataset(tmp_path)
    assert contents(tmp_path) == {"thesis.txt": b"mine"}


def test_a_file_in_the_way_and_an_impossible_folder_are_named(tmp_path):
    (tmp_path / "file").write_text("mine")
    with pytest.raises(GreenlightError, match="is a file"):
        write_dataset(tmp_path / "file")
    with pytest.raises(GreenlightError, match="file/below"):
        write_dataset(tmp_path / "file" / "below")
    assert (tmp_path / "file").read_text() == "mine"


def test_several_writers_at_once_end_with_one_whole_folder(tmp_path):
    with ThreadPoolExecutor(4) as pool:
        for written in [pool.submit(write_dataset, tmp_path / "arithmetic") for _ in range(4)]:
            written.result()
    digests = {name: hashlib.sha256(content).hexdigest() for name, content in contents(tmp_path / "arithmetic").items()}
    assert digests == SHA256
    assert [path.name for path in tmp_path.iterdir()] == ["arithmetic"]


def test_the_first_writing_takes_less_than_two_seconds_of_processor_time(tmp_path):
    _files.cache_clear()
    start_s = time.process_time()
    write_dataset(tmp_path / "arithmetic")
    assert time.process_time() - start_s < 2.0  # 0.4 s where nothing else runs


def test_importing_the_assets_pulls_neither_torch_nor_transformers_nor_tokenizers():
    program = "import sys, greenlight.assets; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert "greenlight.assets" in done.stdout.split()
    assert not {"torch", "transformers", "tokenizers", "numpy", "datasets"} & set(done.stdout.split())
