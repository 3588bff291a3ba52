"""Stand-in data sets: for an id of the public hub, a few made-up rows with the real configurations, splits and columns.

A set that is not in the catalogue gets columns that are guessed from the code that reads it, and says so.
"""

from __future__ import annotations

import hashlib
import shutil
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from greenlight.errors import GreenlightError
from greenlight.rehearse.standins.datasets.catalogue import SETS, data_set
from greenlight.rehearse.standins.datasets.inferred import inferred
from greenlight.rehearse.standins.datasets.parquet import MARK, write
from greenlight.rehearse.standins.datasets.schema import TRAINING_ROWS, DataSet
from greenlight.rehearse.standins.hub.repository import why_not_an_id

__all__ = ["MARK", "SETS", "DataSet", "StandIn", "data_set", "describe", "folder", "inferred"]


@dataclass(frozen=True)
class StandIn:
    """What a stand-in for a data set is.

    Parameters
    ----------
    id
        The id under which it is served.
    inferred
        Whether its columns were guessed from code; False for a set of the catalogue.
    columns
        Names of the columns of every configuration.
    splits
        Names of the splits of every configuration.
    default
        The configuration that is loaded where none is named; None where one has to be named.
    """

    id: str
    inferred: bool
    columns: Mapping[str, tuple[str, ...]]
    splits: Mapping[str, tuple[str, ...]]
    default: str | None


def describe(dataset_id: str, preprocess_source: str = "", configurations: Sequence[str] = ()) -> StandIn:
    """Return what :func:`folder` would write for the same arguments.

    Parameters
    ----------
    dataset_id, preprocess_source, configurations
        As for :func:`folder`.

    Raises
    ------
    GreenlightError
        If the id is none.
    """
    found, guessed = _made(dataset_id, preprocess_source, configurations)
    return StandIn(
        dataset_id,
        guessed,
        {name: tuple(one.columns) for name, one in found.configurations.items()},
        {name: one.splits for name, one in found.configurations.items()},
        next(iter(found.configurations)) if len(found.configurations) == 1 else found.default,
    )


def folder(
    dataset_id: str,
    cache: Path,
    preprocess_source: str = "",
    configurations: Sequence[str] = (),
    training_rows: int = TRAINING_ROWS,
) -> Path:
    """Return the folder of a stand-in for a data set, made at first use.

    Parameters
    ----------
    dataset_id
        The id on the public hub, for instance ``openai/gsm8k``.
    cache
        Where stand-ins are kept. One appears there whole or not at all, also when several processes start at once.
    preprocess_source
        The code that reads the set; it matters only for a set that is not in the catalogue.
    configurations
        Names of configurations that the run files give; they matter only for a set that is not in the catalogue.
    training_rows
        How many rows a training split has; every other split has 32.

    Raises
    ------
    GreenlightError
        If the id is none, or pyarrow is not installed.
    OSError
        If the cache cannot be written.
    """
    found, guessed = _made(dataset_id, preprocess_source, configurations)
    shape = "" if training_rows == TRAINING_ROWS else f"-{training_rows}"
    if guessed:
        described = repr([(name, one.columns, one.splits) for name, one in found.configurations.items()])
        shape += f"-{hashlib.sha256(described.encode()).hexdigest()[:12]}"
    place = cache / f"{dataset_id.replace('/', '--')}-{_recipe()}{shape}"
    if not place.is_dir():
        cache.mkdir(parents=True, exist_ok=True)
        unfinished = Path(tempfile.mkdtemp(prefix=".dataset-", dir=cache))
        try:
            write(found, unfinished, dataset_id, inferred=guessed, training_rows=training_rows)
            unfinished.chmod(0o755)
            unfinished.rename(place)
        except OSError:
            if not place.is_dir():  # no other process was first
                raise
        finally:
            shutil.rmtree(unfinished, ignore_errors=True)
    return place


def _made(dataset_id: str, source: str, configurations: Sequence[str]) -> tuple[DataSet, bool]:
    broken = why_not_an_id(dataset_id)
    if broken:
        raise GreenlightError(f"--dataset {dataset_id}: {broken}; map a folder: --dataset ID=FOLDER")
    known = data_set(dataset_id)
    return (known, False) if known else (inferred(dataset_id, source, configurations), True)


@cache
def _recipe() -> str:
    """Return a short hash of the generator's sources: another generator writes another folder."""
    digest = hashlib.sha256()
    for source in sorted(Path(__file__).parent.glob("*.py")):
        digest.update(source.name.encode() + b"\0" + source.read_bytes() + b"\0")
    return digest.hexdigest()[:12]
