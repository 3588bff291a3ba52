"""What the models are compared on: simulations by seed, and real reads by turn of their held-out blocks."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.chipseq.experiment import dataset_section, module

TURNS = 5
CTCF_CYCLE = ("train", "train", "dev", "train", "test")
HG19_CHR22_BP = 51_304_566
YEAST_SAMPLES = (1, 2, 3)


@dataclass(frozen=True)
class Case:
    """One data set with its split.

    Attributes
    ----------
    scenario
        `signal` or `background` for simulations, `ctcf_chr22`, `yeast_BY` or `yeast_SET2` for real reads.
    number
        The simulation's seed, or how far the held-out blocks or genes are rotated.
    block_bp
        Length of the blocks of held-out bins that real reads are compared over; None for simulations, whose seeds are.
    dataset
        The experiment's dataset section.
    """

    scenario: str
    number: int
    block_bp: int | None
    dataset: dict[str, Any]

    @property
    def name(self) -> str:
        """The case in a word."""
        return f"{self.scenario}-{self.number}"

    def load(self, cache: Path) -> Any:
        """Return the experiment's Data of this case; what was counted is kept in a folder."""
        preprocess = module("preprocess")
        preprocess.CACHE = cache
        return preprocess.load(preprocess.Dataset(**self.dataset))


def simulated(scenario: str, seed: int, shrink: int = 1) -> Case:
    """Return a simulation with signal (4 % of the bins) or of technical noise alone.

    Parameters
    ----------
    scenario
        `signal` or `background`.
    seed
        Of the simulator and of the training.
    shrink
        Divides the lengths of all chromosomes and the reads of all samples: the depth of a bin stays.
    """
    dataset = dataset_section()
    simulator = dataset["simulator"]
    simulator["seed"] = seed
    if scenario == "background":
        simulator["enriched_fraction"] = 0.0
    simulator["chromosome_sizes"] = {name: size // shrink for name, size in simulator["chromosome_sizes"].items()}
    for reads in ("treatment_reads", "control_reads"):
        simulator[reads] = [count / shrink for count in simulator[reads]]
    return Case(scenario, seed, None, dataset)


def ctcf(folder: Path, turn: int, scratch: Path) -> Case:
    """Return the reads of one CTCF sample and its control on chromosome 22 in bins of 200 bp, one replicate.

    Of each five blocks of 1 Mb three are trained on, one is developed on and one is held out; over five turns every
    block is held out once. Runs of 250 bins (50 kb) without a read in either sample, as at the centromere, are masked.
    """
    scratch.mkdir(parents=True, exist_ok=True)
    sizes = scratch / "chr22.sizes"
    if not sizes.exists():
        sizes.write_text(f"chr22\t{HG19_CHR22_BP}\n", encoding="utf-8")
    dataset = dataset_section() | {"source": "files", "genome": "hg19"}
    dataset["files"] |= {
        "treatment": [folder / "CTCF_SE_ChIP_chr22_50k.bed.gz"],
        "control": [folder / "CTCF_SE_CTRL_chr22_50k.bed.gz"],
        "chromosome_sizes": sizes,
        "unmappable_run_bins": 250,
    }
    cycle = CTCF_CYCLE[turn:] + CTCF_CYCLE[:turn]
    dataset["split"] |= {
        "by": "block", "train": [], "dev": [], "test": [], "block_bp": 1_000_000, "block_cycle": list(cycle)
    }  # fmt: skip
    return Case("ctcf_chr22", turn, 1_000_000, dataset)


def yeast(folder: Path, strain: str, turn: int) -> Case:
    """Return H3K4me3 and whole-cell extract around ten yeast genes in bins of 25 bp, three replicates of a strain.

    Six genes are trained on, two are developed on and two are held out; over five turns every gene is held out once.
    """
    files = {
        kind: [folder / f"{strain}_conf_{kind}_{sample}__ORF_count.txt" for sample in YEAST_SAMPLES]
        for kind in ("K4me3", "WCE")
    }
    genes = list(module("preprocess").read_table(files["K4me3"][0]).bins.chromosome_names)
    turned = genes[2 * turn :] + genes[: 2 * turn]
    # A gene is 2,501 bp long: there is no window of 101 bins.
    narrow = {"source": "files", "genome": "yeast_genes", "bin_width_bp": 25, "control_windows_bins": [1, 5, 25]}
    dataset = dataset_section() | narrow
    dataset["files"] |= {"treatment": files["K4me3"], "control": files["WCE"]}
    dataset["split"] |= {"test": turned[:2], "dev": turned[2:4], "train": turned[4:]}
    return Case(f"yeast_{strain}", turn, 2_501, dataset)
