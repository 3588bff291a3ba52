"""The numbers by which a technical model is judged on bins that it has not seen."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray
from scipy.stats import rankdata

from technoise import distribution
from technoise.calibration import calibration_table, ks_uniform, randomised_pit
from technoise.concordance import Concordance, concordance
from technoise.deviance import mean_deviance
from technoise.errors import TechnoiseError
from technoise.residuals import minus_log10_p_values

Counts = NDArray[np.int64]
Values = NDArray[np.float64]

_SPEARMANS = ("count_spearman", "residual_spearman", "quantile_spearman")


@dataclass(frozen=True)
class HeldOut:
    """Metrics by name; one that does not exist for these bins is in `missing` instead, with the reason."""

    values: dict[str, float]
    missing: dict[str, str] = field(default_factory=dict)

    def joined(self, other: HeldOut) -> HeldOut:
        """Return the metrics of both."""
        return HeldOut(self.values | other.values, self.missing | other.missing)

    def named(self, prefix: str) -> HeldOut:
        """Return the same metrics with something before each name."""
        values = {f"{prefix}{name}": value for name, value in self.values.items()}
        return HeldOut(values, {f"{prefix}{name}": reason for name, reason in self.missing.items()})

    def with_reasons(self) -> dict[str, float | str | None]:
        """Return all in one: what is missing is None, and ``<name>_missing`` says why."""
        reasons = {f"{name}_missing": reason for name, reason in self.missing.items()}
        return {**self.values, **dict.fromkeys(self.missing), **reasons}


def log_likelihoods(counts: Counts, mean: Values, size: Values | None) -> Values:
    """Return the log-likelihood of each bin in nats, the mean over its replicates, shape (n_bins,).

    Parameters
    ----------
    counts, mean
        Reads and their expectation, shape (n_bins, n_replicates).
    size
        Of the negative binomial, same shape; None is a Poisson.
    """
    return np.asarray(distribution.log_pmf(counts, mean, size).mean(axis=1), dtype=np.float64)


def held_out_metrics(counts: Counts, mean: Values, size: Values | None, *, seed: int) -> HeldOut:
    """Return what held-out bins say about a technical distribution.

    Parameters
    ----------
    counts, mean
        Reads and their expectation, shape (n_bins, n_replicates).
    size
        Of the negative binomial, same shape; None is a Poisson.
    seed
        Of the randomisation of the PIT; the same seed gives the same numbers.

    Returns
    -------
    HeldOut
        ``nll``: negative log-likelihood in nats per bin (mean over its replicates). ``deviance``: mean unit deviance.
        ``pit_ks``: Kolmogorov-Smirnov distance of the randomised PIT from uniform. ``coverage_50`` ... ``coverage_99``:
        share of counts inside the central interval. ``residual_spearman``, ``quantile_spearman``,
        ``count_spearman``: rank correlation between replicates, mean over pairs; shared bias raises it too.
        ``reads_per_expected``: observed over expected reads. All are missing where a mean or size is not positive and
        finite, as after a training that diverged.

    Raises
    ------
    TechnoiseError
        If shapes differ or there is no bin.
    """
    if counts.ndim != 2 or counts.shape != mean.shape or (size is not None and size.shape != mean.shape):
        shapes = f"counts {counts.shape}, mean {mean.shape}, size {None if size is None else size.shape}"
        raise TechnoiseError(f"{shapes}: each is (n_bins, n_replicates); pass rows of the same bins")
    if not _usable(mean) or (size is not None and not _usable(size)):
        names = ("nll", "deviance", "pit_ks", "quantile_spearman", "residual_spearman", "reads_per_expected")
        return HeldOut({}, dict.fromkeys(names, "a predicted mean or size is not positive and finite"))
    pit = randomised_pit(counts.ravel(), mean.ravel(), _raveled(size), np.random.default_rng(seed))
    values = {
        "nll": -float(log_likelihoods(counts, mean, size).mean()),
        "deviance": mean_deviance(counts, mean, size),
        "pit_ks": ks_uniform(pit).statistic,
        **{f"coverage_{round(100 * row.nominal)}": row.observed for row in calibration_table(pit)},
        "reads_per_expected": float(counts.sum() / mean.sum()),
    }
    found, missing = _between_replicates(counts, mean, size)
    return HeldOut(values | found, missing)


def recovery_metrics(
    counts: Counts,
    mean: Values,
    size: Values | None,
    *,
    technical_mean: Values,
    technical_size: Values,
    enriched: NDArray[np.bool_],
) -> HeldOut:
    """Return how near a model is to the truth of a simulation.

    Parameters
    ----------
    counts, mean, size
        As for :func:`held_out_metrics`.
    technical_mean, technical_size
        What the background counts were drawn from, shape (n_bins, n_replicates).
    enriched
        Which bins hold signal on top, shape (n_bins,).

    Returns
    -------
    HeldOut
        ``log_mean_rmse``, ``log_mean_bias``, ``log_size_rmse``, ``log_size_bias``: of the logarithm against the truth,
        over all bins. ``nll_background``: over bins without signal; ``nll_background_of_truth``: what the true
        distribution has there, which no model can beat but by chance. ``enriched_auroc``: how well the summed
        ``-log10 p`` of the replicates tells bins with signal from the others.
    """
    if not _usable(mean) or (size is not None and not _usable(size)):
        return HeldOut({})
    background = ~enriched
    error = np.log(mean) - np.log(technical_mean)
    values = {"log_mean_rmse": _rms(error), "log_mean_bias": float(error.mean())}
    missing = {}
    if size is None:
        missing["log_size_rmse"] = "a Poisson has no size"
    else:
        error = np.log(size) - np.log(technical_size)
        values |= {"log_size_rmse": _rms(error), "log_size_bias": float(error.mean())}
    if background.any():
        of_model = log_likelihoods(counts[background], mean[background], None if size is None else size[background])
        of_truth = log_likelihoods(counts[background], technical_mean[background], technical_size[background])
        values |= {"nll_background": -float(of_model.mean()), "nll_background_of_truth": -float(of_truth.mean())}
    if background.any() and enriched.any():
        values["enriched_auroc"] = _auroc(minus_log10_p_values(counts, mean, size).sum(axis=1), enriched)
    else:
        missing["enriched_auroc"] = "these bins are all with signal or all without"
    return HeldOut(values, missing)


def _between_replicates(counts: Counts, mean: Values, size: Values | None) -> tuple[dict[str, float], dict[str, str]]:
    if counts.shape[1] < 2:
        return {}, dict.fromkeys(_SPEARMANS, "there is one replicate")
    pairs = concordance(counts, mean, size)
    values: dict[str, float] = {}
    missing: dict[str, str] = {}
    for name, estimates, reasons in _columns(pairs):
        if reasons:
            missing[name] = reasons[0]
        else:
            values[name] = float(np.mean(estimates))
    return values, missing


def _columns(pairs: tuple[Concordance, ...]) -> Iterator[tuple[str, list[float], list[str]]]:
    for name, of_pair in zip(_SPEARMANS, ("counts", "residual", "quantile"), strict=True):
        correlations = [getattr(pair, of_pair) for pair in pairs]
        reasons = [str(found.missing) for found in correlations if found.estimate is None]
        yield name, [found.estimate for found in correlations if found.estimate is not None], reasons


def _auroc(score: Values, positive: NDArray[np.bool_]) -> float:
    """Return the area under the receiver operating characteristic from ranks (Mann and Whitney 1947)."""
    n_positive = int(positive.sum())
    rank_sum = float(rankdata(score)[positive].sum())
    return (rank_sum - n_positive * (n_positive + 1) / 2) / (n_positive * (len(score) - n_positive))


def _usable(values: Values) -> bool:
    return bool(np.isfinite(values).all() and (values > 0).all())


def _raveled(size: Values | None) -> Values | None:
    return None if size is None else size.ravel()


def _rms(values: Values) -> float:
    return float(np.sqrt(np.square(values).mean()))
