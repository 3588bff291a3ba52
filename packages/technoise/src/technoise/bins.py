"""Genomic bins: the rows of every count table, half-open and 0-based like BED."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import ArrayLike, NDArray

from technoise.errors import TechnoiseError

IntArray = NDArray[np.int64]
BoolArray = NDArray[np.bool_]
FloatArray = NDArray[np.float64]

_MAX_BINS = 2_000_000_000  # a code of a chromosome is 32 bits wide, and so should the number of a row be


def _as_int64(values: ArrayLike, what: str) -> IntArray:
    array = np.asarray(values)
    if array.ndim != 1:
        raise TechnoiseError(f"{what} of shape {array.shape}: one value per bin is needed; pass a flat array")
    if array.size and array.dtype.kind not in "iu":
        raise TechnoiseError(f"{what} of type {array.dtype}: coordinates are whole base pairs; pass integers")
    copy = array.astype(np.int64)
    copy.setflags(write=False)
    return copy


@dataclass(frozen=True, eq=False)
class Bins:
    """Intervals of a genome in order: chromosome after chromosome, ascending, not overlapping.

    Parameters
    ----------
    code
        Which chromosome each bin lies on, shape (n_bins,): an index into ``chromosome_names`` that never falls.
    start, end
        0-based coordinates in base pairs, shape (n_bins,); ``start`` belongs to the bin, ``end`` does not.
    chromosome_names
        Every chromosome that has a bin, in the order of the bins, and no other: equal bins have equal fields.

    Raises
    ------
    TechnoiseError
        For shapes that differ, coordinates that are not whole or not positive intervals, bins out of order or
        overlapping, and names that are repeated or unused.

    Examples
    --------
    >>> bins = Bins.tiled({"chr1": 500, "chr2": 200}, width_bp=200)
    >>> bins.start.tolist(), bins.end.tolist(), bins.chromosome.tolist()
    ([0, 200, 400, 0], [200, 400, 500, 200], ['chr1', 'chr1', 'chr1', 'chr2'])
    """

    code: IntArray
    start: IntArray
    end: IntArray
    chromosome_names: tuple[str, ...]

    def __post_init__(self) -> None:
        for field in ("code", "start", "end"):
            object.__setattr__(self, field, _as_int64(getattr(self, field), field))
        object.__setattr__(self, "chromosome_names", tuple(self.chromosome_names))
        if not self.code.shape == self.start.shape == self.end.shape:
            raise TechnoiseError(
                f"{self.code.size} chromosomes, {self.start.size} starts and {self.end.size} ends: "
                "a bin has one of each; pass arrays of equal length"
            )
        self._check_names()
        self._check_intervals()

    def _check_names(self) -> None:
        names = self.chromosome_names
        if len(set(names)) != len(names) or not all(isinstance(name, str) and name for name in names):
            raise TechnoiseError(f"chromosome names {list(names)}: each is a different, non-empty text; rename them")
        steps = np.diff(self.code, prepend=-1)
        bad = np.flatnonzero((steps < 0) | (steps > 1) | (self.code < 0))
        if bad.size:
            row = int(bad[0])
            raise TechnoiseError(
                f"bin {row} has chromosome code {int(self.code[row])}: codes count up from 0, and the bins of a "
                "chromosome follow each other; build the bins with Bins.labelled"
            )
        used = int(self.code[-1]) + 1 if self.code.size else 0
        if used != len(names):
            raise TechnoiseError(f"{len(names)} chromosome names for {used} chromosomes with bins: they must be equal")

    def _check_intervals(self) -> None:
        bad = np.flatnonzero((self.start < 0) | (self.end <= self.start))
        if bad.size:
            raise TechnoiseError(
                f"bin {int(bad[0])} is {self.name_of(int(bad[0]))}: a bin has 0 <= start < end; correct the coordinates"
            )
        same = self.code[1:] == self.code[:-1]
        bad = np.flatnonzero(same & (self.start[1:] < self.end[:-1]))
        if bad.size:
            row = int(bad[0]) + 1
            raise TechnoiseError(
                f"bin {row}, {self.name_of(row)}, starts before {self.name_of(row - 1)} ends: "
                "bins are sorted and do not overlap; sort or merge them"
            )

    # -- making bins -------------------------------------------------------------------------------------------

    @classmethod
    def tiled(cls, chromosome_sizes: Mapping[str, int], width_bp: int, *, keep_partial: bool = True) -> Bins:
        """Return the bins that cover chromosomes from end to end.

        Parameters
        ----------
        chromosome_sizes
            Length of each chromosome in base pairs, in the order of the bins.
        width_bp
            Width of a bin in base pairs.
        keep_partial
            Whether the shorter bin at the end of a chromosome is kept.

        Raises
        ------
        TechnoiseError
            For a width or a size that is not a positive whole number, or no bin at all.
        """
        check_positive("bin width", width_bp, "bp")
        for name, size in chromosome_sizes.items():
            check_positive(f"size of chromosome {name}", size, "bp")
        per_chromosome = {name: -(-size // width_bp) for name, size in chromosome_sizes.items()}
        if not keep_partial:
            per_chromosome = {name: chromosome_sizes[name] // width_bp for name in per_chromosome}
        per_chromosome = {name: count for name, count in per_chromosome.items() if count}
        total = sum(per_chromosome.values())
        if not 0 < total < _MAX_BINS:
            raise TechnoiseError(
                f"{total} bins of {width_bp} bp: a table has between 1 and {_MAX_BINS - 1} bins; choose another width"
            )
        starts = [np.arange(count, dtype=np.int64) * width_bp for count in per_chromosome.values()]
        sizes = [chromosome_sizes[name] for name in per_chromosome]
        ends = [np.minimum(start + width_bp, size) for start, size in zip(starts, sizes, strict=True)]
        code = np.repeat(np.arange(len(starts)), [start.size for start in starts])
        return cls(code, np.concatenate(starts), np.concatenate(ends), tuple(per_chromosome))

    @classmethod
    def labelled(cls, chromosome: Sequence[str] | NDArray[np.str_], start: ArrayLike, end: ArrayLike) -> Bins:
        """Return bins from the name of the chromosome of each; names of shape (n_bins,), grouped by chromosome."""
        labels = np.asarray(chromosome, dtype=np.str_)
        if labels.ndim != 1:
            raise TechnoiseError(f"chromosomes of shape {labels.shape}: one name per bin is needed; pass a flat list")
        first = np.flatnonzero(np.r_[labels.size > 0, labels[1:] != labels[:-1]]) if labels.size else np.empty(0, int)
        names = tuple(str(label) for label in labels[first])
        twice = next((name for index, name in enumerate(names) if name in names[:index]), None)
        if twice is not None:
            raise TechnoiseError(f"chromosome {twice} appears in two places: its bins follow each other; sort the bins")
        code = np.cumsum(np.r_[True, labels[1:] != labels[:-1]]) - 1 if labels.size else np.empty(0, np.int64)
        return cls(code.astype(np.int64), _as_int64(start, "start"), _as_int64(end, "end"), names)

    def subset(self, mask: BoolArray) -> Bins:
        """Return the bins where a mask of shape (n_bins,) is true, in the same order."""
        chosen = self.check_mask(mask)
        kept, code = np.unique(self.code[chosen], return_inverse=True)
        names = tuple(self.chromosome_names[index] for index in kept)
        return Bins(code.astype(np.int64), self.start[chosen], self.end[chosen], names)

    def check_mask(self, mask: BoolArray) -> BoolArray:
        """Return a mask of shape (n_bins,), or raise when it is not one."""
        array = np.asarray(mask)
        if array.dtype != np.bool_ or array.shape != (len(self),):
            raise TechnoiseError(
                f"mask of {array.dtype} and shape {array.shape}: a mask is one bool for each of {len(self)} bins; "
                "compare or index before passing it"
            )
        return array

    # -- asking bins -------------------------------------------------------------------------------------------

    def __len__(self) -> int:
        return int(self.start.size)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Bins):
            return NotImplemented
        return (
            self.chromosome_names == other.chromosome_names
            and np.array_equal(self.code, other.code)
            and np.array_equal(self.start, other.start)
            and np.array_equal(self.end, other.end)
        )

    __hash__ = None  # type: ignore[assignment]  # arrays have no cheap hash, and nobody keys by bins

    @cached_property
    def chromosome(self) -> NDArray[np.str_]:
        """The name of the chromosome of each bin, shape (n_bins,)."""
        return np.asarray(self.chromosome_names, dtype=np.str_)[self.code]

    @cached_property
    def width_bp(self) -> int:
        """The width of a full bin in base pairs: the widest of them."""
        return int((self.end - self.start).max()) if len(self) else 0

    @cached_property
    def rows(self) -> dict[str, slice]:
        """The rows of each chromosome, in order."""
        edges = np.searchsorted(self.code, np.arange(len(self.chromosome_names) + 1))
        return {name: slice(int(edges[i]), int(edges[i + 1])) for i, name in enumerate(self.chromosome_names)}

    def name_of(self, row: int) -> str:
        """Return a bin the way genome browsers write it: chromosome, 1-based first and last base."""
        return f"{self.chromosome_names[int(self.code[row])]}:{int(self.start[row]) + 1}-{int(self.end[row])}"

    def on(self, chromosomes: Sequence[str]) -> BoolArray:
        """Return which bins lie on the given chromosomes, shape (n_bins,); an unknown name is an error."""
        if isinstance(chromosomes, str):
            raise TechnoiseError(f"chromosomes {chromosomes!r}: a list of names is needed; pass [{chromosomes!r}]")
        unknown = [name for name in chromosomes if name not in self.chromosome_names]
        if unknown:
            raise TechnoiseError(
                f"chromosome {unknown[0]}: the bins have {', '.join(self.chromosome_names)}; name one of these"
            )
        wanted = np.isin(np.asarray(self.chromosome_names, dtype=np.str_), np.asarray(chromosomes, dtype=np.str_))
        return np.asarray(wanted[self.code], dtype=np.bool_)

    def blocks(self, length_bp: int | None = None) -> IntArray:
        """Return the number of the block that each bin belongs to, shape (n_bins,), for held-out splits.

        Neighbouring bins share reads and bias, so a split by single bins leaks; a split by blocks does not, except
        at their borders.

        Parameters
        ----------
        length_bp
            Length of a block in base pairs, counted from the start of each chromosome by the start of a bin. Without
            it a block is a chromosome.
        """
        if length_bp is None:
            return self.code.copy()
        check_positive("block", length_bp, "bp")
        within = self.start // length_bp
        changes = np.r_[True, (np.diff(within) != 0) | (np.diff(self.code) != 0)] if len(self) else np.empty(0, bool)
        return np.asarray(np.cumsum(changes) - 1, dtype=np.int64)

    def locate(self, chromosome: str, position: IntArray) -> IntArray:
        """Return the row of the bin that holds each position of one chromosome, or -1 where there is none.

        Parameters
        ----------
        chromosome
            A name; where no bin lies on it, every answer is -1.
        position
            0-based, in base pairs, shape (n,).
        """
        rows = self.rows.get(chromosome)
        if rows is None:
            return np.full(position.shape, -1, dtype=np.int64)
        index = np.searchsorted(self.start[rows], position, side="right") - 1
        inside = (index >= 0) & (position < self.end[rows][np.maximum(index, 0)])
        return np.where(inside, index + rows.start, -1).astype(np.int64)


def check_positive(what: str, value: int, unit: str) -> None:
    """Raise unless a value is a positive whole number."""
    if isinstance(value, bool) or not isinstance(value, int | np.integer) or value <= 0:
        raise TechnoiseError(f"{what} of {value} {unit}: a positive whole number is needed; set it to 1 or more")
