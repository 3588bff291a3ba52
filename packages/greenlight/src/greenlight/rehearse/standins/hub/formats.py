"""Which files are data, and in which format, told from their names alone."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import PurePosixPath

# Extension -> the reader of `datasets` that takes it, in the order that decides where a folder holds two formats.
_READERS = {
    ".parquet": "parquet",
    ".arrow": "arrow",
    ".jsonl": "JSON",
    ".ndjson": "JSON",
    ".json": "JSON",
    ".csv": "CSV",
    ".tsv": "TSV",
    ".txt": "text",
}
_COMPRESSIONS = frozenset({".gz", ".bz2", ".xz", ".zst", ".lz4"})
# Metadata that `datasets` and `save_to_disk` write beside the data.
_METADATA = frozenset(
    {"config.json", "dataset_dict.json", "dataset_info.json", "dataset_infos.json", "state.json", "license.txt"}
)

ORDER = tuple(dict.fromkeys(_READERS.values()))
KNOWN = "JSONL, JSON, parquet, CSV, TSV, arrow or text, plain or compressed (.gz, .bz2, .xz, .zst, .lz4)"


def reader_of(path: str) -> str | None:
    """Return the name of the format of a data file, or None for any other file.

    >>> reader_of("main/train-00000-of-00001.jsonl.gz"), reader_of("README.md")
    ('JSON', None)
    """
    name = PurePosixPath(path.lower())
    if name.name in _METADATA:
        return None
    if name.suffix in _COMPRESSIONS:
        name = name.with_suffix("")
    return _READERS.get(name.suffix)


def stem(path: str) -> str:
    """Return the file name of a data file without its format and compression.

    >>> stem("data/test-00000-of-00001.parquet"), stem("dev.csv.gz")
    ('test-00000-of-00001', 'dev')
    """
    name = PurePosixPath(path).name
    for known in (_COMPRESSIONS, _READERS):
        ending = PurePosixPath(name).suffix
        if ending.lower() in known:
            name = name.removesuffix(ending)
    return name


def data_files(paths: Iterable[str]) -> tuple[str, ...]:
    """Return those of `paths` that hold data, in the order given."""
    return tuple(path for path in paths if reader_of(path))
