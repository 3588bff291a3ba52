"""Technical noise with signal on top in some bins: a two-component model of the counts of all replicates of a bin.

A bin is background or holds signal. In the background its replicates are independent negative binomials with the
technical means m and sizes r. Signal multiplies the mean of *all* replicates of the bin by one fold, which is
integrated out over a few nodes; the size stays. Fitted by the likelihood of both together, background is no longer bent
towards the signal: with 4 % of bins at sixfold signal one negative binomial for all bins takes a size three times too
small.

With ``c = fold - 1`` and ``s = m / (m + r)`` a count is likelier under a fold by ``y log(fold) - (y + r) log1p(s c)``
nats, which is how everything here is computed: nothing cancels, and the size may be as large as a Poisson's.

Sources: Kuan et al. (2011), A statistical framework for the analysis of ChIP-Seq data, JASA 106, 891-903, for a
negative-binomial background with signal on top; Golub and Welsch (1969) for the quadrature.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from technoise import distribution, negative_binomial
from technoise.checks import counts_as_float64, require_equal_shapes
from technoise.errors import TechnoiseError
from technoise.residuals import open_uniform

Floats = NDArray[np.float64]

N_NODES = 7
LARGEST_LOG_SIZE = 700.0  # exp of more is near the end of float64


@dataclass(frozen=True, eq=False)
class Signal:
    """What signal does where there is some.

    Attributes
    ----------
    log_odds
        Natural logarithm of the odds that a bin holds signal before its counts are seen, shape (n_bins,).
    log_fold
        Natural logarithms of the folds that signal can have over the technical mean, none negative, shape (n_nodes,).
    log_weight
        Natural logarithms of their probabilities, which sum to one, shape (n_nodes,).
    """

    log_odds: Tensor
    log_fold: Tensor
    log_weight: Tensor

    def __post_init__(self) -> None:
        """Raise unless the shapes belong together."""
        require_equal_shapes(log_fold=self.log_fold, log_weight=self.log_weight)
        if self.log_odds.ndim != 1 or self.log_fold.ndim != 1:
            raise TechnoiseError(
                f"log_odds of shape {tuple(self.log_odds.shape)} and log_fold of {tuple(self.log_fold.shape)}: they "
                "are (n_bins,) and (n_nodes,); flatten them"
            )


def log_normal_excess(log_odds: Tensor, log_median: Tensor, log_sd: Tensor, n_nodes: int = N_NODES) -> Signal:
    """Return signal whose excess, the fold less one, is log-normal, by Gauss-Hermite quadrature in float64.

    Parameters
    ----------
    log_odds
        Of signal, shape (n_bins,).
    log_median, log_sd
        Natural logarithms of the median of the excess and of the standard deviation of its logarithm; single numbers.
    n_nodes
        Of the quadrature, at least one.
    """
    if log_median.ndim or log_sd.ndim:
        raise TechnoiseError(
            f"log_median of shape {tuple(log_median.shape)} and log_sd of {tuple(log_sd.shape)}: all bins share the "
            "distribution of the excess; give single numbers"
        )
    place, weight = np.polynomial.hermite_e.hermegauss(n_nodes)
    nodes = torch.from_numpy(place).to(log_median.device)
    log_excess = log_median.double() + log_sd.double().exp() * nodes
    log_weight = torch.from_numpy(np.log(weight / weight.sum())).to(log_median.device)
    # log(1 + excess), for any excess; softplus would be replaced by its asymptote from 20 on.
    return Signal(log_odds, torch.logaddexp(log_excess, torch.zeros_like(log_excess)), log_weight)


def bin_log_prob(counts: Tensor, log_mean: Tensor, log_size: Tensor, signal: Signal) -> Tensor:
    """Return the log-probability of all counts of a bin together in nats, float64, shape (n_bins,).

    Parameters
    ----------
    counts
        Reads, whole numbers, shape (n_bins, n_replicates).
    log_mean, log_size
        Natural logarithms of the technical mean and size, same shape; the log size is at most 700.
    signal
        For the same bins.

    Raises
    ------
    TechnoiseError
        For shapes that do not belong together, what is not a count, or a larger size.
    """
    background = negative_binomial.log_prob(counts, log_mean.double(), log_size.double()).sum(dim=1)
    return background + _gain_of_mixture(_gain(counts, log_mean, log_size, signal).sum(dim=1), signal)


def count_log_prob(counts: Tensor, log_mean: Tensor, log_size: Tensor, signal: Signal) -> Tensor:
    """Return the log-probability of each count on its own, as if the others of its bin were unknown.

    Arguments as for :func:`bin_log_prob`; shape (n_bins, n_replicates). What the joint log-probability has more than
    the sum of these is what replicates say about each other.
    """
    background = negative_binomial.log_prob(counts, log_mean.double(), log_size.double())
    gain = _gain(counts, log_mean, log_size, signal)
    replicates = [_gain_of_mixture(gain[:, index], signal) for index in range(counts.shape[1])]
    return background + torch.stack(replicates, dim=1)


def log_posterior_odds(counts: Tensor, log_mean: Tensor, log_size: Tensor, signal: Signal) -> Tensor:
    """Return the log odds that each bin holds signal, given all of its counts, shape (n_bins,).

    Arguments as for :func:`bin_log_prob`.
    """
    gain = _gain(counts, log_mean, log_size, signal).sum(dim=1)
    return signal.log_odds.double() + torch.logsumexp(gain + signal.log_weight.double(), dim=1)


def randomised_pit(
    counts: NDArray[np.int64], mean: Floats, size: Floats, signal: Signal, rng: np.random.Generator
) -> Floats:
    """Return the randomised PIT of each count under the mixture, shape (n_bins, n_replicates).

    Parameters
    ----------
    counts, mean, size
        Reads, technical mean and size, each (n_bins, n_replicates).
    signal
        For the same bins.
    rng
        Draws the place within the jump of each count, in the order of the array.

    Notes
    -----
    As :func:`technoise.calibration.randomised_pit`, each count on its own.
    """
    _check(tuple(counts.shape), signal)
    y = np.asarray(counts, dtype=np.float64)
    probability = signal.log_odds.detach().double().sigmoid().cpu().numpy()[:, None]
    folds = np.r_[1.0, signal.log_fold.detach().exp().cpu().numpy()]
    weights = [1 - probability, *(probability * w for w in signal.log_weight.detach().exp().cpu().numpy())]
    place = open_uniform(rng, y.shape)
    value = np.zeros_like(y)
    for fold, weight in zip(folds, weights, strict=True):
        below = distribution.lower_tail_below(y, mean * fold, size)
        up_to = distribution.cdf(y, mean * fold, size)
        value += weight * ((1 - place) * below + place * up_to)
    return np.asarray(np.clip(value, 0.0, 1.0), dtype=np.float64)


def _gain(counts: Tensor, log_mean: Tensor, log_size: Tensor, signal: Signal) -> Tensor:
    """Return by how many nats each count is likelier under each fold, shape (n_bins, n_replicates, n_nodes)."""
    require_equal_shapes(counts=counts, log_mean=log_mean, log_size=log_size)
    _check(tuple(counts.shape), signal)
    largest = float(log_size.detach().max()) if log_size.numel() else 0.0
    if largest > LARGEST_LOG_SIZE:
        raise TechnoiseError(
            f"log size of {largest:g}: a mixture takes at most {LARGEST_LOG_SIZE:g}, far beyond where a negative "
            "binomial is a Poisson; check the fit"
        )
    y, size = counts_as_float64(counts).unsqueeze(2), log_size.double().exp().unsqueeze(2)
    share = torch.sigmoid(log_mean.double() - log_size.double()).unsqueeze(2)
    log_fold = signal.log_fold.double()
    return y * log_fold - (y + size) * torch.log1p(share * torch.expm1(log_fold))


def _gain_of_mixture(gain: Tensor, signal: Signal) -> Tensor:
    """Return by how much the mixture is likelier than background, from the gains of the nodes (n_bins, n_nodes)."""
    log_odds = signal.log_odds.double()
    of_signal = torch.logsumexp(gain + signal.log_weight.double(), dim=1)
    return torch.logaddexp(functional.logsigmoid(-log_odds), functional.logsigmoid(log_odds) + of_signal)


def _check(shape: tuple[int, ...], signal: Signal) -> None:
    if len(shape) != 2 or len(signal.log_odds) != shape[0]:
        raise TechnoiseError(
            f"counts of shape {shape} and log_odds of {tuple(signal.log_odds.shape)}: they are (n_bins, n_replicates) "
            "and (n_bins,); pass the same bins"
        )
