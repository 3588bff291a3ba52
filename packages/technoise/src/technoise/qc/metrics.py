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
from technoise.qc.signal_part import SignalPart
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


def log_likelihoods(counts: Counts, mean: Values, size: Values | None, signal: SignalPart | None = None) -> Values:
    """Return the log-likelihood of each bin in nats, the mean over its replicates, shape (n_bins,).

    Parameters
    ----------
    counts, mean
        Reads and their expectation, shape (n_bins, n_replicates).
    size
        Of the negative binomial, same shape; None is a Poisson.
    signal
        Of a mixture, whose likelihood is that of all counts of a bin together, over the number of replicates.

    Raises
    ------
    TechnoiseError
        If shapes differ, or there is signal on top of a Poisson.

    Notes
    -----
    The two are comparable: a model whose replicates are independent has the joint log-likelihood of a bin too, which is
    the sum over its replicates. What a mixture gains may be what replicates say about each other; without it is
    :func:`log_likelihoods_each`.
    """
    if signal is not None:
        return signal.log_likelihoods(counts, mean, _size_under(signal, size))
    return np.asarray(distribution.log_pmf(counts, mean, size).mean(axis=1), dtype=np.float64)


def log_likelihoods_each(counts: Counts, mean: Values, size: Values | None, signal: SignalPart | None = None) -> Values:
    """Return the mean over replicates of the log-likelihood of each count on its own in nats, shape (n_bins,).

    As if the other replicates of its bin were unknown. Arguments and errors as for :func:`log_likelihoods`, whose value
    it has where there is no signal part.
    """
    if signal is None:
        return log_likelihoods(counts, mean, size)
    return signal.log_likelihoods_each(counts, mean, _size_under(signal, size))


def held_out_metrics(
    counts: Counts, mean: Values, size: Values | None, *, seed: int, signal: SignalPart | None = None
) -> HeldOut:
    """Return what held-out bins say about a technical distribution.

    Parameters
    ----------
    counts, mean
        Reads and their expectation, shape (n_bins, n_replicates).
    size
        Of the negative binomial, same shape; None is a Poisson.
    seed
        Of the randomisation of the PIT; the same seed gives the same numbers.
    signal
        Of a mixture: ``nll``, ``nll_each``, ``pit_ks``, coverage and ``reads_per_expected`` are then those of both
        parts together, deviance and the correlations of residuals those of the technical part alone.

    Returns
    -------
    HeldOut
        ``nll``: negative log-likelihood of the counts of a bin together in nats, over the number of its replicates.
        ``nll_each``: that of each count on its own; only a mixture's differs from ``nll``. ``deviance``: mean unit
        deviance. ``pit_ks``: Kolmogorov-Smirnov distance of the randomised PIT from uniform, each count on its own.
        ``coverage_50`` ... ``coverage_99``: share of counts inside the central interval. ``residual_spearman``,
        ``quantile_spearman``, ``count_spearman``: rank correlation between replicates, mean over pairs; shared bias
        raises it too. ``reads_per_expected``: observed over expected reads. All are missing where a mean or size is not
        positive and finite, or a signal part not finite, as after a training that diverged.

    Raises
    ------
    TechnoiseError
        If shapes differ or there is no bin.
    """
    if counts.ndim != 2 or counts.shape != mean.shape or (size is not None and size.shape != mean.shape):
        shapes = f"counts {counts.shape}, mean {mean.shape}, size {None if size is None else size.shape}"
        raise TechnoiseError(f"{shapes}: each is (n_bins, n_replicates); pass rows of the same bins")
    names = ("nll", "nll_each", "deviance", "pit_ks", "quantile_spearman", "residual_spearman", "reads_per_expected")
    if not _usable(mean) or (size is not None and not _usable(size)):
        return HeldOut({}, dict.fromkeys(names, "a predicted mean or size is not positive and finite"))
    if signal is not None and not signal.usable:
        return HeldOut({}, dict.fromkeys(names, "the signal part of the mixture is not finite"))
    pit = pit_of(counts, mean, size, signal, seed)
    values = {
        "nll": -float(log_likelihoods(counts, mean, size, signal).mean()),
        "nll_each": -float(log_likelihoods_each(counts, mean, size, signal).mean()),
        "deviance": mean_deviance(counts, mean, size),
        "pit_ks": ks_uniform(pit).statistic,
        **{f"coverage_{round(100 * row.nominal)}": row.observed for row in calibration_table(pit)},
        "reads_per_expected": float(counts.sum() / (mean if signal is None else signal.expected(mean)).sum()),
    }
    found, missing = _between_replicates(counts, mean, size)
    return HeldOut(values | found, missing)


def pit_of(counts: Counts, mean: Values, size: Values | None, signal: SignalPart | None, seed: int) -> Values:
    """Return the randomised PIT of each count on its own, shape (n_bins * n_replicates,), bin after bin.

    Arguments as for :func:`held_out_metrics`; under a mixture it is that of both parts.
    """
    rng = np.random.default_rng(seed)
    if signal is not None:
        return signal.randomised_pit(counts, mean, _size_under(signal, size), rng).ravel()
    return randomised_pit(counts.ravel(), mean.ravel(), _raveled(size), rng)


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
        over all bins. ``nll_background``: over bins without signal, of a mixture by its technical part alone;
        ``nll_background_of_truth``: what the true distribution has there, which no model can beat but by chance.
        ``enriched_auroc``: how well the summed ``-log10 p`` of the replicates tells bins with signal from the others.
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


def _size_under(signal: SignalPart, size: Values | None) -> Values:
    if size is None:
        raise TechnoiseError(
            f"signal for {len(signal.log_odds)} bins on a Poisson: a mixture has a negative-binomial background; give "
            "the size"
        )
    return size


def _usable(values: Values) -> bool:
    return bool(np.isfinite(values).all() and (values > 0).all())


def _raveled(size: Values | None) -> Values | None:
    return None if size is None else size.ravel()


def _rms(values: Values) -> float:
    return float(np.sqrt(np.square(values).mean()))
