"""Counts per bin from the files that people have: BAM, BED, bedGraph and text tables."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

from technoise.bins import Bins
from technoise.errors import TechnoiseError
from technoise.readers.bam import count_bam
from technoise.readers.bed import count_bed
from technoise.readers.bedgraph import count_bedgraph
from technoise.readers.counting import ReadCounts, ReadSettings, Tally
from technoise.readers.table import TextTable, count_table, read_table

Format = Literal["bam", "bed", "bedgraph", "table"]

_SUFFIXES: dict[str, Format] = {
    ".bam": "bam",
    ".sam": "bam",
    ".bed": "bed",
    ".bedgraph": "bedgraph",
    ".bdg": "bedgraph",
    ".bg": "bedgraph",
    ".tsv": "table",
    ".txt": "table",
    ".csv": "table",
}

__all__ = ["Format", "ReadCounts", "ReadSettings", "TextTable", "read_counts", "read_table"]


def read_counts(
    path: Path,
    bins: Bins,
    settings: ReadSettings | None = None,
    *,
    chromosome_sizes: Mapping[str, int] | None = None,
    rename: Mapping[str, str] | None = None,
    sample: str | None = None,
    file_format: Format | None = None,
) -> ReadCounts:
    """Return the reads of one sample in every bin, and what became of every record of the file.

    Parameters
    ----------
    path
        A BAM or SAM file (no index needed), or BED, bedGraph or a text table, compressed by gzip or not.
    bins
        Where to count.
    settings
        Which reads count and where; all reads at their 5' end without it. bedGraph and tables hold counts, not reads,
        and take no settings but the default.
    chromosome_sizes
        Length of each chromosome in base pairs. With it a file of another assembly is an error.
    rename
        Name of a chromosome in the file to its name in the bins, such as ``{"22": "chr22"}``.
    sample
        Column of a long table with several.
    file_format
        Overrides what the name of the file says.

    Raises
    ------
    TechnoiseError
        For a file that is missing, truncated, damaged, not of its format or of another assembly, and one of whose
        chromosomes none has bins.
    """
    path, sizes, names = Path(path), dict(chromosome_sizes or {}), dict(rename or {})
    kind = file_format or _format_of(path)
    source: dict[str, Any] = {"file": path.name, "format": kind, "rename": names}
    if sample is not None and kind != "table":
        raise TechnoiseError(f"sample {sample} of {path}: only a table holds several samples; leave it out")
    if kind in ("bam", "bed"):
        tally = Tally(bins, settings or ReadSettings(), sizes)
        (count_bam if kind == "bam" else count_bed)(path, tally, names)
        return tally.result(source)
    if settings not in (None, ReadSettings()):
        raise TechnoiseError(f"{path} is a {kind} file: its reads are counted already; leave the read settings out")
    if kind == "bedgraph":
        return count_bedgraph(path, bins, sizes, names, source)
    return count_table(path, bins, names, sample, source)


def _format_of(path: Path) -> Format:
    suffix = Path(path.name.lower().removesuffix(".gz")).suffix
    if suffix not in _SUFFIXES:
        raise TechnoiseError(
            f"{path}: nothing is known by the ending {suffix or 'none'}; use {', '.join(_SUFFIXES)} (and .gz), "
            "or pass file_format"
        )
    return _SUFFIXES[suffix]
