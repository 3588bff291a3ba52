"""Reads from BAM or SAM, by pysam; no index and no order is needed."""

from __future__ import annotations

from array import array
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from technoise.bins import Bins
from technoise.errors import TechnoiseError
from technoise.readers.counting import LOW_MAPPING_QUALITY, Reads, Tally

_BATCH = 1_000_000

# Flags of the SAM specification, section 1.4, in the order in which a record is judged.
_REVERSE = 0x10
_DUPLICATE = 0x400
_SKIPPED_FLAGS = (
    (0x4, "unmapped"),
    (0x100, "secondary"),
    (0x800, "supplementary"),
    (0x200, "failed_quality_check"),
    # A fragment counts once, by the 5' end of its first mate.
    (0x80, "second_of_pair"),
)
_MISSING_QUALITY = 255


def count_bam(path: Path, tally: Tally, rename: Mapping[str, str]) -> None:
    """Count the reads of a BAM or SAM file.

    Raises
    ------
    TechnoiseError
        When the file is missing, truncated, damaged, or its header is of another assembly than the bins.
    """
    import pysam

    if not path.is_file():
        raise TechnoiseError(f"no {path}: the file does not exist; correct the path")
    verbosity = pysam.set_verbosity(0)  # htslib writes to standard error what is raised here anyway
    try:
        with pysam.AlignmentFile(str(path), check_sq=False) as file:
            names = tuple(rename.get(name, name) for name in file.references)
            lengths = dict(zip(names, file.lengths, strict=True))
            _check_assembly(path, lengths, tally.bins, tally.chromosome_sizes)
            tally.chromosome_sizes = {**lengths, **tally.chromosome_sizes}
            for reads in _batches(file, names, tally):
                tally.add(reads)
    except (OSError, ValueError) as error:
        raise TechnoiseError(
            f"{path} is not readable as BAM ({str(error).splitlines()[0]}): it is truncated or damaged; copy it again"
        ) from None
    finally:
        pysam.set_verbosity(verbosity)


def _check_assembly(path: Path, lengths: Mapping[str, int], bins: Bins, sizes: Mapping[str, int]) -> None:
    for name, rows in bins.rows.items():
        length_bp = lengths.get(name)
        if length_bp is None:
            continue
        expected_bp = sizes.get(name)
        last_bp = int(bins.end[rows.stop - 1])
        if (expected_bp is not None and length_bp != expected_bp) or length_bp < last_bp:
            needed = f"{name} has {expected_bp} bp" if expected_bp is not None else f"its bins end at {last_bp} bp"
            raise TechnoiseError(
                f"{name} of {path} has {length_bp} bp: {needed}; the reads are of another assembly, use its sizes"
            )


def _batches(file: Any, names: tuple[str, ...], tally: Tally) -> Iterator[Reads]:
    skipped_flags = _SKIPPED_FLAGS if tally.settings.keep_duplicates else (*_SKIPPED_FLAGS, (_DUPLICATE, "duplicate"))
    any_skipped = sum(flag for flag, _ in skipped_flags)
    min_quality = tally.settings.min_mapping_quality
    code, start, end, strand = array("q"), array("q"), array("q"), array("b")
    for record in file.fetch(until_eof=True):
        flag = record.flag
        if flag & any_skipped:
            tally.skip(next(reason for bit, reason in skipped_flags if flag & bit))
            continue
        if min_quality:
            quality = record.mapping_quality
            if quality < min_quality or quality == _MISSING_QUALITY:
                tally.skip(LOW_MAPPING_QUALITY)
                continue
        left = record.reference_start
        # Only a reverse read needs its CIGAR for the 5' end; a middle is taken of reads without strand, not here.
        right = record.reference_end if flag & _REVERSE else left + 1
        reference = record.reference_id
        if right is None or right <= left or left < 0 or reference < 0:
            tally.skip("no_aligned_base")
            continue
        code.append(reference)
        start.append(left)
        end.append(right)
        strand.append(-1 if flag & _REVERSE else 1)
        if len(code) == _BATCH:
            yield _reads(names, code, start, end, strand)
            code, start, end, strand = array("q"), array("q"), array("q"), array("b")
    if code:
        yield _reads(names, code, start, end, strand)


def _reads(names: tuple[str, ...], code: array[int], start: array[int], end: array[int], strand: array[int]) -> Reads:
    return Reads(
        names,
        code=np.frombuffer(code, dtype=np.int64),
        start=np.frombuffer(start, dtype=np.int64),
        end=np.frombuffer(end, dtype=np.int64),
        strand=np.frombuffer(strand, dtype=np.int8),
    )
