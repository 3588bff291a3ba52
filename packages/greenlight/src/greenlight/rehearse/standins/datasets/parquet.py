"""Write a stand-in data set as the public hub holds it: a card, and one parquet file for each split."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import yaml

from greenlight.errors import GreenlightError
from greenlight.rehearse.standins.datasets.schema import TRAINING_ROWS, DataSet, rows

MARK = "greenlight_stand_in"

_CARD = """
# Stand-in for {id}

Not the data set of that name: rows that greenlight made up{how}, so that code which loads `{id}` can be rehearsed
without a network. Nothing that ran on it is a result.
"""
_KNOWN = ", with the configurations, splits, columns and types of the real one"
_GUESSED = "; its columns were guessed from the code that reads it and may differ from the real one's"


def write(data_set: DataSet, folder: Path, asked: str, *, inferred: bool, training_rows: int = TRAINING_ROWS) -> None:
    """Write the data set into a folder.

    Parameters
    ----------
    data_set
        What to write.
    folder
        An empty folder.
    asked
        The id under which it is served; older ids have the same rows.
    inferred
        Whether the columns were guessed.
    training_rows
        How many rows a training split has.

    Raises
    ------
    GreenlightError
        If pyarrow is not installed.
    """
    configs: list[dict[str, Any]] = []
    for name, configuration in data_set.configurations.items():
        files = []
        (folder / name).mkdir()
        for split in configuration.splits:
            path = f"{name}/{split}-00000-of-00001.parquet"
            _write_split(data_set, name, split, folder / path, training_rows)
            files.append({"split": split, "path": path})
        first = {"default": True} if name == data_set.default else {}
        configs.append({"config_name": name, **first, "data_files": files})
    metadata = {MARK: True, "greenlight_inferred": inferred, "tags": ["greenlight-stand-in"], "configs": configs}
    front = yaml.safe_dump(metadata, sort_keys=False, allow_unicode=True)
    text = _CARD.format(id=asked, how=_GUESSED if inferred else _KNOWN)
    (folder / "README.md").write_text(f"---\n{front}---\n{text}", "utf-8")


def _write_split(data_set: DataSet, name: str, split: str, path: Path, training_rows: int) -> None:
    try:
        import pyarrow
        import pyarrow.parquet
    except ImportError as error:
        raise GreenlightError(
            f"--dataset {data_set.id}: a stand-in for it is a parquet file, and pyarrow is not installed; "
            f"run `pip install 'greenlight[servers]'`, or map a folder: --dataset {data_set.id}=FOLDER"
        ) from error
    configuration = data_set.configurations[name]
    columns = configuration.columns
    schema = pyarrow.schema([(column, kind.arrow()) for column, kind in columns.items()])
    features = {column: kind.feature() for column, kind in columns.items()}
    schema = schema.with_metadata({"huggingface": json.dumps({"info": {"features": features}})})
    made = rows(configuration, data_set.id, name, split, training_rows)
    table = pyarrow.Table.from_pylist([dict(row) for row in made], schema)
    pyarrow.parquet.write_table(table, path)
