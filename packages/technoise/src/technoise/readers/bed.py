"""Reads from BED: one line a read, its 5' end by the strand column."""

from __future__ import annotations

from array import array
from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np

from technoise.errors import TechnoiseError
from technoise.readers.counting import LOW_MAPPING_QUALITY, MAX_BP, Reads, Tally
from technoise.readers.text import lines, shown

_BATCH = 1_000_000
_STRANDS = {b"+": 1, b"-": -1, b".": 0}
_NOT_A_READ = (b"#", b"track", b"browser")


def count_bed(path: Path, tally: Tally, rename: Mapping[str, str]) -> None:
    """Count the reads of a BED file, compressed or not, in any order of its lines.

    Raises
    ------
    TechnoiseError
        For a line that is not BED, or a read without the strand or the score that the settings need.
    """
    for reads in _batches(path, tally, rename):
        tally.add(reads)


def _batches(path: Path, tally: Tally, rename: Mapping[str, str]) -> Iterator[Reads]:
    codes: dict[bytes, int] = {}
    names: list[str] = []
    code, start, end, strand = array("q"), array("q"), array("q"), array("b")
    min_quality, needs_strand = tally.settings.min_mapping_quality, not tally.settings.unstranded_at_middle
    for number, line in lines(path):
        if line.startswith(_NOT_A_READ):
            continue
        fields = line.split(b"\t") if b"\t" in line else line.split()
        try:
            left, right = int(fields[1]), int(fields[2])
            sign = _STRANDS[fields[5]] if len(fields) > 5 else 0
            low = min_quality > 0 and int(fields[4]) < min_quality
        except (IndexError, ValueError, KeyError):
            raise _not_bed(path, number, fields, min_quality) from None
        if not 0 <= left < right < MAX_BP:
            raise TechnoiseError(
                f"{path} line {number}: read from {left} to {right}; BED has 0 <= start < end < 2**40, correct the file"
            )
        if low:
            tally.skip(LOW_MAPPING_QUALITY)
            continue
        if not sign and needs_strand:
            raise TechnoiseError(
                f"{path} line {number}: no strand, so no 5' end; write + or - in column 6 or set unstranded_at_middle"
            )
        number_of = codes.get(fields[0])
        if number_of is None:
            number_of = codes[fields[0]] = len(names)
            name = fields[0].decode("utf-8", errors="backslashreplace")
            names.append(rename.get(name, name))
        code.append(number_of)
        start.append(left)
        end.append(right)
        strand.append(sign)
        if len(code) == _BATCH:
            yield _reads(names, code, start, end, strand)
            code, start, end, strand = array("q"), array("q"), array("q"), array("b")
    if code:
        yield _reads(names, code, start, end, strand)


def _reads(names: list[str], code: array[int], start: array[int], end: array[int], strand: array[int]) -> Reads:
    return Reads(
        tuple(names),
        code=np.frombuffer(code, dtype=np.int64),
        start=np.frombuffer(start, dtype=np.int64),
        end=np.frombuffer(end, dtype=np.int64),
        strand=np.frombuffer(strand, dtype=np.int8),
    )


def _not_bed(path: Path, number: int, fields: list[bytes], min_quality: int) -> TechnoiseError:
    where = f"{path} line {number}"
    if len(fields) < 3:
        return TechnoiseError(
            f"{where}: {len(fields)} columns, {shown(fields[0])}; BED has at least chromosome, start and end"
        )
    for column in (1, 2):
        if not fields[column].strip().lstrip(b"+-").isdigit():
            return TechnoiseError(f"{where}: coordinate {shown(fields[column])}; BED has whole base pairs")
    if len(fields) > 5 and fields[5] not in _STRANDS:
        return TechnoiseError(f"{where}: strand {shown(fields[5])}; BED has +, - or . in column 6")
    score = shown(fields[4]) if len(fields) > 4 else "none"
    return TechnoiseError(
        f"{where}: score {score}; a minimum mapping quality of {min_quality} needs whole numbers in column 5, "
        "set it to 0 for files without"
    )
