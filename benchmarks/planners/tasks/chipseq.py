"""chipseq: the network of the chipseq experiment learns the technical noise of simulated ChIP-seq counts."""

import importlib.util
import math
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor

from benchmarks.planners.measure import NLL, Measure
from benchmarks.planners.tasks._task import Session, Split, Task
from greenlight.errors import GreenlightError
from technoise import negative_binomial
from technoise.covariates import Covariates
from technoise.simulator import BiasTerm, SimulatorSettings, simulate

SOURCE = Path(__file__).parents[3] / "experiments" / "chipseq" / "src"
# Settings of the experiment's config.yaml and of its proposed run; a test holds them to be the same.
SETTINGS = SimulatorSettings(
    chromosome_sizes={"chr1": 4_000_000, "chr2": 3_000_000, "chr3": 2_000_000, "chr4": 2_000_000},
    width_bp=200,
    treatment_reads=(430_000.0, 285_000.0),
    control_reads=(335_000.0, 215_000.0),
    bias={"gc": BiasTerm(0.35, 1_000), "openness": BiasTerm(0.45, 20_000)},
    log_size_intercept=0.7,
    log_size_slope=0.6,
    enriched_fraction=0.04,
    enriched_length_bins=5.0,
    fold_median=6.0,
    fold_log_sd=0.4,
)
CHROMOSOMES = {"train": ("chr1", "chr2"), "dev": ("chr3",), "test": ("chr4",)}
WINDOWS_BINS = (1, 5, 25, 101)
HIDDEN = (32, 32)
BETAS, WEIGHT_DECAY = (0.9, 0.98), 0.01
# Neighbouring bins share bias and signal: a block of them is one held-out item, as in the experiment's comparison.
BLOCK_BP = 20_000
_EVALUATION_STEPS = 3.0  # ten batches of development bins, forward alone


@dataclass(frozen=True)
class Chipseq(Task):
    """TechNB_mu_r on the simulator, by held-out negative log-likelihood per bin.

    The seed decides the simulation as well: its methods and rates see the same counts, another seed has others.

    Parameters
    ----------
    rows, probe_rows
        Bins in a batch, and how many of them a probe looks at.
    shrink
        Divides chromosomes and reads, for first tries.
    """

    name: ClassVar[str] = "chipseq"
    measure: ClassVar[Measure] = NLL
    code: ClassVar[tuple[str, ...]] = ("chipseq_experiment.model", "chipseq_experiment.preprocess")
    rows: int = 1024
    probe_rows: int = 256
    shrink: int = 1

    def unavailable(self) -> str | None:
        """Return what is missing: the experiment's folder."""
        if not (SOURCE / "model.py").is_file():
            return f"{SOURCE}: no model.py of the chipseq experiment; run it from a checkout of the repository"
        return None

    def build(self, seed: int) -> Session:
        """Return the untrained network and its counts."""
        if not (1 <= self.probe_rows <= self.rows and self.rows >= 2 and 1 <= self.shrink <= 50):
            raise GreenlightError(
                f"{self}: a batch has 2 rows or more, probe_rows is at most rows, and shrink is 1 to 50; correct them"
            )
        if (reason := self.unavailable()) is not None:
            raise GreenlightError(f"task {self.name}: {reason}")
        return _Session(self, seed)


@cache
def experiment(name: str) -> ModuleType:
    """Return a module of the experiment, loaded from its file under a name of its own.

    Every experiment's modules are called ``src``, so that a search path would find whichever comes first; the name is
    lent to this one's ``src.preprocess`` only while its model is loaded.
    """
    spec = importlib.util.spec_from_file_location(f"chipseq_experiment.{name}", SOURCE / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    borrowed = {} if name == "preprocess" else {"src.preprocess": experiment("preprocess")}
    before = {key: sys.modules.get(key) for key in borrowed}
    sys.modules |= {spec.name: module, **borrowed}
    try:
        spec.loader.exec_module(module)
    finally:
        for key, owner in before.items():
            if owner is None:
                del sys.modules[key]
            else:
                sys.modules[key] = owner
    return module


class _Session(Session):
    evaluation_steps = _EVALUATION_STEPS
    device = torch.device("cpu")

    def __init__(self, task: Chipseq, seed: int) -> None:
        self._task, self._seed = task, seed
        self.probe_share = task.probe_rows / task.rows
        preprocess, model = experiment("preprocess"), experiment("model")
        table = simulate(_shrunken(task.shrink), seed).table
        chosen = {split: table.bins.on(names) for split, names in CHROMOSOMES.items()}
        fitted = Covariates.fit(table, chosen["train"], windows_bins=WINDOWS_BINS)
        rows = {split: np.flatnonzero(mask) for split, mask in chosen.items()}
        data = preprocess.Data(table, fitted.transform(table), fitted, fitted.offsets(table), rows, {})
        torch.manual_seed(seed)
        options = dict.fromkeys(("pseudocount", "overdispersed", "windows_bp"))
        self.model = model.build(model.Model(type="technb_mu_r", hidden=HIDDEN, dropout=0.0, **options), data).cpu()
        self._steps = preprocess.steps
        self._rows = rows
        self._blocks = {split: table.bins.blocks(BLOCK_BP)[found] for split, found in rows.items()}
        self._covariates = torch.from_numpy(data.covariates).float()
        self._counts = torch.from_numpy(table.treatment.copy())
        self._offsets = torch.from_numpy(data.offsets).float()

    def optimizer(self, rate: float) -> torch.optim.Optimizer:
        return torch.optim.AdamW(self.model.parameters(), lr=rate, betas=BETAS, weight_decay=WEIGHT_DECAY)

    def batches(self) -> Iterator[Tensor]:
        for step in self._steps(self._rows["train"], self._task.rows, seed=self._seed, start=(0, 0), epochs=None):
            yield torch.from_numpy(step.rows)

    def token_losses(self, batch: Tensor) -> tuple[Tensor, Tensor | None]:
        log_mean, log_size = self.model(self._covariates[batch], self._offsets)
        return -negative_binomial.log_prob(self._counts[batch], log_mean, log_size), None

    def probe_slice(self, batch: Tensor) -> Tensor:
        return batch[: self._task.probe_rows]

    def question_ids(self, split: Split) -> tuple[str, ...]:
        return tuple(f"{split}-block-{index:04d}" for index in range(len(np.unique(self._blocks[split]))))

    def losses(self, split: Split) -> tuple[float, ...]:
        """Return the mean NLL of each block of bins, in nats per bin, the mean over its replicates."""
        bins = self._by_bin(split)
        number = np.unique(self._blocks[split], return_inverse=True)[1]
        means = np.bincount(number, weights=bins) / np.bincount(number)
        return tuple(float(mean) for mean in means)

    def dev_loss(self) -> float:
        return float(self._by_bin("dev").mean())

    @torch.no_grad()
    def _by_bin(self, split: Split) -> "np.ndarray[Any, np.dtype[np.float64]]":
        was_training = self.model.training
        self.model.eval()
        parts = [self.token_losses(part)[0] for part in torch.from_numpy(self._rows[split]).split(self._task.rows)]
        self.model.train(was_training)
        return np.asarray(torch.cat(parts).mean(1).double().numpy())


def _shrunken(by: int) -> SimulatorSettings:
    settings = dict(vars(SETTINGS))
    settings["chromosome_sizes"] = {name: math.ceil(size / by) for name, size in SETTINGS.chromosome_sizes.items()}
    for reads in ("treatment_reads", "control_reads"):
        settings[reads] = tuple(number / by for number in settings[reads])
    return SimulatorSettings(**settings)
