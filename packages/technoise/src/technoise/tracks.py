"""Values per bin as tracks for genome browsers: bedGraph and bigWig."""

from __future__ import annotations

import gzip
import os
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import IO

import numpy as np
from numpy.typing import ArrayLike

from technoise.bins import Bins, BoolArray, FloatArray
from technoise.errors import TechnoiseError

_CHUNK = 500_000  # bins that are turned into Python objects at once

# The last bytes of a whole bigWig file, as of its first (Kent et al. 2010, Bioinformatics 26, 2204-2207).
_BIGWIG_MAGIC = bytes.fromhex("26fc8f88")
# 8 bytes per random value were measured; 12 are an entry without compression, and summaries add a third.
_BIGWIG_BYTES_PER_BIN = 32
_BIGWIG_BYTES = 65_536


def write_bedgraph(path: Path, bins: Bins, values: ArrayLike) -> None:
    """Write one line per bin that has a value, in the order of the bins; compressed where the name ends in ``.gz``.

    A number is written so that reading it gives the same float64. The file appears whole or not at all.

    Parameters
    ----------
    path
        The file; an existing one is replaced.
    bins
        The bins.
    values
        Shape (n_bins,); a NaN is left out.

    Raises
    ------
    TechnoiseError
        For another shape, an infinite value, no value at all, and a folder that cannot be written.
    """
    path = Path(path)
    array, present = _finite(path, bins, values)
    with _whole(path) as aside, _opened(aside, compressed=path.suffix == ".gz") as file:
        for name, rows in bins.rows.items():
            for first in range(rows.start, rows.stop, _CHUNK):
                chunk = np.arange(first, min(first + _CHUNK, rows.stop))
                chunk = chunk[present[chunk]]
                columns = (bins.start[chunk].tolist(), bins.end[chunk].tolist(), array[chunk].tolist())
                text = "".join(
                    f"{name}\t{start}\t{end}\t{value!r}\n" for start, end, value in zip(*columns, strict=True)
                )
                file.write(text.encode("utf-8"))


def write_bigwig(path: Path, bins: Bins, values: ArrayLike, chromosome_sizes: Mapping[str, int]) -> None:
    """Write a bigWig file; its chromosomes are sorted by name, as its index needs them, and values are float32.

    The file appears whole or not at all.

    Parameters
    ----------
    path
        The file; an existing one is replaced.
    bins
        The bins.
    values
        Shape (n_bins,); a NaN is left out.
    chromosome_sizes
        Length of each chromosome in base pairs, those without bins too where browsers shall know them.

    Raises
    ------
    TechnoiseError
        For another shape, a value that is infinite or beyond float32, no value at all, a chromosome without size or
        shorter than its bins, and a folder that cannot be written.
    """
    import pyBigWig

    path = Path(path)
    array, present = _finite(path, bins, values)
    largest = float(np.abs(array[present]).max())
    if largest > float(np.finfo(np.float32).max):
        raise TechnoiseError(f"value {largest:g} for {path}: bigWig holds float32, up to 3.4e38; write a bedGraph")
    _check_sizes(bins, chromosome_sizes)
    with _whole(path) as aside:
        # On a full disk libBigWig was seen to corrupt its memory and end the process: it must not come to that.
        needed, free = _BIGWIG_BYTES + _BIGWIG_BYTES_PER_BIN * len(bins), shutil.disk_usage(aside.parent).free
        if free < needed:
            raise TechnoiseError(f"{path} may need {needed} bytes: {free} are free; free some or write elsewhere")
        file = pyBigWig.open(str(aside), "w")
        try:
            names = sorted(chromosome_sizes)
            file.addHeader([(name, int(chromosome_sizes[name])) for name in names])
            for name in names:
                rows = bins.rows.get(name, slice(0, 0))
                kept = np.flatnonzero(present[rows]) + rows.start
                for first in range(0, kept.size, _CHUNK):
                    chunk = kept[first : first + _CHUNK]
                    file.addEntries(
                        [name] * chunk.size,
                        bins.start[chunk].tolist(),
                        ends=bins.end[chunk].tolist(),
                        values=array[chunk].tolist(),
                    )
        except RuntimeError as error:
            raise TechnoiseError(f"{path} could not be written ({error}): check the free space") from None
        finally:
            file.close()
        # Closing writes the index and the summaries, and says nothing when it fails.
        if not _ends_with(aside, _BIGWIG_MAGIC):
            raise TechnoiseError(f"{path} could not be written to its end: check the free space and quota")


def _ends_with(path: Path, ending: bytes) -> bool:
    with path.open("rb") as file:
        file.seek(-len(ending), os.SEEK_END)
        return file.read() == ending


def _check_sizes(bins: Bins, chromosome_sizes: Mapping[str, int]) -> None:
    for name, rows in bins.rows.items():
        size_bp, last_bp = chromosome_sizes.get(name), int(bins.end[rows.stop - 1])
        if size_bp is None or size_bp < last_bp:
            known = "no size" if size_bp is None else f"{size_bp} bp"
            raise TechnoiseError(
                f"chromosome {name} has {known}: its bins end at {last_bp} bp; correct chromosome_sizes"
            )


def _finite(path: Path, bins: Bins, values: ArrayLike) -> tuple[FloatArray, BoolArray]:
    array = np.asarray(values, dtype=np.float64)
    if array.shape != (len(bins),):
        raise TechnoiseError(f"values of shape {array.shape} for {path}: {len(bins)} bins need ({len(bins)},)")
    bad = np.flatnonzero(np.isinf(array))
    if bad.size:
        raise TechnoiseError(
            f"value {array[bad[0]]} at {bins.name_of(int(bad[0]))} for {path}: a track has finite values; use NaN to "
            "leave a bin out"
        )
    present = ~np.isnan(array)
    if not present.any():
        raise TechnoiseError(
            f"0 of {array.size} bins have a value for {path}: a track has at least one; check the input"
        )
    return array, present


@contextmanager
def _whole(path: Path) -> Iterator[Path]:
    """Give a name in the same folder to write to, and rename it when everything went well."""
    try:
        with tempfile.TemporaryDirectory(dir=path.parent, prefix=".track-") as folder:
            yield Path(folder) / path.name
            (Path(folder) / path.name).replace(path)
    except OSError as error:
        raise TechnoiseError(f"{path} could not be written ({error}): check the folder and its free space") from None


@contextmanager
def _opened(path: Path, *, compressed: bool) -> Iterator[IO[bytes]]:
    with path.open("wb") as raw:
        if not compressed:
            yield raw
            return
        # No name and no time in the header: equal tracks are equal files. Level 9 takes more than twice as long and
        # saves half a per cent.
        with gzip.GzipFile(filename="", fileobj=raw, mode="wb", mtime=0, compresslevel=6) as file:
            yield file  # type: ignore[misc]  # a GzipFile writes bytes like any other file
