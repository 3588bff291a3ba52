"""ChIP-seq counts with known truth: depth, bias shared by treatment and control, dispersion, and enriched regions."""

from __future__ import annotations

import gzip
import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path

import numpy as np

from technoise.bins import Bins, BoolArray, FloatArray, IntArray, check_positive
from technoise.counts import CountTable
from technoise.errors import TechnoiseError


@dataclass(frozen=True)
class BiasTerm:
    """One smooth source of technical bias.

    Attributes
    ----------
    coefficient
        Change of the log mean per standard deviation of the term.
    length_bp
        Standard deviation, in base pairs, of the Gaussian that smooths white noise into the term.
    """

    coefficient: float
    length_bp: int


def _default_bias() -> dict[str, BiasTerm]:
    return {"gc": BiasTerm(0.35, 1_000), "openness": BiasTerm(0.45, 20_000)}


@dataclass(frozen=True)
class SimulatorSettings:
    """What is simulated.

    Attributes
    ----------
    chromosome_sizes
        Length of each chromosome in base pairs.
    width_bp
        Width of a bin.
    treatment_reads, control_reads
        Expected reads per sample without enrichment, one number per replicate and per control.
    bias
        Name to term; the same terms and coefficients act on treatment and control.
    log_size_intercept, log_size_slope
        The negative binomial size of a bin is ``exp(intercept + slope * log mean)``, the mean being the technical one:
        variance ``mean + mean**2 / size``.
    enriched_fraction
        Expected share of bins inside enriched regions, in [0, 1).
    enriched_length_bins
        Mean length of a region; lengths are geometric.
    fold_median, fold_log_sd
        Median and standard deviation of the log of the fold by which a region multiplies the treatment mean;
        the folds are log-normal and at least 1.
    read_length_bp
        Of the reads that :func:`write_bed` and :func:`write_bam` write.
    """

    chromosome_sizes: Mapping[str, int] = field(
        default_factory=lambda: {"chr1": 800_000, "chr2": 600_000, "chr3": 500_000, "chr4": 400_000}
    )
    width_bp: int = 200
    treatment_reads: tuple[float, ...] = (90_000.0, 60_000.0)
    control_reads: tuple[float, ...] = (70_000.0, 45_000.0)
    bias: Mapping[str, BiasTerm] = field(default_factory=_default_bias)
    log_size_intercept: float = 0.7
    log_size_slope: float = 0.6
    enriched_fraction: float = 0.04
    enriched_length_bins: float = 5.0
    fold_median: float = 6.0
    fold_log_sd: float = 0.4
    read_length_bp: int = 50

    def __post_init__(self) -> None:
        check_positive("read length", self.read_length_bp, "bp")
        for what, samples in (("treatment", self.treatment_reads), ("control", self.control_reads)):
            if not samples or not all(math.isfinite(reads) and reads > 0 for reads in samples):
                raise TechnoiseError(f"{what}_reads of {samples}: one positive number per sample; give at least one")
        if not 0 <= self.enriched_fraction < 1:
            raise TechnoiseError(f"enriched_fraction of {self.enriched_fraction}: it is at least 0 and below 1")
        if not self.enriched_length_bins >= 1:
            raise TechnoiseError(f"enriched_length_bins of {self.enriched_length_bins}: a region has 1 bin or more")
        if not self.fold_median >= 1 or not self.fold_log_sd >= 0:
            raise TechnoiseError(
                f"fold_median of {self.fold_median} and fold_log_sd of {self.fold_log_sd}: use at least 1 and 0"
            )
        for name, term in self.bias.items():
            check_positive(f"length of bias {name}", term.length_bp, "bp")


@dataclass(frozen=True, eq=False)
class Truth:
    """What produced the counts.

    Attributes
    ----------
    technical_mean
        Expected reads without enrichment, shape (n_bins, n_replicates).
    size
        Negative binomial size of the treatment counts, shape (n_bins, n_replicates).
    control_mean, control_size
        The same of the controls, shape (n_bins, n_controls).
    enriched
        Which bins hold signal, shape (n_bins,).
    fold
        Expected treatment count over the technical mean, shape (n_bins,): 1 where nothing is enriched.
    bias_terms
        The terms, each with mean 0 and standard deviation 1 over all bins, shape (n_bins, n_terms).
    bias_coefficients
        Name of each column of ``bias_terms`` to its coefficient.
    """

    technical_mean: FloatArray
    size: FloatArray
    control_mean: FloatArray
    control_size: FloatArray
    enriched: BoolArray
    fold: FloatArray
    bias_terms: FloatArray
    bias_coefficients: Mapping[str, float]


@dataclass(frozen=True, eq=False)
class Simulation:
    """Counts, what produced them, and how to produce them again."""

    table: CountTable
    truth: Truth
    settings: SimulatorSettings
    seed: int


def simulate(settings: SimulatorSettings | None = None, seed: int = 0) -> Simulation:
    """Return counts drawn from a negative binomial with known mean and size.

    A treatment count is negative binomial with mean ``technical_mean * fold`` and ``size``; a control count has no
    fold. The technical mean of a sample is its reads times the bin's share of ``exp(bias)``.

    Parameters
    ----------
    settings
        What to simulate; the defaults without them.
    seed
        The same seed and settings give the same counts.
    """
    settings = settings or SimulatorSettings()
    rng = np.random.default_rng(seed)
    bins = Bins.tiled(settings.chromosome_sizes, settings.width_bp)
    terms = np.column_stack(
        [_smooth_noise(bins, term.length_bp / settings.width_bp, rng) for term in settings.bias.values()]
        or [np.empty((len(bins), 0))]
    )
    coefficients = {name: float(term.coefficient) for name, term in settings.bias.items()}
    bias = np.exp(terms @ np.asarray(list(coefficients.values()), dtype=np.float64))
    weight = bias * (bins.end - bins.start)  # the bin at the end of a chromosome may be shorter
    share = weight / weight.sum()
    technical, control = (np.outer(share, reads) for reads in (settings.treatment_reads, settings.control_reads))
    fold = _folds(bins, settings, rng)
    size, control_size = (
        np.exp(settings.log_size_intercept + settings.log_size_slope * np.log(mean)) for mean in (technical, control)
    )
    table = CountTable(
        bins=bins,
        treatment=_draw(technical * fold[:, None], size, rng),
        control=_draw(control, control_size, rng),
        treatment_names=tuple(f"treatment_{i + 1}" for i in range(technical.shape[1])),
        control_names=tuple(f"control_{i + 1}" for i in range(control.shape[1])),
        genome="simulated",
        chromosome_sizes=settings.chromosome_sizes,
        provenance={"simulator": {**asdict(settings), "seed": seed}},
    )
    truth = Truth(technical, size, control, control_size, fold > 1, fold, terms, coefficients)
    return Simulation(table, truth, settings, seed)


def _smooth_noise(bins: Bins, length_bins: float, rng: np.random.Generator) -> FloatArray:
    from scipy.ndimage import gaussian_filter1d

    noise = rng.standard_normal(len(bins))
    for rows in bins.rows.values():
        noise[rows] = gaussian_filter1d(noise[rows], length_bins, mode="reflect")
    spread = noise.std()
    if spread == 0:
        raise TechnoiseError(f"bias over {len(bins)} bins does not vary: simulate more than one bin")
    return np.asarray((noise - noise.mean()) / spread, dtype=np.float64)


def _folds(bins: Bins, settings: SimulatorSettings, rng: np.random.Generator) -> FloatArray:
    fold = np.ones(len(bins))
    # A region may run off its chromosome, or meet another, whose larger fold wins: slightly fewer bins than asked.
    starts = np.flatnonzero(rng.random(len(bins)) < settings.enriched_fraction / settings.enriched_length_bins)
    lengths = rng.geometric(1 / settings.enriched_length_bins, size=starts.size)
    folds = np.maximum(settings.fold_median * np.exp(settings.fold_log_sd * rng.standard_normal(starts.size)), 1.0)
    ends = np.asarray([rows.stop for rows in bins.rows.values()])[bins.code[starts]]
    for start, end, height in zip(starts, np.minimum(starts + lengths, ends), folds, strict=True):
        np.maximum(fold[start:end], height, out=fold[start:end])
    return fold


def _draw(mean: FloatArray, size: FloatArray, rng: np.random.Generator) -> IntArray:
    # A Poisson whose rate is gamma with shape `size` and mean `mean`: the definition, with no probability to invert.
    return rng.poisson(rng.gamma(size, mean / size)).astype(np.int64)


# -- reads -----------------------------------------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class _Reads:
    code: IntArray
    start: IntArray
    end: IntArray
    reverse: BoolArray


def _reads(simulation: Simulation, sample: str) -> _Reads:
    table, length_bp = simulation.table, simulation.settings.read_length_bp
    names = table.treatment_names + table.control_names
    if sample not in names:
        raise TechnoiseError(f"sample {sample}: the simulation has {', '.join(names)}; name one of these")
    counts = np.column_stack([table.treatment, table.control])[:, names.index(sample)]
    rng = np.random.default_rng([simulation.seed, names.index(sample)])
    bins, row = table.bins, np.repeat(np.arange(table.n_bins), counts)
    width = bins.end[row] - bins.start[row]
    five_prime = bins.start[row] + np.floor(rng.random(row.size) * width).astype(np.int64)
    reverse = rng.random(row.size) < 0.5
    size_bp = np.asarray([table.chromosome_sizes[name] for name in bins.chromosome_names], dtype=np.int64)
    # Reads are clipped at the ends of chromosomes, never moved: the 5' end stays in its bin.
    start = np.where(reverse, np.maximum(five_prime + 1 - length_bp, 0), five_prime)
    end = np.where(reverse, five_prime + 1, np.minimum(five_prime + length_bp, size_bp[bins.code[row]]))
    order = np.lexsort((start, bins.code[row]))
    return _Reads(bins.code[row][order], start[order], end[order], reverse[order])


def write_bed(simulation: Simulation, sample: str, path: Path) -> None:
    """Write the reads of a sample as sorted six-column BED, compressed where the name ends in ``.gz``.

    Counting their 5' ends in the bins of the simulation gives its counts again.
    """
    reads, names = _reads(simulation, sample), simulation.table.bins.chromosome_names
    lines = [
        f"{names[code]}\t{start}\t{end}\t.\t0\t{'-' if reverse else '+'}\n"
        for code, start, end, reverse in zip(
            reads.code.tolist(), reads.start.tolist(), reads.end.tolist(), reads.reverse.tolist(), strict=True
        )
    ]
    data = "".join(lines).encode("ascii")
    # A fixed time in the header: equal simulations give equal files.
    Path(path).write_bytes(gzip.compress(data, mtime=0) if Path(path).suffix == ".gz" else data)


def write_bam(simulation: Simulation, sample: str, path: Path, *, index: bool = True) -> None:
    """Write the reads of a sample as a BAM file sorted by coordinate, without bases, and its index beside it."""
    import pysam

    reads, table = _reads(simulation, sample), simulation.table
    names = list(table.chromosome_sizes)
    header = {
        "HD": {"VN": "1.6", "SO": "coordinate"},
        "SQ": [{"SN": name, "LN": table.chromosome_sizes[name]} for name in names],
    }
    reference = [names.index(name) for name in table.bins.chromosome_names]
    with pysam.AlignmentFile(str(path), "wb", header=header) as file:
        for number, (code, start, end, reverse) in enumerate(
            zip(reads.code.tolist(), reads.start.tolist(), reads.end.tolist(), reads.reverse.tolist(), strict=True)
        ):
            read = pysam.AlignedSegment(file.header)
            read.query_name = f"r{number}"
            read.flag = 16 if reverse else 0
            read.reference_id = reference[code]
            read.reference_start = start
            read.mapping_quality = 60
            read.cigartuples = [(0, end - start)]
            file.write(read)
    if index:
        pysam.index(str(path))
