"""From reads to what a model sees: counts in bins, covariates, log depths, and which bins are train, dev and test."""

from __future__ import annotations

import hashlib
import logging
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, model_validator

import technoise
from greenlight.errors import GreenlightError
from greenlight.harness.run_folder import fingerprint
from greenlight.harness.sections import Section
from technoise.bins import Bins
from technoise.counts import CountTable
from technoise.covariates import Covariates
from technoise.gc_content import gc_fraction
from technoise.mask import joint_mask
from technoise.qc.predictions import SPLITS, Predictions
from technoise.qc.signal_part import SignalPart
from technoise.readers import ReadSettings, read_counts, read_table
from technoise.readers.intervals import read_intervals
from technoise.simulator import BiasTerm, SimulatorSettings, simulate

log = logging.getLogger("chipseq")

CACHE = Path(__file__).resolve().parents[1] / ".cache"
BESIDE = "beside.npz"

Rows = NDArray[np.int64]
Values = NDArray[np.float64]
SplitName = Literal["train", "dev", "test"]


class Bias(Section):
    """One smooth source of bias: change of the log mean per standard deviation, and its length."""

    coefficient: float
    length_bp: int = Field(ge=1)


class Simulator(Section):
    """What is simulated; see :class:`technoise.simulator.SimulatorSettings`."""

    seed: int = Field(ge=0)
    chromosome_sizes: dict[str, int] = Field(min_length=1)
    treatment_reads: tuple[float, ...] = Field(min_length=1)
    control_reads: tuple[float, ...] = Field(min_length=1)
    bias: dict[str, Bias]
    log_size_intercept: float
    log_size_slope: float
    enriched_fraction: float
    enriched_length_bins: float
    fold_median: float
    fold_log_sd: float

    def settings(self, width_bp: int) -> SimulatorSettings:
        """Return the simulator's own settings."""
        values = self.model_dump(exclude={"seed", "bias"})
        terms = {name: BiasTerm(term.coefficient, term.length_bp) for name, term in self.bias.items()}
        return SimulatorSettings(width_bp=width_bp, bias=terms, **values)


class Split(Section):
    """Which bins are trained on, developed on and reported: by chromosome, or by blocks where there is only one.

    By block, the blocks of `block_bp` of each chromosome go in turn to the splits that `block_cycle` names.
    """

    by: Literal["chromosome", "block"]
    train: tuple[str, ...]
    dev: tuple[str, ...]
    test: tuple[str, ...]
    block_bp: int | None = Field(ge=1)
    block_cycle: tuple[SplitName, ...]

    @model_validator(mode="after")
    def _disjoint(self) -> Split:
        if self.by == "block":
            if self.block_bp is None or set(self.block_cycle) != set(SPLITS):
                raise ValueError("split by block needs block_bp and a block_cycle that names train, dev and test")
            return self
        for name in SPLITS:
            if not getattr(self, name):
                raise ValueError(f"{name}: names no chromosome; a split by chromosome names at least one for each")
        named = [*self.train, *self.dev, *self.test]
        if twice := sorted({name for name in named if named.count(name) > 1}):
            raise ValueError(f"chromosome {twice[0]}: is named twice; a chromosome is in one split")
        return self

    def of(self, bins: Bins) -> dict[str, NDArray[np.bool_]]:
        """Return which bins are in each split, by its name; each of shape (n_bins,)."""
        if self.by == "chromosome":
            return {name: bins.on(getattr(self, name)) for name in SPLITS}
        assert self.block_bp is not None
        turn = (bins.start // self.block_bp) % len(self.block_cycle)
        turns = np.asarray(self.block_cycle)[turn]
        return {name: np.asarray(turns == name) for name in SPLITS}


class Files(Section):
    """Real reads: BAM, BED, bedGraph or count tables, one file per sample; see :mod:`technoise.readers`.

    Without `chromosome_sizes` the samples are wide count tables, whose rows then are the chromosomes.
    """

    treatment: tuple[Path, ...]
    control: tuple[Path, ...]
    chromosome_sizes: Path | None
    blacklist: Path | None
    fasta: Path | None
    rename: dict[str, str]
    fragment_length_bp: int | None = Field(ge=1)
    min_mapping_quality: int = Field(ge=0, le=254)
    keep_duplicates: bool
    unstranded_at_middle: bool
    unmappable_run_bins: int | None = Field(ge=1)

    @property
    def paths(self) -> tuple[Path, ...]:
        """Every file that is read."""
        others = (self.chromosome_sizes, self.blacklist, self.fasta)
        return (*self.treatment, *self.control, *(path for path in others if path is not None))

    def settings(self) -> ReadSettings:
        """Return how reads are counted."""
        names = ("min_mapping_quality", "keep_duplicates", "fragment_length_bp", "unstranded_at_middle")
        return ReadSettings(**{name: getattr(self, name) for name in names})


class Dataset(Section):
    """Where the counts come from, their bins, and how they are split."""

    source: Literal["simulator", "files"]
    genome: str = Field(min_length=1)
    bin_width_bp: int = Field(ge=1)
    control_windows_bins: tuple[int, ...] = Field(min_length=1)
    split: Split
    simulator: Simulator
    files: Files

    @model_validator(mode="after")
    def _has_samples(self) -> Dataset:
        if self.source == "files" and not (self.files.treatment and self.files.control):
            raise ValueError("source files needs files.treatment and files.control: name one file per sample")
        return self


@dataclass(frozen=True, eq=False)
class Data:
    """Everything that training and evaluation see; row k is the same bin in every array.

    Attributes
    ----------
    table
        Counts of all bins that the joint mask left, whatever their split.
    covariates
        Standardised by the training bins, shape (n_bins, n_covariates).
    fitted
        What the covariates were standardised with, and their names.
    offsets
        Log depth of each replicate, from the training bins, shape (n_replicates,).
    rows
        Indices of the bins of each split, ascending.
    truth
        What the simulator knows, each of shape (n_bins, n_replicates) or (n_bins,); empty for real data.
    """

    table: CountTable
    covariates: Values
    fitted: Covariates
    offsets: Values
    rows: Mapping[str, Rows]
    truth: Mapping[str, NDArray[Any]]

    @property
    def treatment(self) -> NDArray[np.int64]:
        """Treatment reads, shape (n_bins, n_replicates)."""
        return self.table.treatment


def load(section: Dataset, max_bins: int | None = None) -> Data:
    """Return the data of a run, from the cache where the same settings were preprocessed before by the same code.

    Parameters
    ----------
    section
        The run's data set.
    max_bins
        Only that many bins of the development split and of the test split, from their start on; None means all.

    Raises
    ------
    TechnoiseError, GreenlightError
        If a file cannot be read, or a split has no bin.
    """
    folder = CACHE / f"{section.source}-{_fingerprint(section)}"
    if not folder.is_dir():
        _count(section, folder)
    table = CountTable.load(folder)
    with np.load(folder / BESIDE, allow_pickle=False) as arrays:
        beside = {name: arrays[name] for name in arrays.files}
    log.info("%d bins of %s in %s", table.n_bins, table.genome, folder)
    rows = {}
    for name, chosen in section.split.of(table.bins).items():
        found = np.flatnonzero(chosen)
        rows[name] = found if name == "train" else found[:max_bins]
        if not len(found):
            raise GreenlightError(f"dataset.split.{name}: no bin of it is left; name other chromosomes or blocks")
    training = np.zeros(table.n_bins, dtype=np.bool_)
    training[rows["train"]] = True
    extra = {name: beside.pop(name) for name in ("gc",) if name in beside}
    fitted = Covariates.fit(table, training, windows_bins=section.control_windows_bins, extra=extra)
    return Data(table, fitted.transform(table, extra=extra), fitted, fitted.offsets(table), rows, beside)


def batches(rows: Rows, batch_bins: int, *, seed: int, epoch: int) -> Sequence[Rows]:
    """Return the training bins of an epoch in random order, in batches of nearly equal length.

    The order depends on seed and epoch alone, so that a resumed run continues where it was.
    """
    order = np.random.default_rng([seed, epoch]).permutation(rows)
    return np.array_split(order, max(1, round(len(rows) / batch_bins)))


@dataclass(frozen=True, eq=False)
class Step:
    """The bins of one optimiser step, and where the next one begins."""

    rows: Rows
    next_epoch: int
    next_batch: int


def steps(rows: Rows, batch_bins: int, *, seed: int, start: tuple[int, int], epochs: int | None) -> Iterator[Step]:
    """Yield the steps from a position (epoch, batch) on, for ever or until so many epochs are done."""
    epoch, first = start
    while epochs is None or epoch < epochs:
        parts = batches(rows, batch_bins, seed=seed, epoch=epoch)
        for index in range(first, len(parts)):
            last = index == len(parts) - 1
            yield Step(parts[index], epoch + last, 0 if last else index + 1)
        epoch, first = epoch + 1, 0


def _code() -> str:
    """Return a hash of the code that counts: this file, technoise, and the version of NumPy, by which is simulated."""
    digest = hashlib.sha256(np.__version__.encode())
    for path in (Path(__file__), *sorted(Path(technoise.__file__).parent.rglob("*.py"))):
        digest.update(path.read_bytes())
    return digest.hexdigest()


def _fingerprint(section: Dataset) -> str:
    """Return a name for what is counted: equal for equal settings, unchanged files and unchanged code."""
    settings: dict[str, Any] = {"bin_width_bp": section.bin_width_bp, "genome": section.genome, "code": _code()}
    if section.source == "simulator":
        return fingerprint(settings | section.simulator.model_dump(mode="json"))
    stamps = {}
    for path in section.files.paths:
        try:
            found = path.stat()
        except OSError as error:
            raise GreenlightError(f"{path}: cannot be read ({error.strerror}); correct dataset.files") from error
        stamps[str(path.resolve())] = [found.st_size, found.st_mtime_ns]
    return fingerprint(settings | section.files.model_dump(mode="json") | {"stamps": stamps})


def _count(section: Dataset, folder: Path) -> None:
    """Count, and leave the table with its manifest and the arrays beside it in a folder, which appears whole.

    Of two runs that start at once both count, and the folder of the first one stays as the other may be reading it.
    """
    log.info("counting: %s", section.source)
    beside: dict[str, NDArray[Any]]
    if section.source == "simulator":
        simulation = simulate(section.simulator.settings(section.bin_width_bp), section.simulator.seed)
        table, truth = simulation.table, simulation.truth
        beside = {
            "technical_mean": truth.technical_mean,
            "technical_size": truth.size,
            "enriched": truth.enriched,
        }
    else:
        table, beside = _read(section)
    CACHE.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=CACHE, prefix=".counting-") as aside:
        made = Path(aside) / folder.name
        table.save(made)
        with (made / BESIDE).open("wb") as file:
            np.savez_compressed(file, allow_pickle=False, **beside)
        try:
            made.rename(folder)
        except OSError:
            if not folder.is_dir():  # no other run was first
                raise


def _read(section: Dataset) -> tuple[CountTable, dict[str, NDArray[Any]]]:
    files, settings = section.files, section.files.settings()
    sizes = _sizes_of_table(files) if files.chromosome_sizes is None else _sizes(files.chromosome_sizes)
    bins = Bins.tiled(sizes, section.bin_width_bp)
    samples = {
        f"{kind}_{number}": read_counts(path, bins, settings, chromosome_sizes=sizes, rename=files.rename)
        for kind, paths in (("treatment", files.treatment), ("control", files.control))
        for number, path in enumerate(paths, start=1)
    }
    names = {kind: tuple(name for name in samples if name.startswith(kind)) for kind in ("treatment", "control")}
    whole = CountTable(
        bins=bins,
        treatment=np.column_stack([samples[name].counts for name in names["treatment"]]),
        control=np.column_stack([samples[name].counts for name in names["control"]]),
        treatment_names=names["treatment"],
        control_names=names["control"],
        genome=section.genome,
        chromosome_sizes=sizes,
    )
    gc = None if files.fasta is None else gc_fraction(files.fasta, bins)
    mask = joint_mask(
        whole,
        blacklist=None if files.blacklist is None else read_intervals(files.blacklist, rename=files.rename),
        unmappable_run_bins=files.unmappable_run_bins,
        exclude=None if gc is None else {"unknown_bases": np.isnan(gc)},
    )
    account = {name: sample.provenance() for name, sample in samples.items()}
    for name, sample in account.items():
        log.info("%s: %d of %d records counted, skipped %s", name, sample["n_counted"], sample["n_records"],
                 sample["skipped"])  # fmt: skip
    table = replace(whole, provenance={"samples": account, "bins_dropped": dict(mask.dropped)}).subset(mask.kept)
    return table, {} if gc is None else {"gc": gc[mask.kept]}


def _sizes(path: Path) -> dict[str, int]:
    """Return the chromosome sizes of a two-column text file, such as ``hg38.chrom.sizes`` or a ``.fai``."""
    sizes: dict[str, int] = {}
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1):
        fields = line.split()
        if not fields or line.startswith("#"):
            continue
        if len(fields) < 2 or not fields[1].isdigit():
            raise GreenlightError(f"{path} line {number}: {line!r}; a line is a chromosome and its base pairs")
        sizes[fields[0]] = int(fields[1])
    return sizes


def _sizes_of_table(files: Files) -> dict[str, int]:
    bins = read_table(files.treatment[0]).bins
    return {name: int(bins.end[rows.stop - 1]) for name, rows in bins.rows.items()}


def predictions(
    data: Data, mean: Values, size: Values | None, signal: SignalPart | None = None, *, only_test: bool
) -> Predictions:
    """Return what a model says about the bins of a run together with their counts.

    Parameters
    ----------
    data
        The run's data.
    mean, size
        Technical mean and size of all bins, shape (n_bins, n_replicates); size None for a Poisson.
    signal
        Of a mixture, for all bins.
    only_test
        Keep the test bins alone, which suffices for metrics and not for tracks of the whole genome.
    """
    split = np.full(data.table.n_bins, -1, dtype=np.int8)
    for code, name in enumerate(SPLITS):
        split[data.rows[name]] = code
    table = data.table
    everything = Predictions(
        bins=table.bins,
        split=split,
        counts=table.treatment,
        control=table.control,
        mean=mean,
        size=size,
        replicates=table.treatment_names,
        chromosome_sizes=table.chromosome_sizes,
        signal=signal,
    )
    return everything.subset(everything.test if only_test else split >= 0)
