"""GC content of bins from a FASTA file: amplification favours some, in treatment and control alike."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np

from technoise.bins import Bins, FloatArray
from technoise.errors import TechnoiseError


def gc_fraction(fasta: Path, bins: Bins) -> FloatArray:
    """Return the share of G and C among the known bases of every bin, shape (n_bins,); NaN where only N is known.

    Parameters
    ----------
    fasta
        A FASTA file, indexed by ``samtools faidx`` or in a folder where the index can be written.
    bins
        Bins of the same assembly.

    Raises
    ------
    TechnoiseError
        When the file cannot be read, lacks a chromosome, or has one that is shorter than its bins.
    """
    import pysam

    shares = np.full(len(bins), math.nan)
    try:
        file = pysam.FastaFile(str(fasta))
    except (OSError, ValueError) as error:
        raise TechnoiseError(
            f"{fasta} is not readable as FASTA ({error}): pass an uncompressed or bgzip file"
        ) from None
    with file:
        for name, rows in bins.rows.items():
            if name not in file.references:
                raise TechnoiseError(
                    f"chromosome {name} is not in {fasta} ({', '.join(file.references[:5])}...): use its assembly"
                )
            sequence = np.frombuffer(file.fetch(name).upper().encode("ascii"), dtype=np.uint8)
            if int(bins.end[rows.stop - 1]) > sequence.size:
                raise TechnoiseError(
                    f"{name} of {fasta} has {sequence.size} bp: bins end at {int(bins.end[rows.stop - 1])} bp; "
                    "use the assembly that the bins were made for"
                )
            strong = np.r_[0, np.cumsum(np.isin(sequence, np.frombuffer(b"GC", dtype=np.uint8)))]
            known = np.r_[0, np.cumsum(np.isin(sequence, np.frombuffer(b"ACGT", dtype=np.uint8)))]
            start, end = bins.start[rows], bins.end[rows]
            n_known = known[end] - known[start]
            with np.errstate(invalid="ignore"):  # 0 of 0 bases is the NaN that is promised
                shares[rows] = (strong[end] - strong[start]) / n_known
    return shares
