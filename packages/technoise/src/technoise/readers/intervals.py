"""Regions from BED-like files: blacklists, peaks, genes. Only the first three columns are read."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from technoise.bins import IntArray
from technoise.errors import TechnoiseError
from technoise.readers.counting import MAX_BP
from technoise.readers.text import lines, shown

_NOT_A_REGION = (b"#", b"track", b"browser")


@dataclass(frozen=True, eq=False)
class Intervals:
    """Regions of a genome in any order; they may overlap.

    Attributes
    ----------
    chromosome
        Name of the chromosome of each, shape (n,).
    start, end
        0-based, half-open, in base pairs, shape (n,).
    """

    chromosome: NDArray[np.str_]
    start: IntArray
    end: IntArray

    def __post_init__(self) -> None:
        if not self.chromosome.shape == self.start.shape == self.end.shape:
            raise TechnoiseError(
                f"{self.chromosome.size} chromosomes, {self.start.size} starts and {self.end.size} ends: "
                "a region has one of each; pass arrays of equal length"
            )

    def __len__(self) -> int:
        return int(self.start.size)


def read_intervals(path: Path, *, rename: Mapping[str, str] | None = None) -> Intervals:
    """Return the regions of a BED, narrowPeak or broadPeak file, compressed or not.

    Parameters
    ----------
    path
        The file; one without regions is a valid, empty answer.
    rename
        Name of a chromosome in the file to the name to use.

    Raises
    ------
    TechnoiseError
        For a file that cannot be read and a line that is not a region.
    """
    names: list[str] = []
    start: list[int] = []
    end: list[int] = []
    for number, line in lines(Path(path)):
        if line.startswith(_NOT_A_REGION):
            continue
        fields = line.split(b"\t", 3) if b"\t" in line else line.split(None, 3)
        try:
            left, right = int(fields[1]), int(fields[2])
        except (IndexError, ValueError):
            raise TechnoiseError(f"{path} line {number}: {shown(line)}; BED has chromosome, start and end") from None
        if not 0 <= left < right < MAX_BP:
            raise TechnoiseError(f"{path} line {number}: from {left} to {right}; BED has 0 <= start < end < 2**40")
        name = fields[0].decode("utf-8", errors="backslashreplace")
        names.append((rename or {}).get(name, name))
        start.append(left)
        end.append(right)
    return Intervals(np.asarray(names, dtype=np.str_), np.asarray(start, np.int64), np.asarray(end, np.int64))
