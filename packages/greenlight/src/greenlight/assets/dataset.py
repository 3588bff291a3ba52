"""The word problems as a Hugging Face dataset repository: a data card and JSON-lines files."""

from __future__ import annotations

import json
import tempfile
from functools import cache
from pathlib import Path

from greenlight.assets.arithmetic import DISTRIBUTIONS, Split, problems
from greenlight.errors import GreenlightError

ROWS: dict[str, dict[Split, int]] = {"main": {"train": 4000, "test": 1000}, "pretrain": {"train": 1000, "test": 500}}
"""How many rows each configuration and split holds; the first configuration is the default."""

_CARD = """\
---
license: apache-2.0
language:
- en
pretty_name: Arithmetic word problems
task_categories:
- text-generation
size_categories:
- 1K<n<10K
configs:
{configs}dataset_info:
{features}---

# Arithmetic word problems

Short stories that end in a number, in the format of GSM8K: `question` is one line of English, `answer` holds one
worked line a step with its calculator annotation and ends in `#### n`. They are the embedded default of *greenlight*:
small enough to learn from on two CPU cores, and there without a network.

| configuration | steps | numbers in a question | largest result | train | test |
|---|---|---|---|---|---|
{table}
The checkpoint `greenlight/tiny-qwen3` was pre-trained on the stream that `pretrain` is the beginning of.
`main` is what an experiment learns: always three steps, and larger numbers. Factors, divisors and counts of boxes or
days are from 2 to 6 in both.

## How it was made

By `greenlight.assets.arithmetic`, without a model and without a source text. A story is an opening, events and an
ending from a fixed stock of English sentences, filled with names, things and numbers; every step is worked out in
integers, and a story whose step would leave the range or leave a remainder is dropped. The generator is
deterministic: the same bytes on every machine.

One question in four is a test question, decided by the SHA-256 of its text, so no question is in both splits, nor in
the test split of one configuration and the train split of the other. No question occurs twice in a split. A test
story may have the numbers of a training story under other names.

## Limits

All numbers and results are at least 2, divisions have no remainder, the stories tell everything that is needed and
nothing that is not. The language is closed: {words} words. A good score here says nothing about GSM8K.
"""


def write_dataset(folder: Path) -> None:
    """Write the dataset repository into `folder`, all of it or nothing.

    The files are written beside it and moved into place. A folder that already holds exactly this dataset is left
    alone; one that holds another version of it, or a part, is replaced.

    Parameters
    ----------
    folder
        Where the repository's root shall be; its parents are made.

    Raises
    ------
    GreenlightError
        If `folder` is a file, holds files that are not this dataset's, or cannot be written.
    """
    files = _files()
    try:
        if _holds(folder, files):
            return
        _refuse_foreign(folder, files)
        folder.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=f".{folder.name}-", dir=folder.parent) as scratch:
            fresh = Path(scratch) / "new"
            for name, content in files.items():
                path = fresh / name
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(content)
            _move_into_place(fresh, folder, Path(scratch) / "old", files)
    except OSError as error:
        raise GreenlightError(
            f"dataset folder {folder}: {error.strerror or error}; name a folder that can be written"
        ) from error


def _move_into_place(fresh: Path, folder: Path, old: Path, files: dict[str, bytes]) -> None:
    try:
        if _holds(folder, files):  # another process was faster
            return
        if folder.exists():
            folder.replace(old)  # the scratch folder takes it along when it goes
        fresh.replace(folder)
    except OSError:
        if not _holds(folder, files):
            raise


@cache
def _files() -> dict[str, bytes]:
    files = {
        _path(name, split): "".join(
            json.dumps({"question": problem.question, "answer": problem.answer}) + "\n"
            for problem in problems(name, split, count)
        ).encode()
        for name, splits in ROWS.items()
        for split, count in splits.items()
    }
    return {"README.md": _card().encode(), **files}


def _card() -> str:
    from greenlight.assets.wording import vocabulary

    configs = features = table = ""
    for place, (name, splits) in enumerate(ROWS.items()):
        configs += f"- config_name: {name}\n" + ("  default: true\n" if place == 0 else "") + "  data_files:\n"
        configs += "".join(f"  - split: {split}\n    path: {_path(name, split)}\n" for split in splits)
        features += f"- config_name: {name}\n  features:\n"
        features += "".join(f"  - name: {column}\n    dtype: string\n" for column in ("question", "answer"))
        kind = DISTRIBUTIONS[name]
        table += (
            f"| `{name}` | {' or '.join(map(str, kind.steps))} | {kind.smallest_number} to {kind.largest_number} "
            f"| {kind.largest_result} "
            f"| {splits['train']:,} | {splits['test']:,} |\n"
        )
    return _CARD.format(configs=configs, features=features, table=table, words=len(vocabulary()))


def _path(configuration: str, split: str) -> str:
    return f"{configuration}/{split}.jsonl"


def _present(folder: Path) -> set[str]:
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*") if not path.is_dir()}


def _holds(folder: Path, files: dict[str, bytes]) -> bool:
    return _present(folder) == set(files) and all((folder / name).read_bytes() == files[name] for name in files)


def _refuse_foreign(folder: Path, files: dict[str, bytes]) -> None:
    if folder.exists() and not folder.is_dir():
        raise GreenlightError(f"dataset folder {folder}: is a file; name a folder that is new or holds this dataset")
    foreign = sorted(_present(folder) - set(files))
    if foreign:
        raise GreenlightError(
            f"dataset folder {folder}: holds {foreign[0]}, which is not part of the dataset; name a new or empty folder"
        )
