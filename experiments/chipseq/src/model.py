"""The models of the technical mean: four networks that are trained step by step, and the baselines that are fitted."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import ConfigDict, Field, model_validator
from torch import Tensor, nn

import graff
from greenlight.errors import GreenlightError
from greenlight.harness.compose import nearest
from greenlight.harness.sections import EarlyStopping, Optimizer, Section
from src.preprocess import Data
from technoise.depth_scaling import fit_depth_scaling
from technoise.glm import fit_glm, maximum_likelihood_size
from technoise.local_lambda import fit_local_lambda
from technoise.mixture import Signal, log_normal_excess
from technoise.network import Head, Network, Start, per_replicate, with_depth
from technoise.qc.signal_part import SignalPart

Values = NDArray[np.float64]

NETWORK_OPTIONS = ("hidden", "dropout")
# Which options a model has; an option of another model is an error, because it would have no effect.
OPTIONS: Mapping[str, tuple[str, ...]] = {
    "technb_mu_r": NETWORK_OPTIONS,
    "technb_r_p": NETWORK_OPTIONS,
    "tech_poisson": NETWORK_OPTIONS,
    "technb_mixture": NETWORK_OPTIONS,
    "nb_glm": (),
    "intercept_only": (),
    "depth_scaling": ("pseudocount", "overdispersed"),
    "local_lambda": ("windows_bp", "overdispersed"),
}


class Model(Section):
    """Which model, and its options; those of other models stay null."""

    type: Literal[
        "technb_mu_r",
        "technb_r_p",
        "tech_poisson",
        "technb_mixture",
        "nb_glm",
        "intercept_only",
        "depth_scaling",
        "local_lambda",
    ]
    hidden: tuple[int, ...] | None
    dropout: float | None = Field(ge=0, lt=1)
    pseudocount: float | None = Field(gt=0)
    overdispersed: bool | None
    windows_bp: tuple[int, ...] | None = Field(min_length=1)

    @model_validator(mode="after")
    def _own_options(self) -> Model:
        own = OPTIONS[self.type]
        for name in ("hidden", "dropout", "pseudocount", "overdispersed", "windows_bp"):
            given = getattr(self, name) is not None
            if given and name not in own:
                raise ValueError(f"{name}: model {self.type} has no such option; set it to null")
            if not given and name in own:
                raise ValueError(f"{name}: model {self.type} needs it; give it a value")
        for width in (*(self.hidden or ()), *(self.windows_bp or ())):
            if width < 1:
                raise ValueError(f"a width of {width}: a layer or window is 1 or more wide; correct it")
        return self

    @property
    def is_trained(self) -> bool:
        """Whether the model is a network that takes optimiser steps; the others are fitted in one go."""
        return OPTIONS[self.type] == NETWORK_OPTIONS


class Scheduler(Section):
    """The planner and its options; an option that the planner does not have is an error."""

    model_config = ConfigDict(extra="allow", frozen=True)
    type: str

    @model_validator(mode="after")
    def _known(self) -> Scheduler:
        if self.type not in graff.planners.names():
            raise ValueError(f"type '{self.type}': no such planner; {nearest(self.type, graff.planners.names())}")
        valid = graff.planners.options(self.type)
        for option in self.model_extra or {}:
            if option not in valid:
                raise ValueError(f"{option}: planner {self.type} has no such option; {nearest(option, valid)}")
        return self


class Losses(Section):
    """The weight of each component of the training loss; all components are logged, whatever their weight."""

    nll: float = Field(ge=0)
    residual_mse: float = Field(ge=0)
    replicate_info_nce: float = Field(ge=0)
    negative_pearson: float = Field(ge=0)
    pit_difference: float = Field(ge=0)

    @model_validator(mode="after")
    def _not_all_zero(self) -> Losses:
        if not any(self.model_dump().values()):
            raise ValueError("losses are all 0: nothing would be trained; give nll a weight")
        return self


class Training(Section):
    """The budget, the batch, and what is optimised; exactly one of the two budgets is set."""

    budget_minutes: float | None
    budget_seconds: float | None
    batch_bins: int = Field(ge=2)
    total_steps: int = Field(ge=1)
    epochs: int | None = Field(ge=1)
    clip_grad_norm: float | None = Field(gt=0)
    checkpoint_seconds: float = Field(gt=0)
    early_stopping: EarlyStopping
    losses: Losses
    optimizer: Optimizer
    scheduler: Scheduler

    @model_validator(mode="after")
    def _has_budget(self) -> Training:
        self.budget()
        return self

    def budget(self) -> graff.Budget:
        """Return a fresh clock of this budget."""
        return graff.Budget(minutes=self.budget_minutes, seconds=self.budget_seconds)


class Evaluation(Section):
    """When and on what a model is measured, and which of its weights are."""

    interval_steps: int = Field(ge=1)
    weights: Literal["best", "last"]
    max_bins: int | None = Field(ge=2)
    block_bp: int = Field(ge=1)
    predicted: Literal["all", "test"]


class TechNBMuR(Network):
    """Covariates give the log rate; the log rate and the covariates together give the log size."""

    def __init__(self, n_covariates: int, hidden: tuple[int, ...], dropout: float, start: Start) -> None:
        super().__init__()
        self.start = start
        self.rate = Head(n_covariates, hidden, dropout, start.log_rate)
        self.size = Head(n_covariates + 1, hidden, dropout, start.log_size)

    def forward(self, covariates: Tensor, offsets: Tensor) -> tuple[Tensor, Tensor | None]:
        """Return log mean and log size, each (n_bins, n_replicates)."""
        log_rate = self.rate(covariates)
        # Centred where training starts, so that its scale is like that of the covariates.
        log_size = self.size(torch.cat([(log_rate - self.start.log_rate).unsqueeze(1), covariates], dim=1))
        return with_depth(log_rate, offsets), per_replicate(log_size, offsets)


class TechNBRP(Network):
    """Covariates give the log size r and a logit l; the mean follows, ``log mean = log r + l``, and no p is formed.

    In torch's convention l is the logit of the success probability, whose mean is r p / (1 - p) = r exp(l). Depth
    is an offset on the logit: a deeper replicate has a larger mean and the same size.
    """

    def __init__(self, n_covariates: int, hidden: tuple[int, ...], dropout: float, start: Start) -> None:
        super().__init__()
        self.size = Head(n_covariates, hidden, dropout, start.log_size)
        self.logit = Head(n_covariates, hidden, dropout, start.log_rate - start.log_size)

    def forward(self, covariates: Tensor, offsets: Tensor) -> tuple[Tensor, Tensor | None]:
        """Return log mean and log size, each (n_bins, n_replicates)."""
        log_size = self.size(covariates)
        return with_depth(log_size + self.logit(covariates), offsets), per_replicate(log_size, offsets)


class TechPoisson(Network):
    """Covariates give the log rate of a Poisson."""

    def __init__(self, n_covariates: int, hidden: tuple[int, ...], dropout: float, start: Start) -> None:
        super().__init__()
        self.rate = Head(n_covariates, hidden, dropout, start.log_rate)

    def forward(self, covariates: Tensor, offsets: Tensor) -> tuple[Tensor, Tensor | None]:
        """Return the log mean, (n_bins, n_replicates), and no size."""
        return with_depth(self.rate(covariates), offsets), None


class TechNBMixture(TechNBMuR):
    """The technical distribution of :class:`TechNBMuR`, with signal on top in some bins; see :mod:`technoise.mixture`.

    All bins share the odds of signal and the log-normal distribution of its excess over the technical mean. What
    `forward` returns is the technical part alone, which p-values are for; the likelihood is that of both parts.
    """

    # These three numbers are far from where they start and have the rate of the networks' many small weights.
    PACE = 10.0
    START = (math.log(0.05 / 0.95), math.log(4.0), math.log(0.7))  # log odds; log median and log sd of the excess

    def __init__(self, n_covariates: int, hidden: tuple[int, ...], dropout: float, start: Start) -> None:
        super().__init__(n_covariates, hidden, dropout, start)
        self.moved = nn.Parameter(torch.zeros(3))

    def signal(self, n_bins: int) -> Signal:
        """Return the signal component for so many bins."""
        log_odds, log_median, log_sd = (
            from_here + self.PACE * moved for from_here, moved in zip(self.START, self.moved.unbind(), strict=True)
        )
        return log_normal_excess(log_odds.expand(n_bins), log_median, log_sd)


NETWORKS: Mapping[str, Callable[[int, tuple[int, ...], float, Start], Network]] = {
    "technb_mu_r": TechNBMuR,
    "technb_r_p": TechNBRP,
    "tech_poisson": TechPoisson,
    "technb_mixture": TechNBMixture,
}


def device() -> torch.device:
    """Return the GPU if there is one, else the CPU."""
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


def build(section: Model, data: Data) -> Network:
    """Return an untrained network that says the mean rate and the size of the training bins."""
    assert section.hidden is not None
    assert section.dropout is not None
    rows = data.rows["train"]
    counts, depth = data.treatment[rows], np.exp(data.offsets)
    rate = counts.sum() / (len(rows) * depth.sum())
    size = maximum_likelihood_size(counts, np.broadcast_to(rate * depth, counts.shape).copy())
    start = Start(math.log(rate), math.log(size))
    return NETWORKS[section.type](data.covariates.shape[1], section.hidden, section.dropout, start).to(device())


def plan(training: Training, model: Network, budget: graff.Budget, seed: int) -> graff.planners.Planner:
    """Return the planner of the run file over AdamW on all weights.

    Raises
    ------
    GreenlightError
        If the planner refuses an option.
    """
    optimizer, scheduler = training.optimizer, training.scheduler
    adamw = torch.optim.AdamW(
        model.parameters(), lr=optimizer.lr_init, betas=optimizer.betas, weight_decay=optimizer.weight_decay
    )
    options: dict[str, Any] = dict(scheduler.model_extra or {})
    if "seed" in graff.planners.options(scheduler.type):
        options.setdefault("seed", seed)
    try:
        return graff.planners.make(
            scheduler.type,
            optimizer=adamw,
            model=model,
            budget=budget,
            max_grad_norm=training.clip_grad_norm,
            **options,
        )
    except (graff.GraffError, TypeError) as error:
        raise GreenlightError(f"training.scheduler: {error}") from error


@dataclass(frozen=True)
class Prediction:
    """The technical distribution of some bins; `size` is None for a Poisson. Both of shape (n_bins, n_replicates).

    `signal` is what a mixture says of the bins that hold signal, None for the others.
    """

    mean: Values
    size: Values | None
    signal: SignalPart | None = None

    def of(self, rows: NDArray[np.int64]) -> Prediction:
        """Return the prediction of some of the bins."""
        signal = None if self.signal is None else self.signal.of(rows)
        return Prediction(self.mean[rows], None if self.size is None else self.size[rows], signal)


@torch.inference_mode()
def predict(model: Network, data: Data, rows: NDArray[np.int64], batch_bins: int = 65536) -> Prediction:
    """Return what a network says about some bins, in evaluation mode, in float64."""
    was_training = model.training
    model.eval()
    means, sizes = [], []
    offsets = torch.from_numpy(data.offsets).to(device(), torch.float32)
    for at in range(0, len(rows), batch_bins):
        inputs = torch.from_numpy(data.covariates[rows[at : at + batch_bins]]).to(device(), torch.float32)
        log_mean, log_size = model(inputs, offsets)
        means.append(log_mean.double().exp().cpu().numpy())
        if log_size is not None:
            sizes.append(log_size.double().exp().cpu().numpy())
    model.train(was_training)
    signal = model.signal(len(rows))
    part = None if signal is None else SignalPart.stated(signal)
    return Prediction(np.concatenate(means), np.concatenate(sizes) if sizes else None, part)


@dataclass(frozen=True)
class Fitted:
    """A baseline after its fit: its technical distribution of every bin, and what was estimated."""

    everywhere: Prediction
    estimates: dict[str, float]
    parameters: int


def fit_baseline(section: Model, data: Data) -> Fitted:
    """Fit a baseline to the training bins and apply it to all bins.

    Raises
    ------
    TechnoiseError
        If the training bins do not allow the fit.
    """
    rows = data.rows["train"]
    table = data.table
    estimates: dict[str, float] = {}
    if section.type in ("nb_glm", "intercept_only"):
        covariates = data.covariates if section.type == "nb_glm" else data.covariates[:, :0]
        glm = fit_glm(data.treatment[rows], covariates[rows], data.offsets)
        mean, size = glm.mean(covariates, data.offsets), glm.size
        estimates = {"intercept": glm.intercept, "rounds": float(glm.rounds)}
        estimates |= {f"slope_{name}": float(slope) for name, slope in zip(data.fitted.names, glm.slopes, strict=False)}
        return _fitted(mean, size, estimates, parameters=2 + len(glm.slopes))
    assert section.overdispersed is not None
    if section.type == "depth_scaling":
        assert section.pseudocount is not None
        scaling = fit_depth_scaling(
            table.treatment[rows],
            table.control[rows],
            pseudocount=section.pseudocount,
            overdispersed=section.overdispersed,
        )
        return _fitted(scaling.mean(table.control), scaling.size, *_ratios(scaling.ratios))
    assert section.windows_bp is not None
    chosen = np.zeros(len(table.bins), dtype=np.bool_)
    chosen[rows] = True
    local = fit_local_lambda(
        table.treatment[rows],
        table.control[rows],
        table.bins.subset(chosen),
        windows_bp=section.windows_bp,
        overdispersed=section.overdispersed,
    )
    return _fitted(local.mean(table.control, table.bins), local.size, *_ratios(local.ratios))


def _fitted(mean: Values, size: float | None, estimates: dict[str, float], parameters: int) -> Fitted:
    if size is None:
        return Fitted(Prediction(mean, None), estimates, parameters)
    return Fitted(Prediction(mean, np.full_like(mean, size)), estimates | {"size": size}, parameters)


def _ratios(ratios: Values) -> tuple[dict[str, float], int]:
    return {f"ratio_replicate_{index}": float(ratio) for index, ratio in enumerate(ratios, start=1)}, len(ratios)
