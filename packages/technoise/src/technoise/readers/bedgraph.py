"""Counts from bedGraph: intervals with whole numbers, whose borders are those of bins."""

from __future__ import annotations

from array import array
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from technoise.bins import Bins, IntArray
from technoise.errors import TechnoiseError
from technoise.readers.counting import MAX_BP, OUTSIDE_BINS, UNKNOWN_CHROMOSOME, ReadCounts, unknown_names
from technoise.readers.text import lines, shown

_NOT_AN_INTERVAL = (b"#", b"track", b"browser")
_MAX_READS = 2**53  # beyond it a float64, which the value is read as, no longer holds every whole number


@dataclass
class _Intervals:
    """The intervals of one chromosome, in the order of the file."""

    line: array[int] = field(default_factory=lambda: array("q"))
    start: array[int] = field(default_factory=lambda: array("q"))
    end: array[int] = field(default_factory=lambda: array("q"))
    reads: array[int] = field(default_factory=lambda: array("q"))


def count_bedgraph(
    path: Path, bins: Bins, chromosome_sizes: Mapping[str, int], rename: Mapping[str, str], source: Mapping[str, Any]
) -> ReadCounts:
    """Return the counts of a bedGraph file whose value is the reads in each bin that the interval covers.

    Writers join neighbouring bins of equal value, so that an interval may cover several bins, each of which has its
    value; bins in no interval have 0.

    Raises
    ------
    TechnoiseError
        For a value that is not a whole number of reads, intervals out of order or overlapping, and borders inside a
        bin: coverage per base or other bins, which are not counts of these.
    """
    counts = np.zeros(len(bins), dtype=np.int64)
    unknown: dict[str, int] = {}
    n_records = n_outside = 0
    chromosomes = _read(path, rename)
    for name, intervals in chromosomes.items():
        n_records += len(intervals.start)
        size_bp, last_bp = chromosome_sizes.get(name), intervals.end[-1]
        if size_bp is not None and last_bp > size_bp:
            raise TechnoiseError(
                f"{path} line {intervals.line[-1]}: {name} to {last_bp} bp; it has {size_bp} bp, so the file is of "
                "another assembly, use its sizes"
            )
        if name in bins.rows:
            n_outside += _fill(counts, path, bins, name, intervals)
        else:
            unknown[name] = len(intervals.start)
    if not chromosomes:
        raise TechnoiseError(f"{path} has no intervals: a sample has some; check how the file was made")
    if len(unknown) == len(chromosomes):
        raise unknown_names(unknown, bins)
    skipped = {OUTSIDE_BINS: n_outside, UNKNOWN_CHROMOSOME: sum(unknown.values())}
    skipped = {reason: records for reason, records in skipped.items() if records}
    return ReadCounts(counts, n_records, n_records - sum(skipped.values()), skipped, unknown, source)


def _read(path: Path, rename: Mapping[str, str]) -> dict[str, _Intervals]:
    chromosomes: dict[str, _Intervals] = {}
    current = ""
    for number, line in lines(path):
        if line.startswith(_NOT_AN_INTERVAL):
            continue
        where, fields = f"{path} line {number}", line.split()
        try:
            start, end, value = int(fields[1]), int(fields[2]), float(fields[3])
        except (IndexError, ValueError):
            raise TechnoiseError(f"{where}: {shown(line)}; bedGraph has chromosome, start, end and value") from None
        if not 0 <= value < _MAX_READS or not value.is_integer():
            raise TechnoiseError(
                f"{where}: value {shown(fields[3])}; reads are whole numbers, give raw counts, not a normalised track"
            )
        if not 0 <= start < end < MAX_BP:
            raise TechnoiseError(f"{where}: from {start} to {end}; bedGraph has 0 <= start < end < 2**40, correct it")
        name = fields[0].decode("utf-8", errors="backslashreplace")
        name = rename.get(name, name)
        intervals = chromosomes.setdefault(name, _Intervals())
        if intervals.end and (name != current or start < intervals.end[-1]):
            raise TechnoiseError(
                f"{where}: after {name} to {intervals.end[-1]}; sort the file, intervals do not overlap"
            )
        current = name
        intervals.line.append(number)
        intervals.start.append(start)
        intervals.end.append(end)
        intervals.reads.append(int(value))
    return chromosomes


def _fill(counts: IntArray, path: Path, bins: Bins, name: str, intervals: _Intervals) -> int:
    """Write the values into the bins of a chromosome and return how many intervals lie outside of them."""
    rows = bins.rows[name]
    start, end = bins.start[rows], bins.end[rows]
    left, right = np.asarray(intervals.start), np.asarray(intervals.end)
    first = np.searchsorted(end, left, side="right")
    after = np.maximum(np.searchsorted(start, right, side="left"), first)
    inside = np.flatnonzero(after > first)
    cuts = (start[first[inside]] < left[inside]) | (end[after[inside] - 1] > right[inside])
    if cuts.any():
        at = int(inside[np.flatnonzero(cuts)[0]])
        raise TechnoiseError(
            f"{path} line {intervals.line[at]}: {name} {left[at]} to {right[at]} cuts a bin of {bins.width_bp} bp; "
            "the file was made for other bins, count its reads again"
        )
    # The value starts at the first row and stops after the last: differences of a running sum, no loop over rows.
    reads = np.asarray(intervals.reads)[inside]
    steps = np.zeros(start.size + 1, dtype=np.int64)
    np.add.at(steps, first[inside], reads)
    np.subtract.at(steps, after[inside], reads)
    counts[rows] = np.cumsum(steps[:-1])
    return left.size - inside.size
