"""The methods of the comparison: how each is fitted, and the distribution that it states for every bin."""

from __future__ import annotations

import math
import time
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import islice
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from benchmarks.chipseq.experiment import module
from technoise.glm import maximum_likelihood_size
from technoise.losses import nll
from technoise.mixture import Signal, bin_log_prob

Values = NDArray[np.float64]

BASELINES: Mapping[str, Mapping[str, Any]] = {
    "nb_glm": {},
    "depth_scaling": {"pseudocount": 1.0, "overdispersed": True},
    "intercept_only": {},
    "local_lambda": {"windows_bp": (1_000, 10_000), "overdispersed": False},
}
# Class in the experiment's model.py and widths of its hidden layers.
NETWORKS: Mapping[str, tuple[str, tuple[int, ...]]] = {
    "technb_mixture": ("TechNBMixture", (32, 32)),
    "technb_mixture_linear": ("TechNBMixture", ()),
    "technb_mu_r": ("TechNBMuR", (32, 32)),
    "technb_r_p": ("TechNBRP", (32, 32)),
    "tech_poisson": ("TechPoisson", (32, 32)),
}
METHODS = (*NETWORKS, *BASELINES)


@dataclass(frozen=True)
class Recipe:
    """How every network is trained, all alike: AdamW under a cosine over a fixed number of steps."""

    steps: int = 400
    batch_bins: int = 1024
    learning_rate: float = 3e-3
    weight_decay: float = 0.01
    warmup_steps: int = 30
    every: int = 50  # steps between measurements of the development split, whose best weights are kept

    def factor(self, step: int) -> float:
        """Return the share of the learning rate at a step that begins."""
        return min(1.0, (step + 1) / self.warmup_steps) * 0.5 * (1 + math.cos(math.pi * step / self.steps))


@dataclass(frozen=True, eq=False)
class Fit:
    """What a method says about all bins of a case, and what it cost.

    Attributes
    ----------
    mean, size
        Of the technical distribution, shape (n_bins, n_replicates); size None for a Poisson.
    signal
        What lies on top for all bins, or None where the technical distribution is all there is.
    cpu_s
        Processor time of the fit.
    best_step
        The step whose weights were kept; None for what is fitted in one go.
    """

    mean: Values
    size: Values | None
    signal: Signal | None
    cpu_s: float
    best_step: int | None


def fit(method: str, data: Any, seed: int, recipe: Recipe) -> Fit:
    """Fit a method to the training bins; the development bins choose a network's step, the test bins nothing."""
    started = time.process_time()
    if method in NETWORKS:
        return _network(method, data, seed, recipe, started)
    model = module("model")
    options = dict.fromkeys(("hidden", "dropout", "pseudocount", "overdispersed", "windows_bp"))
    section = model.Model(type=method, **(options | dict(BASELINES[method])))
    found = model.fit_baseline(section, data).everywhere
    return Fit(found.mean, found.size, None, time.process_time() - started, None)


def _network(method: str, data: Any, seed: int, recipe: Recipe, started: float) -> Fit:
    preprocess, model = module("preprocess"), module("model")
    torch.manual_seed(seed)
    class_name, hidden = NETWORKS[method]
    network = getattr(model, class_name)(data.covariates.shape[1], hidden, 0.0, _start(model, data))
    covariates = torch.from_numpy(data.covariates).float()
    counts, offsets = torch.from_numpy(data.treatment.copy()), torch.from_numpy(data.offsets).float()
    development = torch.from_numpy(data.rows["dev"])

    def loss(rows: torch.Tensor) -> torch.Tensor:
        log_mean, log_size = network(covariates[rows], offsets)
        signal: Signal | None = network.signal(len(rows))
        if signal is None:
            return nll(counts[rows], log_mean, log_size)
        return -bin_log_prob(counts[rows], log_mean, log_size, signal).mean() / counts.shape[1]

    adamw = torch.optim.AdamW(network.parameters(), lr=0.0, betas=(0.9, 0.98), weight_decay=recipe.weight_decay)
    best, weights, best_step = math.inf, network.state_dict(), 0
    batches = preprocess.steps(data.rows["train"], recipe.batch_bins, seed=seed, start=(0, 0), epochs=None)
    for step, batch in enumerate(islice(batches, recipe.steps)):
        for group in adamw.param_groups:
            group["lr"] = recipe.learning_rate * recipe.factor(step)
        adamw.zero_grad()
        loss(torch.from_numpy(batch.rows)).backward()
        torch.nn.utils.clip_grad_norm_(network.parameters(), 1.0)
        adamw.step()
        if (step + 1) % recipe.every == 0:
            with torch.no_grad():
                now = float(loss(development))
            if now < best:
                best, best_step = now, step + 1
                weights = {name: value.clone() for name, value in network.state_dict().items()}
    network.load_state_dict(weights)
    cpu_s = time.process_time() - started
    found = model.predict(network, data, np.arange(data.table.n_bins))
    with torch.no_grad():
        signal = network.signal(data.table.n_bins)
    return Fit(found.mean, found.size, signal, cpu_s, best_step)


def _start(model: Any, data: Any) -> Any:
    rows = data.rows["train"]
    counts, depth = data.treatment[rows], np.exp(data.offsets)
    rate = counts.sum() / (len(rows) * depth.sum())
    size = maximum_likelihood_size(counts, np.broadcast_to(rate * depth, counts.shape).copy())
    return model.Start(math.log(rate), math.log(size))
