"""The signal component of a mixture as plain arrays, as it is kept beside the predictions of a run."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.special import expit

from technoise import mixture
from technoise.errors import TechnoiseError
from technoise.mixture import LARGEST_LOG_SIZE, Signal

Counts = NDArray[np.int64]
Values = NDArray[np.float64]

_NAMES = ("log_odds", "log_fold", "log_weight")


@dataclass(frozen=True, eq=False)
class SignalPart:
    """What a mixture says of signal; see :class:`technoise.mixture.Signal`.

    Attributes
    ----------
    log_odds
        Shape (n_bins,).
    log_fold, log_weight
        Shape (n_nodes,).
    """

    log_odds: Values
    log_fold: Values
    log_weight: Values

    def __post_init__(self) -> None:
        """Raise unless the shapes belong together."""
        shapes = [getattr(self, name).shape for name in _NAMES]
        if [len(shape) for shape in shapes] != [1, 1, 1] or shapes[1] != shapes[2]:
            raise TechnoiseError(
                f"signal of shapes {shapes}: they are (n_bins,), (n_nodes,) and (n_nodes,); pass those of one mixture"
            )

    @property
    def usable(self) -> bool:
        """Whether all of it is finite, and no fold beyond what float64 holds, as after a training that diverged."""
        return all(bool((np.abs(getattr(self, name)) <= LARGEST_LOG_SIZE).all()) for name in _NAMES)

    @classmethod
    def stated(cls, signal: Signal) -> SignalPart:
        """Return the arrays of a network's signal."""
        return cls(*(getattr(signal, name).detach().double().cpu().numpy() for name in _NAMES))

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, NDArray[Any]]) -> SignalPart | None:
        """Return what :meth:`as_arrays` gave, or None where there is no signal among the arrays."""
        if "signal_log_odds" not in arrays:
            return None
        return cls(*(arrays[f"signal_{name}"] for name in _NAMES))

    def as_arrays(self) -> dict[str, NDArray[Any]]:
        """Return the arrays by name, for a file."""
        return {f"signal_{name}": getattr(self, name) for name in _NAMES}

    def of(self, rows: NDArray[Any]) -> SignalPart:
        """Return that of some bins, by index or by mask."""
        return SignalPart(self.log_odds[rows], self.log_fold, self.log_weight)

    def log_likelihoods(self, counts: Counts, mean: Values, size: Values) -> Values:
        """Return the joint log-likelihood of the counts of each bin over its number of replicates, shape (n_bins,)."""
        joint = mixture.bin_log_prob(*_tensors(counts, mean, size), self._signal())
        return np.asarray(joint.numpy() / counts.shape[1], dtype=np.float64)

    def log_likelihoods_each(self, counts: Counts, mean: Values, size: Values) -> Values:
        """Return the log-likelihood of each count on its own, mean over the replicates of each bin, shape (n_bins,)."""
        each = mixture.count_log_prob(*_tensors(counts, mean, size), self._signal())
        return np.asarray(each.numpy().mean(axis=1), dtype=np.float64)

    def posterior(self, counts: Counts, mean: Values, size: Values) -> Values:
        """Return the probability that each bin holds signal, given all of its counts, shape (n_bins,)."""
        return np.asarray(expit(mixture.log_posterior_odds(*_tensors(counts, mean, size), self._signal()).numpy()))

    def randomised_pit(self, counts: Counts, mean: Values, size: Values, rng: np.random.Generator) -> Values:
        """Return the randomised PIT of each count under both parts, shape (n_bins, n_replicates)."""
        return mixture.randomised_pit(counts, mean, size, self._signal(), rng)

    def expected(self, mean: Values) -> Values:
        """Return the expected reads, signal included, for technical means of shape (n_bins, n_replicates)."""
        share = expit(self.log_odds)
        lift = float((np.exp(self.log_weight) * np.expm1(self.log_fold)).sum())
        return np.asarray(mean * (1 + share * lift)[:, None], dtype=np.float64)

    def variance(self, mean: Values, size: Values) -> Values:
        """Return the variance of each count under both parts in reads², arguments and shape (n_bins, n_replicates)."""
        share = expit(self.log_odds)[:, None]
        square = (1 - share) * _second_moment(mean, size)
        for log_fold, log_weight in zip(self.log_fold, self.log_weight, strict=True):
            square += share * np.exp(log_weight) * _second_moment(mean * np.exp(log_fold), size)
        return np.asarray(square - np.square(self.expected(mean)), dtype=np.float64)

    def _signal(self) -> Signal:
        return Signal(*(torch.tensor(getattr(self, name)) for name in _NAMES))


def _second_moment(mean: Values, size: Values) -> Values:
    return mean + np.square(mean) * (1 + 1 / size)


def _tensors(counts: Counts, mean: Values, size: Values) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    # Copied: the counts of a table are not to be written to.
    return torch.tensor(counts), torch.from_numpy(np.log(mean)), torch.from_numpy(np.log(size))
