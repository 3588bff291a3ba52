"""What held-out bins say about a fit: likelihood, calibration, and the truth where there is one."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.metrics import roc_auc_score

from benchmarks.chipseq.methods import Fit
from technoise import distribution, mixture
from technoise.calibration import calibration_table, ks_uniform, randomised_pit
from technoise.mixture import Signal
from technoise.qc.metrics import recovery_metrics
from technoise.residuals import minus_log10_p_values

Values = NDArray[np.float64]


def losses(counts: NDArray[np.int64], fit: Fit, rows: NDArray[np.int64]) -> tuple[Values, Values]:
    """Return the loss of each bin in nats per replicate, shape (n_rows,): of all its counts together, and one by one.

    Parameters
    ----------
    counts
        Of all bins, shape (n_bins, n_replicates).
    fit
        What a method says.
    rows
        The bins that are judged.
    """
    y, mean, size = counts[rows], fit.mean[rows], None if fit.size is None else fit.size[rows]
    if fit.signal is None or size is None:
        each = -distribution.log_pmf(y, mean, size).mean(axis=1)
        return each, each
    tensors = (torch.from_numpy(y), torch.from_numpy(np.log(mean)), torch.from_numpy(np.log(size)))
    chosen = _of(fit.signal, rows)
    joint = -mixture.bin_log_prob(*tensors, chosen).numpy() / y.shape[1]
    return joint, -mixture.count_log_prob(*tensors, chosen).numpy().mean(axis=1)


def scores(data: Any, fit: Fit, split: str, seed: int) -> dict[str, float]:
    """Return the metrics of a split by name; see the table of columns in README.md."""
    rows = data.rows[split]
    joint, each = losses(data.treatment, fit, rows)
    pit = _pit(data.treatment[rows], fit, rows, seed)
    found = {"nll": float(joint.mean()), "nll_each": float(each.mean()), "pit_ks": ks_uniform(pit).statistic}
    found |= {f"coverage_{round(100 * row.nominal)}": row.observed for row in calibration_table(pit)}
    found |= {"cpu_s": fit.cpu_s}
    if fit.signal is not None:
        excess = fit.signal.log_fold.exp() - 1
        found |= {
            "signal_share": float(fit.signal.log_odds[0].sigmoid()),
            "signal_fold": float(excess[len(excess) // 2] + 1),
        }
    return found | (_against_truth(data, fit, rows, joint, seed) if data.truth else {})


def _against_truth(data: Any, fit: Fit, rows: NDArray[np.int64], joint: Values, seed: int) -> dict[str, float]:
    truth = {name: array[rows] for name, array in data.truth.items()}
    counts, mean, size = data.treatment[rows], fit.mean[rows], None if fit.size is None else fit.size[rows]
    recovered = recovery_metrics(counts, mean, size, **truth).values
    names = ("log_mean_rmse", "log_mean_bias", "log_size_rmse", "log_size_bias", "nll_background_of_truth")
    found = {name: recovered[name] for name in names if name in recovered}
    free = ~truth["enriched"]
    of_size = None if size is None else size[free].ravel()
    pit = randomised_pit(counts[free].ravel(), mean[free].ravel(), of_size, np.random.default_rng(seed))
    found |= {
        "nll_free": float(joint[free].mean()),
        "nll_technical_free": recovered["nll_background"],
        "pit_ks_technical_free": ks_uniform(pit).statistic,
        "p_below_1_percent_free": float((pit > 0.99).mean()),
    }
    if free.all():
        return found
    p_values = minus_log10_p_values(counts, mean, size).sum(axis=1)
    found["auroc_p_values"] = float(roc_auc_score(~free, p_values))
    if fit.signal is not None and size is not None:
        tensors = (torch.from_numpy(counts), torch.from_numpy(np.log(mean)), torch.from_numpy(np.log(size)))
        odds = mixture.log_posterior_odds(*tensors, _of(fit.signal, rows)).numpy()
        found["auroc_posterior"] = float(roc_auc_score(~free, odds))
    return found


def _pit(counts: NDArray[np.int64], fit: Fit, rows: NDArray[np.int64], seed: int) -> Values:
    rng, mean = np.random.default_rng(seed), fit.mean[rows]
    if fit.signal is None or fit.size is None:
        size = None if fit.size is None else fit.size[rows].ravel()
        return randomised_pit(counts.ravel(), mean.ravel(), size, rng)
    return mixture.randomised_pit(counts, mean, fit.size[rows], _of(fit.signal, rows), rng).ravel()


def _of(signal: Signal, rows: NDArray[np.int64]) -> Signal:
    return Signal(signal.log_odds[torch.from_numpy(rows)], signal.log_fold, signal.log_weight)
