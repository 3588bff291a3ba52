"""How reads become counts: which reads are left out, where a read counts, and the account of both."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from technoise.bins import Bins, IntArray, check_positive
from technoise.errors import TechnoiseError

MAX_BP = 2**40  # far beyond every chromosome, and sums of coordinates still fit 64 bits

Strand = Literal["both", "+", "-"]
Place = Literal["once", "every_bin"]

UNKNOWN_CHROMOSOME = "unknown_chromosome"
OUTSIDE_BINS = "outside_bins"
OTHER_STRAND = "other_strand"
LOW_MAPPING_QUALITY = "low_mapping_quality"


@dataclass(frozen=True)
class ReadSettings:
    """Which reads count, and where.

    Attributes
    ----------
    strand
        ``+`` or ``-`` for the reads of one strand, ``both`` for all.
    min_mapping_quality
        Reads below it are skipped. BED files hold it in the score column, as ``bedtools bamtobed`` writes it.
    keep_duplicates
        Whether reads that a BAM file marks as duplicates count; BED files have no such mark.
    fragment_length_bp
        Without it a read counts at its 5' end. With it a read is extended from there to a fragment of this length,
        clipped at the ends of the chromosome; its right end is known from a BAM header or ``chromosome_sizes`` only.
    place
        Where a fragment counts: ``once``, in the bin of its middle, so that counts of bins stay separate draws, or
        in ``every_bin`` that it overlaps, so that they add up to more than the reads.
    unstranded_at_middle
        Whether a BED read without strand counts at its middle; otherwise it is an error, as it has no 5' end.
    """

    strand: Strand = "both"
    min_mapping_quality: int = 0
    keep_duplicates: bool = False
    fragment_length_bp: int | None = None
    place: Place = "once"
    unstranded_at_middle: bool = False

    def __post_init__(self) -> None:
        for name, value, allowed in (("strand", self.strand, get_args(Strand)), ("place", self.place, get_args(Place))):
            if value not in allowed:
                raise TechnoiseError(f"{name} of {value!r}: it is one of {', '.join(allowed)}")
        if not 0 <= self.min_mapping_quality <= 254:
            raise TechnoiseError(f"min_mapping_quality of {self.min_mapping_quality}: SAM has 0 to 254")
        if self.fragment_length_bp is not None:
            check_positive("fragment length", self.fragment_length_bp, "bp")
        elif self.place != "once":
            raise TechnoiseError(f"place of {self.place}: a 5' end lies in one bin; set fragment_length_bp as well")


@dataclass(frozen=True, eq=False)
class ReadCounts:
    """Reads per bin of one sample, and what became of every record of its file.

    Attributes
    ----------
    counts
        Reads, int64, shape (n_bins,).
    n_records
        Records of the file: alignments, BED lines, bedGraph intervals or table cells.
    n_counted
        Records that are in ``counts``.
    skipped
        Reason to number of records; with ``n_counted`` they make ``n_records``.
    unknown_chromosomes
        Name to number of records on chromosomes that have no bin.
    source
        Name of the file, its format and the settings, for a manifest.
    """

    counts: IntArray
    n_records: int
    n_counted: int
    skipped: Mapping[str, int]
    unknown_chromosomes: Mapping[str, int] = field(default_factory=dict)
    source: Mapping[str, Any] = field(default_factory=dict)

    def provenance(self) -> dict[str, Any]:
        """Return the account without the counts, for the manifest of a table."""
        return {
            **self.source,
            "n_records": self.n_records,
            "n_counted": self.n_counted,
            "skipped": dict(self.skipped),
            "unknown_chromosomes": dict(self.unknown_chromosomes),
        }


@dataclass(frozen=True, eq=False)
class Reads:
    """A batch of reads: all arrays of shape (n_reads,).

    Attributes
    ----------
    names
        Chromosome names of the file, renamed; not one per read.
    code
        Index into ``names``.
    start, end
        0-based, half-open, in base pairs.
    strand
        1, -1, or 0 where it is not known.
    """

    names: tuple[str, ...]
    code: IntArray
    start: IntArray
    end: IntArray
    strand: NDArray[np.int8]


@dataclass
class Tally:
    """Counts reads into bins, batch after batch."""

    bins: Bins
    settings: ReadSettings
    chromosome_sizes: Mapping[str, int]
    skipped: Counter[str] = field(default_factory=Counter)
    unknown: Counter[str] = field(default_factory=Counter)
    n_records: int = 0
    n_counted: int = 0

    def __post_init__(self) -> None:
        # Differences of the running count: a fragment over many bins costs as much as one over a single bin.
        self._steps = np.zeros(len(self.bins) + 1, dtype=np.int64)

    def skip(self, reason: str, records: int = 1) -> None:
        """Note records that were left out before they became reads."""
        if records:
            self.skipped[reason] += records
            self.n_records += records

    def add(self, reads: Reads) -> None:
        """Count a batch."""
        wanted = {"both": (1, -1, 0), "+": (1,), "-": (-1,)}[self.settings.strand]
        on_strand = np.isin(reads.strand, wanted)
        self.skip(OTHER_STRAND, int((~on_strand).sum()))
        # Grouped by one sort, as assemblies have up to thousands of scaffolds.
        rows = np.flatnonzero(on_strand)
        rows = rows[np.argsort(reads.code[rows], kind="stable")]
        for group in np.split(rows, np.flatnonzero(np.diff(reads.code[rows])) + 1):
            if group.size:
                name = reads.names[int(reads.code[group[0]])]
                self._add_chromosome(name, reads.start[group], reads.end[group], reads.strand[group].astype(np.int64))

    def _add_chromosome(self, name: str, start: IntArray, end: IntArray, strand: IntArray) -> None:
        size_bp = self.chromosome_sizes.get(name)
        if size_bp is not None and int(end.max()) > size_bp:
            raise TechnoiseError(
                f"a read on {name} ends at {int(end.max())} bp: {name} has {size_bp} bp; "
                "the reads were mapped to another assembly, use its sizes"
            )
        rows = self.bins.rows.get(name)
        if rows is None:
            self.skip(UNKNOWN_CHROMOSOME, start.size)
            self.unknown[name] += int(start.size)
            return
        first, after = self._places(name, start, end, strand, size_bp)
        counted = first < after
        self.skip(OUTSIDE_BINS, int((~counted).sum()))
        self.n_records += int(counted.sum())
        self.n_counted += int(counted.sum())
        n = len(self.bins) + 1
        self._steps += np.bincount(first[counted], minlength=n) - np.bincount(after[counted], minlength=n)

    def _places(
        self, name: str, start: IntArray, end: IntArray, strand: IntArray, size_bp: int | None
    ) -> tuple[IntArray, IntArray]:
        """Return the first row of each read and the row after its last; equal where it lies in no bin."""
        length_bp = self.settings.fragment_length_bp
        middle = (start + end) // 2
        if length_bp is None:
            at = np.select([strand > 0, strand < 0], [start, end - 1], middle)
        else:
            left = np.select([strand > 0, strand < 0], [start, end - length_bp], middle - length_bp // 2)
            right = left + length_bp
            left = np.maximum(left, 0)
            if size_bp is not None:
                right = np.minimum(right, size_bp)
            if self.settings.place == "every_bin":
                rows = self.bins.rows[name]
                first = np.searchsorted(self.bins.end[rows], left, side="right") + rows.start
                after = np.searchsorted(self.bins.start[rows], right, side="left") + rows.start
                return first.astype(np.int64), np.maximum(first, after).astype(np.int64)
            at = (left + right) // 2
        row = self.bins.locate(name, at)
        return np.maximum(row, 0), row + 1

    def result(self, source: Mapping[str, Any]) -> ReadCounts:
        """Return the counts and their account.

        Raises
        ------
        TechnoiseError
            For a file without records, and one of whose chromosomes none has bins.
        """
        if not self.n_records:
            raise TechnoiseError(f"{source['file']} has no reads: a sample has some; check how the file was made")
        if self.unknown and not self.n_counted and not self.skipped[OUTSIDE_BINS]:
            raise unknown_names(self.unknown, self.bins)
        return ReadCounts(
            counts=np.cumsum(self._steps[:-1]),
            n_records=self.n_records,
            n_counted=self.n_counted,
            skipped=dict(sorted(self.skipped.items())),
            unknown_chromosomes=dict(sorted(self.unknown.items())),
            source={**source, "settings": asdict(self.settings)},
        )


def unknown_names(unknown: Mapping[str, int], bins: Bins) -> TechnoiseError:
    """Return the error of a file whose chromosomes are all unknown, with the renaming that would help."""
    name = next(iter(unknown))
    other = name.removeprefix("chr") if name.startswith("chr") else f"chr{name}"
    known = bins.chromosome_names
    listed = ", ".join(known[:4]) + (", ..." if len(known) > 4 else "")
    if other in known:
        remedy = f"pass rename={{{name!r}: {other!r}}}"
    else:
        remedy = "use the bins of the assembly of the reads, or pass rename"
    return TechnoiseError(f"chromosome {name}: none of the file has bins, which lie on {listed}; {remedy}")
