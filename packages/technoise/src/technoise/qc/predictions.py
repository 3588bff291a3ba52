"""What a model said about the bins of a run, in one file with all that judging and drawing it needs."""

from __future__ import annotations

import os
import zipfile
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from technoise.bins import Bins
from technoise.errors import TechnoiseError
from technoise.qc.signal_part import SignalPart

Values = NDArray[np.float64]

SPLITS = ("train", "dev", "test")


@dataclass(frozen=True, eq=False)
class Predictions:
    """Counts, their split and their technical distribution; row k is the same bin in every array.

    Attributes
    ----------
    bins
        The bins.
    split
        Index into :data:`SPLITS` of each bin, shape (n_bins,).
    counts, control
        Reads of the treatment (n_bins, n_replicates) and of the control (n_bins, n_controls).
    mean, size
        Of the technical distribution, shape (n_bins, n_replicates); size None for a Poisson.
    replicates
        Names of the replicates.
    chromosome_sizes
        Length of each chromosome in base pairs.
    signal
        What a mixture says of the bins that hold signal; None where there is the technical distribution alone.
    """

    bins: Bins
    split: NDArray[np.int8]
    counts: NDArray[np.int64]
    control: NDArray[np.int64]
    mean: Values
    size: Values | None
    replicates: tuple[str, ...]
    chromosome_sizes: Mapping[str, int]
    signal: SignalPart | None = None

    def __post_init__(self) -> None:
        """Raise unless the arrays belong together."""
        if self.signal is not None and self.size is None:
            raise TechnoiseError("signal on a Poisson: a mixture has a negative-binomial background; give the size")
        per_replicate = (len(self.bins), len(self.replicates))
        shapes = {
            "split": (self.split.shape, per_replicate[:1]),
            "counts": (self.counts.shape, per_replicate),
            "control": (self.control.shape[:1], per_replicate[:1]),
            "mean": (self.mean.shape, per_replicate),
            "size": (per_replicate if self.size is None else self.size.shape, per_replicate),
            "signal": (per_replicate[:1] if self.signal is None else self.signal.log_odds.shape, per_replicate[:1]),
        }
        for name, (found, wanted) in shapes.items():
            if found != wanted:
                raise TechnoiseError(
                    f"{name} of shape {found} for {len(self.bins)} bins and {len(self.replicates)} replicates: "
                    "all arrays of a prediction have the same rows; pass those of one table"
                )

    @property
    def test(self) -> NDArray[np.bool_]:
        """Which bins are held out and reported, shape (n_bins,)."""
        return np.asarray(self.split == SPLITS.index("test"))

    def subset(self, mask: NDArray[np.bool_]) -> Predictions:
        """Return the bins where a mask of shape (n_bins,) is true."""
        return Predictions(
            bins=self.bins.subset(mask),
            split=self.split[mask],
            counts=self.counts[mask],
            control=self.control[mask],
            mean=self.mean[mask],
            size=None if self.size is None else self.size[mask],
            replicates=self.replicates,
            chromosome_sizes=self.chromosome_sizes,
            signal=None if self.signal is None else self.signal.of(mask),
        )

    def save(self, path: Path) -> None:
        """Write a compressed ``.npz`` file of numbers and fixed-width text, whole or not at all; no pickle."""
        arrays = {
            "chromosome": self.bins.chromosome,
            "start": self.bins.start,
            "end": self.bins.end,
            "split": self.split,
            "counts": self.counts,
            "control": self.control,
            "mean": self.mean,
            "size": np.empty((0, 0)) if self.size is None else self.size,
            "replicates": np.asarray(self.replicates, dtype=np.str_),
            "sized_chromosomes": np.asarray(list(self.chromosome_sizes), dtype=np.str_),
            "chromosome_size_bp": np.asarray(list(self.chromosome_sizes.values()), dtype=np.int64),
        }
        if self.signal is not None:
            arrays |= self.signal.as_arrays()
        partial = path.with_name(f".{path.name}.{os.getpid()}.part")
        try:
            with partial.open("wb") as file:
                np.savez_compressed(file, allow_pickle=False, **arrays)
            partial.replace(path)
        finally:
            partial.unlink(missing_ok=True)

    @classmethod
    def load(cls, path: Path) -> Predictions:
        """Read what :meth:`save` wrote.

        Raises
        ------
        TechnoiseError
            If the file is missing, damaged, or not of this form.
        """
        try:
            # Opened here, because a damaged file would stay open where np.load opens it.
            with path.open("rb") as file, np.load(file, allow_pickle=False) as arrays:
                found = {name: arrays[name] for name in arrays.files}
            sizes = zip(found["sized_chromosomes"].tolist(), found["chromosome_size_bp"].tolist(), strict=True)
            return cls(
                bins=Bins.labelled(found["chromosome"], found["start"], found["end"]),
                split=found["split"],
                counts=found["counts"],
                control=found["control"],
                mean=found["mean"],
                size=found["size"] if found["size"].size else None,
                replicates=tuple(found["replicates"].tolist()),
                chromosome_sizes=dict(sizes),
                signal=SignalPart.from_arrays(found),
            )
        except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile, zlib.error) as error:
            raise TechnoiseError(f"{path.name}: not readable as predictions ({error}); train the run again") from error
