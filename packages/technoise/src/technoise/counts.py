"""The count table: reads per bin and sample of one experiment, with all that is needed to understand the numbers."""

from __future__ import annotations

import hashlib
import json
import platform
import tempfile
import zipfile
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from technoise.bins import Bins, BoolArray, IntArray
from technoise.errors import TechnoiseError

FORMAT_VERSION = 1
ARRAYS = "arrays.npz"
MANIFEST = "manifest.json"
_ARRAY_NAMES = ("code", "start", "end", "treatment", "control")
_LIBRARIES = ("technoise", "numpy", "pysam")


def _as_counts(values: object, n_bins: int, names: Sequence[str], what: str) -> IntArray:
    array = np.asarray(values)
    if array.shape != (n_bins, len(names)):
        raise TechnoiseError(
            f"{what} counts of shape {array.shape}: {n_bins} bins and {len(names)} names "
            f"need ({n_bins}, {len(names)}); pass one column per sample"
        )
    if array.dtype.kind not in "iu":
        raise TechnoiseError(f"{what} counts of type {array.dtype}: reads are whole numbers; pass integers, unscaled")
    if array.size and int(array.min()) < 0:
        raise TechnoiseError(f"{what} counts with {int(array.min())}: a bin has zero or more reads; check the input")
    copy = array.astype(np.int64)
    copy.setflags(write=False)
    return copy


@dataclass(frozen=True, eq=False)
class CountTable:
    """Reads per bin in every treatment and control sample; row k is the same bin in all of them.

    Attributes
    ----------
    bins
        The rows.
    treatment
        Reads, int64, shape (n_bins, n_replicates).
    control
        Reads, int64, shape (n_bins, n_controls); ``n_controls`` may be 0.
    treatment_names, control_names
        The samples, one name per column, all different.
    genome
        The assembly, such as ``hg38``.
    chromosome_sizes
        Length of each chromosome in base pairs; at least those of the bins.
    provenance
        What was read and skipped, and how: anything that JSON can hold.
    """

    bins: Bins
    treatment: IntArray
    control: IntArray
    treatment_names: tuple[str, ...]
    control_names: tuple[str, ...]
    genome: str
    chromosome_sizes: Mapping[str, int]
    provenance: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        object.__setattr__(self, "treatment_names", tuple(self.treatment_names))
        object.__setattr__(self, "control_names", tuple(self.control_names))
        object.__setattr__(self, "chromosome_sizes", {str(k): int(v) for k, v in self.chromosome_sizes.items()})
        names = self.treatment_names + self.control_names
        if len(set(names)) != len(names):
            raise TechnoiseError(f"sample names {list(names)}: each sample has its own name; rename the repeated one")
        if not self.treatment_names:
            raise TechnoiseError("no treatment sample: a table has at least one replicate; pass its counts and name")
        n_bins = len(self.bins)
        object.__setattr__(self, "treatment", _as_counts(self.treatment, n_bins, self.treatment_names, "treatment"))
        object.__setattr__(self, "control", _as_counts(self.control, n_bins, self.control_names, "control"))
        for name, rows in self.bins.rows.items():
            last_bp, size_bp = int(self.bins.end[rows.stop - 1]), self.chromosome_sizes.get(name)
            if size_bp is None:
                raise TechnoiseError(f"chromosome {name}: it has bins but no size; add it to chromosome_sizes")
            if last_bp > size_bp:
                raise TechnoiseError(
                    f"a bin of {name} ends at {last_bp} bp: {name} of {self.genome} has {size_bp} bp; "
                    "use the sizes of the assembly that the bins were made for"
                )

    @property
    def n_bins(self) -> int:
        """Number of bins."""
        return len(self.bins)

    @property
    def treatment_depths(self) -> IntArray:
        """Reads in the bins of this table per replicate, shape (n_replicates,)."""
        return np.asarray(self.treatment.sum(axis=0), dtype=np.int64)

    @property
    def control_depths(self) -> IntArray:
        """Reads in the bins of this table per control, shape (n_controls,)."""
        return np.asarray(self.control.sum(axis=0), dtype=np.int64)

    def subset(self, mask: BoolArray) -> CountTable:
        """Return the table of the bins where a mask of shape (n_bins,) is true, the same bins in every sample."""
        chosen = self.bins.check_mask(mask)
        return replace(
            self, bins=self.bins.subset(chosen), treatment=self.treatment[chosen], control=self.control[chosen]
        )

    # -- on disk -----------------------------------------------------------------------------------------------

    def save(self, folder: Path) -> None:
        """Write the arrays (``arrays.npz``) and what they mean (``manifest.json``) into a folder.

        Each file is written aside and renamed, the manifest last, so that a folder holds a whole table, or one that
        :meth:`load` refuses.
        """
        folder = Path(folder)
        folder.mkdir(parents=True, exist_ok=True)
        arrays = {
            "code": self.bins.code,
            "start": self.bins.start,
            "end": self.bins.end,
            "treatment": self.treatment,
            "control": self.control,
        }
        manifest = {
            "format": "technoise count table",
            "format_version": FORMAT_VERSION,
            "units": {"treatment": "reads per bin", "control": "reads per bin", "start": "bp", "end": "bp"},
            "coordinates": "0-based, half-open",
            "genome": self.genome,
            "chromosome_sizes_bp": dict(self.chromosome_sizes),
            "chromosomes": list(self.bins.chromosome_names),
            "bin_width_bp": self.bins.width_bp,
            "n_bins": self.n_bins,
            "treatment": {"names": list(self.treatment_names), "depth_reads": self.treatment_depths.tolist()},
            "control": {"names": list(self.control_names), "depth_reads": self.control_depths.tolist()},
            "provenance": dict(self.provenance),
            "libraries": _library_versions(),
            "sha256": {name: _sha256(array) for name, array in arrays.items()},
        }
        try:
            text = json.dumps(manifest, indent=2, allow_nan=False) + "\n"
        except (TypeError, ValueError) as error:
            raise TechnoiseError(
                f"provenance that JSON cannot hold ({error}): use texts, finite numbers, lists and dicts"
            ) from None
        with tempfile.TemporaryDirectory(dir=folder, prefix=".table-") as aside:
            with (Path(aside) / ARRAYS).open("wb") as file:
                np.savez_compressed(file, allow_pickle=False, **arrays)
            (Path(aside) / MANIFEST).write_text(text, encoding="utf-8")
            for name in (ARRAYS, MANIFEST):
                (Path(aside) / name).replace(folder / name)

    @classmethod
    def load(cls, folder: Path) -> CountTable:
        """Read a table that :meth:`save` wrote, and check every array against its SHA-256.

        Raises
        ------
        TechnoiseError
            When a file is missing or not readable, has another format version, or an array was changed.
        """
        folder = Path(folder)
        manifest = _read_manifest(folder / MANIFEST)
        arrays = _read_arrays(folder / ARRAYS)
        try:
            for name in _ARRAY_NAMES:
                if manifest["sha256"][name] != _sha256(arrays[name]):
                    raise TechnoiseError(
                        f"array {name} of {folder / ARRAYS}: its SHA-256 is not that of the manifest; "
                        "preprocess again, the file was changed or belongs to another table"
                    )
            bins = Bins(arrays["code"], arrays["start"], arrays["end"], tuple(manifest["chromosomes"]))
            return cls(
                bins=bins,
                treatment=arrays["treatment"],
                control=arrays["control"],
                treatment_names=tuple(manifest["treatment"]["names"]),
                control_names=tuple(manifest["control"]["names"]),
                genome=manifest["genome"],
                chromosome_sizes=manifest["chromosome_sizes_bp"],
                provenance=manifest["provenance"],
            )
        except (KeyError, TypeError, AttributeError) as error:
            raise TechnoiseError(f"{folder / MANIFEST} lacks or garbles {error}: preprocess again") from None


def _sha256(array: NDArray[Any]) -> str:
    digest = hashlib.sha256(f"{array.dtype.str} {array.shape}\n".encode())
    digest.update(np.ascontiguousarray(array).data)
    return digest.hexdigest()


def _library_versions() -> dict[str, str | None]:
    versions: dict[str, str | None] = {"python": platform.python_version()}
    for name in _LIBRARIES:
        try:
            versions[name] = version(name)
        except PackageNotFoundError:
            versions[name] = None
    return versions


def _read_manifest(path: Path) -> dict[str, Any]:
    try:
        manifest = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise TechnoiseError(f"no {path}: a count table has a manifest; preprocess first") from None
    except (OSError, ValueError) as error:
        raise TechnoiseError(f"{path} is not readable as JSON ({error}): preprocess again") from None
    found = manifest.get("format_version") if isinstance(manifest, dict) else None
    if found != FORMAT_VERSION:
        raise TechnoiseError(
            f"{path} has format version {found}: this library reads {FORMAT_VERSION}; preprocess again"
        )
    return dict(manifest)


def _read_arrays(path: Path) -> dict[str, NDArray[Any]]:
    try:
        # numpy leaves a damaged archive open when it opens the file itself.
        with path.open("rb") as raw, np.load(raw, allow_pickle=False) as file:
            return {name: file[name] for name in _ARRAY_NAMES}
    except FileNotFoundError:
        raise TechnoiseError(f"no {path}: a count table has arrays beside its manifest; preprocess first") from None
    except (OSError, ValueError, TypeError, KeyError, EOFError, zipfile.BadZipFile, zlib.error) as error:
        raise TechnoiseError(f"{path} is not readable ({error}): it is damaged; preprocess again") from None
