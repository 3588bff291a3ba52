"""What must hold of a run of chipseq: its numbers again, from the simulator, scipy and NumPy."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from safetensors.numpy import load_file
from scipy.optimize import minimize_scalar
from scipy.special import logsumexp, roots_hermitenorm
from scipy.stats import nbinom, spearmanr

from technoise.covariates import Covariates
from technoise.qc.predictions import Predictions
from technoise.simulator import BiasTerm, SimulatorSettings, simulate
from tests.e2e import concerns
from tests.e2e.playing import Played

COMPONENTS = ("nll", "residual_mse", "replicate_info_nce", "negative_pearson", "pit_difference")
LEFT = ("best", "model", "predictions.npz")
LEARNED_NATS = 0.05  # per bin; what the covariates tell is worth twice that here
# The mixture's log odds of signal, log median and log standard deviation of its excess, untrained, and their pace.
SIGNAL_START, SIGNAL_PACE = np.array([math.log(0.05 / 0.95), math.log(4.0), math.log(0.7)]), 10.0


@dataclass(frozen=True)
class Shared:
    """Signal that all replicates of a bin share: its probability, the folds that it can have, and their weights."""

    probability: float
    folds: np.ndarray
    weights: np.ndarray

    @property
    def lift(self) -> float:
        """How many times the technical mean is expected."""
        return float(1 + self.probability * (self.weights @ (self.folds - 1)))


@lru_cache
def _simulated(settings: str) -> Any:
    """Return the table that the simulator draws under a dataset section, which is JSON."""
    section = json.loads(settings)
    values = dict(section["simulator"])
    seed = values.pop("seed")
    values["bias"] = {name: BiasTerm(**term) for name, term in values["bias"].items()}
    return simulate(SimulatorSettings(width_bp=section["bin_width_bp"], **values), seed).table


def table(played: Played) -> Any:
    """Return the counts that the run was given."""
    return _simulated(json.dumps(played.option("dataset")))


def rows_of(played: Played, split: str) -> np.ndarray:
    """Return which bins of the whole genome are in a split, by the names of its chromosomes."""
    return np.isin(table(played).bins.chromosome, played.option(f"dataset.split.{split}"))


def nll(counts: np.ndarray, mean: np.ndarray, size: np.ndarray, signal: Shared | None = None) -> float:
    """Return the negative log-likelihood of bins in nats over the number of replicates, by scipy, fold by fold."""

    def of_bins(fold: float) -> np.ndarray:
        return np.asarray(nbinom.logpmf(counts, size, size / (size + fold * mean)).sum(axis=1))

    if signal is None:
        return float(-of_bins(1.0).mean() / counts.shape[1])
    shares = [1 - signal.probability, *signal.probability * signal.weights]
    terms = [math.log(share) + of_bins(fold) for share, fold in zip(shares, [1.0, *signal.folds], strict=True)]
    return float(-logsumexp(terms, axis=0).mean() / counts.shape[1])


def shared_signal(moved: np.ndarray) -> Shared:
    """Return the mixture's signal from its three weights: an excess over 1 that is log-normal, at seven nodes."""
    log_odds, log_median, log_sd = SIGNAL_START + SIGNAL_PACE * moved
    nodes, weights = roots_hermitenorm(7)
    return Shared(
        1 / (1 + math.exp(-log_odds)), 1 + np.exp(log_median + math.exp(log_sd) * nodes), weights / weights.sum()
    )


def signal_of(played: Played) -> Shared | None:
    """Return the signal that the kept weights say; None for a network that is no mixture."""
    moved = kept(played)[0].get("moved")
    return None if moved is None else shared_signal(moved)


def predicted(played: Played) -> Predictions:
    """Return the predictions that were saved with the tracked run."""
    return Predictions.load(played.main.saved / "predictions.npz")


# ---- the concerns ----------------------------------------------------------------------------------------------


def initialisation(played: Played) -> None:
    """Before its first step a network says the mean and the size of the training bins, and has the weights said."""
    start = played.main.rows[0]
    assert start["step"] == 0
    counts, training, dev = table(played).treatment, rows_of(played, "train"), rows_of(played, "dev")
    depth = counts[training].mean(axis=0)
    signal = None if signal_of(played) is None else shared_signal(np.zeros(3))
    expected_reads = dev.sum() * depth.sum() * (1.0 if signal is None else signal.lift)
    assert math.isclose(start["dev_reads_per_expected"], counts[dev].sum() / expected_reads, rel_tol=1e-5)
    fitted = minimize_scalar(lambda log_size: nll(counts[training], depth, np.exp(log_size)), bounds=(-5, 5))
    assert math.isclose(start["dev_nll"], nll(counts[dev], depth, np.exp(fitted.x), signal), rel_tol=1e-5)
    assert played.main.summary["parameters"] == sum(weight.size for weight in kept(played)[0].values())
    first = kept(played)[0]["size.network.0.weight"]
    assert first.shape[0] == played.option("model.hidden")[0]


def training(played: Played) -> None:
    """The steps teach the network what the covariates tell, every part of it; every bin is seen once an epoch."""
    concerns.steps(played)
    measured = [row["dev_nll"] for row in played.main.evaluations]
    assert min(measured) < measured[0] - LEARNED_NATS, f"from {measured[0]:.3f} to {min(measured):.3f}: nothing learned"
    for name, weight in kept(played)[0].items():
        assert np.abs(weight).max() > 0, f"{name} is zero, where it started"
    n_bins = int(rows_of(played, "train").sum())
    n_batches = round(n_bins / played.option("training.batch_bins"))
    sizes = [len(part) for part in np.array_split(np.empty(n_bins), n_batches)]
    seen = 0
    for row in played.main.rows[1:]:
        epoch, batch = divmod(row["step"] - 1, n_batches)
        seen += sizes[batch]
        assert (row["bins_seen"], row["epoch"]) == (seen, epoch + (batch == n_batches - 1)), f"step {row['step']}"
    assert played.main.summary["bins_seen"] == seen


def metric_capture(played: Played) -> None:
    """Every row has its loss, rate, clock and planner, those of evaluations all metrics too."""
    concerns.metric_capture(played, {"bins_seen", "loss/nll", "loss/residual_mse"})
    named = {"dev_nll", "dev_deviance", "dev_pit_ks", "dev_coverage_95", "dev_residual_spearman", "dev_log_mean_rmse"}
    for row in played.main.evaluations:
        assert row.keys() >= named
        if row["step"] and row["step"] % played.option("evaluation.interval_steps") == 0:
            assert row.keys() >= {f"loss/{name}" for name in COMPONENTS}, f"step {row['step']}"


def loss_tracking(played: Played) -> None:
    """The loss is the weighted sum of its logged components."""
    concerns.loss_tracking(played)
    weights = {name: weight for name, weight in played.option("training.losses").items() if weight}
    for row in played.main.rows[1:]:
        total = sum(weight * row[f"loss/{name}"] for name, weight in weights.items())
        assert math.isclose(row["loss"], total, rel_tol=1e-5), f"step {row['step']}"


def checkpoint_reloads(played: Played) -> None:
    """The kept weights, read by nothing of the experiment, give the validation loss and the predictions of the run."""
    step = played.main.summary["weights_step"]
    (logged,) = (row["dev_nll"] for row in played.main.rows if row["step"] == step)
    mean, size = network(played)
    dev = rows_of(played, "dev")
    found = nll(table(played).treatment[dev], mean[dev], size[dev], signal_of(played))
    assert math.isclose(found, logged, rel_tol=1e-5), f"{found} instead of {logged}"
    said = predicted(played)
    np.testing.assert_allclose(said.mean, mean, rtol=1e-4)
    np.testing.assert_allclose(said.size, size, rtol=1e-4)
    for metric in ("dev_nll", "dev_pit_ks"):
        best = min(played.main.evaluations, key=lambda row: row[metric])
        (kept_at,) = (played.main.folder / "best" / metric).iterdir()
        assert kept_at.name == f"checkpoint-{best['step']:08d}"


def checkpoint_resumes(played: Played) -> None:
    """An interrupted, killed and resumed run ends in the same test loss, to the last bit."""
    concerns.checkpoint_resumes(played)
    assert played.twin is not None
    assert played.twin.summary["test_nll"] == played.main.summary["test_nll"]


def validation_metrics(played: Played) -> None:
    """What was measured can be measured again, on exactly the bins of the development and the test chromosomes."""
    concerns.evaluated_when_due(played)
    said, drawn, summary = predicted(played), table(played), played.main.summary
    assert said.bins == drawn.bins, "bins were lost"
    np.testing.assert_array_equal(said.counts, drawn.treatment)
    np.testing.assert_array_equal(said.control, drawn.control)
    assert (said.signal is None) == (signal_of(played) is None)
    assert (said.counts == 0).any(), "this genome has bins without reads"
    steps = [row["dev_nll"] for row in played.main.evaluations]
    assert summary["best_dev_nll"] == min(steps)
    assert summary["final_dev_nll"] == steps[-1]
    (dev_row,) = (row for row in played.main.rows if row["step"] == summary["weights_step"])
    signal = signal_of(played)
    for split, measured in (("dev", dev_row), ("test", summary)):
        chosen = rows_of(played, split)
        counts, mean, size = said.counts[chosen], said.mean[chosen], said.size[chosen]
        assert math.isclose(measured[f"{split}_nll"], nll(counts, mean, size, signal), rel_tol=1e-6), split
        each = [nll(*(values[:, [k]] for values in (counts, mean, size)), signal) for k in range(counts.shape[1])]
        assert math.isclose(measured[f"{split}_nll_each"], np.mean(each), rel_tol=1e-6), split
        reads = mean.sum() * (1.0 if signal is None else signal.lift)
        assert math.isclose(measured[f"{split}_reads_per_expected"], counts.sum() / reads, rel_tol=1e-6), split
        assert math.isclose(measured[f"{split}_count_spearman"], spearmanr(*counts.T).statistic, rel_tol=1e-6), split
        assert summary[f"{split}_bins"] == chosen.sum()


def early_stopping(played: Played) -> None:
    """Training ends at the first evaluation that exhausts the patience, counted from the logged losses."""
    patience = played.option("training.early_stopping.patience")
    min_delta = played.option("training.early_stopping.min_delta")
    lowest, without = math.inf, 0
    for row in played.main.evaluations:
        assert without < patience, f"went on to step {row['step']} without patience"
        better = row["dev_nll"] < lowest - min_delta
        lowest, without = (row["dev_nll"], 0) if better else (lowest, without + 1)
    assert without == patience, "ended with patience left"
    assert played.main.summary["stop_reason"] == "early_stopping"
    assert played.main.summary["steps"] == played.main.rows[-1]["step"] < played.option("training.total_steps")


def scheduler(played: Played) -> None:
    """The exact sequence of rates: half a cosine."""
    concerns.exact_rates(played, "cosine")


def completion(played: Played) -> None:
    """The run is over and leaves what it must."""
    concerns.completion(played, LEFT, ("predictions.npz",))


CONCERNS: Mapping[str, Callable[[Played], None]] = {
    "configuration": concerns.configuration,
    "initialisation": initialisation,
    "training": training,
    "metric_capture": metric_capture,
    "loss_tracking": loss_tracking,
    "checkpoint_reloads": checkpoint_reloads,
    "checkpoint_resumes": checkpoint_resumes,
    "validation_metrics": validation_metrics,
    "early_stopping": early_stopping,
    "scheduler": scheduler,
    "completion": completion,
}


# ---- the network, written out ------------------------------------------------------------------------------------


def kept(played: Played) -> tuple[dict[str, np.ndarray], Mapping[str, Any]]:
    """Return the weights and the state of the covariates that a run left in ``model/``."""
    (folder,) = (played.main.folder / "model").iterdir()
    assert folder.name == f"checkpoint-{played.main.summary['weights_step']:08d}"
    tensors = load_file(folder / "tensors.safetensors")
    weights = {name.removeprefix("/weights/"): value.astype(np.float64) for name, value in tensors.items()}
    return weights, _plain(folder / "state.json")["covariates"]


def _plain(path: Path) -> Any:
    def pairs(found: Any) -> Any:
        if isinstance(found, dict):
            return {key: pairs(value) for key, value in found["__items__"]} if "__items__" in found else found
        return found

    return pairs(json.loads(path.read_text()))


def network(played: Played) -> tuple[np.ndarray, np.ndarray]:
    """Return the mean and the size of all bins, shape (n_bins, n_replicates), from the kept weights alone."""
    weights, state = kept(played)
    drawn, training_rows = table(played), rows_of(played, "train")
    windows = tuple(played.option("dataset.control_windows_bins"))
    fitted = Covariates.fit(drawn, training_rows, windows_bins=windows)
    assert fitted.state_dict() == state, "the covariates were not standardised by the training bins"
    inputs, offsets = fitted.transform(drawn), np.log(drawn.treatment[training_rows].mean(axis=0))
    if "logit.linear.weight" in weights:
        log_size = _head(weights, "size", inputs)
        log_rate = log_size + _head(weights, "logit", inputs)
    else:
        log_rate = _head(weights, "rate", inputs)
        # Replicates are scaled by their own depth, so that the rate of all training bins together is 1 and its log 0.
        log_size = _head(weights, "size", np.column_stack([log_rate, inputs]))
    mean = np.exp(log_rate[:, None] + offsets)
    return mean, np.exp(np.column_stack([log_size] * len(offsets)))


def _head(weights: Mapping[str, np.ndarray], name: str, inputs: np.ndarray) -> np.ndarray:
    hidden = inputs @ weights[f"{name}.network.0.weight"].T + weights[f"{name}.network.0.bias"]
    activated = hidden / (1 + np.exp(-hidden))
    linear = inputs @ weights[f"{name}.linear.weight"].T + weights[f"{name}.linear.bias"]
    return (linear + activated @ weights[f"{name}.network.3.weight"].T)[:, 0]
