"""Counts from text tables: wide (a gene a row, a position a column) or long (a bin a row, a sample a column)."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from technoise.bins import Bins, IntArray
from technoise.errors import TechnoiseError
from technoise.readers.counting import OUTSIDE_BINS, UNKNOWN_CHROMOSOME, ReadCounts, unknown_names
from technoise.readers.text import lines, shown

_LONG_HEADER = [b"chromosome", b"start", b"end"]
# R writes the column name -1000 as X.1000 and 15 as X15.
_POSITION = re.compile(rb"(?:X(?P<minus>\.)?(?P<r>\d+)|(?P<plain>[-+]?\d+))")


@dataclass(frozen=True, eq=False)
class TextTable:
    """Counts and the bins they were counted in.

    Attributes
    ----------
    bins
        Of a wide table a gene is a chromosome and its first position is base pair 0.
    counts
        Reads, int64, shape (n_bins, n_samples).
    sample_names
        The columns of a long table; a wide one has the name of its file.
    first_position
        What the first column of a wide table is called there, such as -1000; 0 for a long table.
    """

    bins: Bins
    counts: IntArray
    sample_names: tuple[str, ...]
    first_position: int = 0


def read_table(path: Path) -> TextTable:
    """Return the counts of a table, tab- or comma-separated, quoted or not, compressed or not.

    A long table starts with the header ``chromosome start end`` and has a column per further sample. Any other header
    is that of a wide table: names of positions at even distances, one row per gene after its name; the rows may have
    one column more than the header, row names as R writes them.

    Raises
    ------
    TechnoiseError
        For rows of unequal length, positions that are not evenly spaced, a repeated gene, and values that are not
        whole numbers of reads.
    """
    rows = [(number, _split(line)) for number, line in lines(path) if not line.startswith(b"#")]
    if len(rows) < 2:
        raise TechnoiseError(f"{path} has {len(rows)} lines: a table has a header and rows; check the file")
    (_, header), body = rows[0], rows[1:]
    if [name.lower() for name in header[:3]] == _LONG_HEADER:
        return _long(path, header, body)
    return _wide(path, header, body)


def count_table(
    path: Path, bins: Bins, rename: Mapping[str, str], sample: str | None, source: Mapping[str, Any]
) -> ReadCounts:
    """Return the counts of one sample of a table in the given bins, each of which may hold several of the table's.

    Raises
    ------
    TechnoiseError
        As :func:`read_table`; and for a sample that the table lacks, and rows of the table that cross a border.
    """
    table = read_table(path)
    if sample is None and len(table.sample_names) == 1:
        sample = table.sample_names[0]
    if sample not in table.sample_names:
        raise TechnoiseError(f"sample {sample} of {path}: it has {', '.join(table.sample_names)}; name one of these")
    reads = table.counts[:, table.sample_names.index(sample)]
    counts = np.zeros(len(bins), dtype=np.int64)
    unknown: dict[str, int] = {}
    n_outside = 0
    for original, rows in table.bins.rows.items():
        name = rename.get(original, original)
        if name not in bins.rows:
            unknown[name] = rows.stop - rows.start
            continue
        first = bins.locate(name, table.bins.start[rows])
        last = bins.locate(name, table.bins.end[rows] - 1)
        bad = np.flatnonzero(first != last)
        if bad.size:
            raise TechnoiseError(
                f"{table.bins.name_of(rows.start + int(bad[0]))} of {path} lies across a border of the bins: "
                "counts cannot be divided; use bins that hold whole rows of the table"
            )
        n_outside += int((first < 0).sum())
        inside = first >= 0
        np.add.at(counts, first[inside], reads[rows][inside])
    if len(unknown) == len(table.bins.rows):
        raise unknown_names(unknown, bins)
    skipped = {OUTSIDE_BINS: n_outside, UNKNOWN_CHROMOSOME: sum(unknown.values())}
    skipped = {reason: records for reason, records in skipped.items() if records}
    n_records = len(table.bins)
    return ReadCounts(
        counts, n_records, n_records - sum(skipped.values()), skipped, unknown, {**source, "sample": sample}
    )


def _split(line: bytes) -> list[bytes]:
    fields = line.split(b"\t") if b"\t" in line else line.split(b",")
    return [field.strip().strip(b'"') for field in fields]


def _whole(path: Path, number: int, fields: Sequence[bytes]) -> IntArray:
    try:
        values = np.asarray(fields, dtype=np.bytes_).astype(np.float64)
    except ValueError:
        values = np.full(len(fields), np.nan)
    # 2**53: beyond it a float64 no longer holds every whole number.
    good = np.isfinite(values) & (values >= 0) & (values == np.floor(values)) & (values < 2.0**53)
    if not good.all():
        bad = next((field for field in fields if not _is_whole(field)), fields[int(np.flatnonzero(~good)[0])])
        raise TechnoiseError(
            f"{path} line {number}: {shown(bad)}; reads are whole numbers, so give raw counts, and 0 for no read"
        )
    return values.astype(np.int64)


def _is_whole(field: bytes) -> bool:
    try:
        value = float(field)
    except ValueError:
        return False
    return value >= 0 and value.is_integer()


def _long(path: Path, header: list[bytes], body: list[tuple[int, list[bytes]]]) -> TextTable:
    samples = tuple(name.decode("utf-8", errors="backslashreplace") for name in header[3:])
    if not samples or len(set(samples)) != len(samples):
        raise TechnoiseError(
            f"{path}: samples {list(samples)}; a long table has one or more columns of different names"
        )
    for number, fields in body:
        if len(fields) != len(header):
            raise TechnoiseError(
                f"{path} line {number}: {len(fields)} columns, the header has {len(header)}; align them"
            )
    values = np.asarray([_whole(path, number, fields[1:]) for number, fields in body])
    labels = [fields[0].decode("utf-8", errors="backslashreplace") for _, fields in body]
    return TextTable(Bins.labelled(labels, values[:, 0], values[:, 1]), values[:, 2:], samples)


def _wide(path: Path, header: list[bytes], body: list[tuple[int, list[bytes]]]) -> TextTable:
    row_names = len(body[0][1]) - len(header)
    if row_names not in (0, 1):
        raise TechnoiseError(
            f"{path} line {body[0][0]}: {len(body[0][1])} columns, the header has {len(header)}; a row has as many, or "
            "one more for its name"
        )
    positions = _positions(path, header[1:])
    width_bp = int(positions[1] - positions[0])
    genes: list[str] = []
    counts = []
    for number, fields in body:
        if len(fields) != len(header) + row_names:
            raise TechnoiseError(
                f"{path} line {number}: {len(fields)} columns, the first row has {len(header) + row_names}; the file "
                "is cut off or misaligned, copy it again"
            )
        gene = fields[row_names].decode("utf-8", errors="backslashreplace")
        genes.append(gene)
        counts.append(_whole(path, number, fields[row_names + 1 :]))
    repeated = [gene for gene, times in zip(*np.unique(genes, return_counts=True), strict=True) if times > 1]
    if repeated:
        raise TechnoiseError(
            f"gene {repeated[0]} has more than one row in {path}: rows are different genes; merge them"
        )
    start = np.arange(positions.size, dtype=np.int64) * width_bp
    bins = Bins(
        np.repeat(np.arange(len(genes)), positions.size),
        np.tile(start, len(genes)),
        np.tile(start + width_bp, len(genes)),
        tuple(genes),
    )
    name = path.name.removesuffix(".gz").rsplit(".", 1)[0]
    return TextTable(bins, np.concatenate(counts)[:, None], (name,), int(positions[0]))


def _positions(path: Path, header: list[bytes]) -> IntArray:
    matches = [_POSITION.fullmatch(name) for name in header]
    positions = []
    for name, match in zip(header, matches, strict=True):
        if match is None:
            raise TechnoiseError(
                f"{path}: column {shown(name)}; a wide table has positions such as -15, X.15 or X15 after the first "
                "column, a long one starts with chromosome, start and end"
            )
        plain = match["plain"]
        positions.append(int(plain) if plain is not None else int(match["r"]) * (-1 if match["minus"] else 1))
    steps = np.diff(positions)
    if len(positions) < 2 or int(steps.min()) <= 0 or int(steps.min()) != int(steps.max()):
        raise TechnoiseError(f"{path}: {len(positions)} positions at uneven distances; they rise in equal steps")
    return np.asarray(positions, dtype=np.int64)
