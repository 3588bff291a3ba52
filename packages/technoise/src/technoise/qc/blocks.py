"""Whether one model predicts held-out bins better than another, with whole blocks of the genome as observations.

Neighbouring bins share reads, bias and signal: tested as if they were independent, any two models differ. Blocks that
are longer than what neighbours share are the observations instead.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from technoise.errors import TechnoiseError

Values = NDArray[np.float64]

LEAST_BLOCKS = 6  # with five, the smallest p-value that signs can give is 0.06
_RESAMPLES = 10_000


@dataclass(frozen=True)
class BlockDifference:
    """The difference of two models' losses over blocks of held-out bins.

    Attributes
    ----------
    estimate
        Mean loss of the first less that of the second per bin; below zero the first is better.
    low, high
        95 % percentile interval of a bootstrap over blocks.
    p_value
        Two-sided, of the sign-flip test that the blocks' differences are symmetric about zero.
    n_blocks, n_bins
        What it rests on.
    """

    estimate: float
    low: float
    high: float
    p_value: float
    n_blocks: int
    n_bins: int

    def swapped(self) -> BlockDifference:
        """Return the same comparison seen from the other model."""
        return replace(self, estimate=-self.estimate, low=-self.high, high=-self.low)


def block_difference(first: Values, second: Values, blocks: NDArray[np.int64], *, seed: int) -> BlockDifference:
    """Return the paired difference of two models with its interval and test over blocks.

    Parameters
    ----------
    first, second
        Loss of each bin under the two models, shape (n_bins,), lower is better.
    blocks
        Number of the block of each bin, shape (n_bins,).
    seed
        Of the bootstrap and the sign flips.

    Raises
    ------
    TechnoiseError
        If the shapes differ, a loss is not finite, or there are fewer than six blocks.

    Notes
    -----
    Both resample sums of blocks, so that a block counts by its bins. The interval of a bootstrap over few blocks is too
    narrow; the test is exact whatever their number, up to its 10,000 random flips. Sources: Efron and Tibshirani
    (1993), An introduction to the bootstrap, 13; Fisher (1935), The design of experiments, 21, for the flips.
    """
    if not first.shape == second.shape == blocks.shape or first.ndim != 1:
        raise TechnoiseError(
            f"losses of shape {first.shape} and {second.shape} with blocks of {blocks.shape}: one of each per bin; "
            "pass the same bins"
        )
    difference = first - second
    if not np.isfinite(difference).all():
        raise TechnoiseError("a loss that is not finite: a difference needs finite losses; leave that model out")
    names, block = np.unique(blocks, return_inverse=True)
    if len(names) < LEAST_BLOCKS:
        raise TechnoiseError(
            f"{len(names)} blocks: a test over blocks takes {LEAST_BLOCKS} or more; choose shorter blocks or more bins"
        )
    sums = np.bincount(block, weights=difference)
    bins = np.bincount(block).astype(np.float64)
    rng = np.random.default_rng(seed)
    resampled, flipped = [], []
    for n in _chunks(len(names)):
        # A bootstrap over blocks is a multinomial number of copies of each.
        copies = rng.multinomial(len(names), np.full(len(names), 1 / len(names)), size=n).astype(np.float64)
        resampled.append((copies @ sums) / (copies @ bins))
        flipped.append(np.abs(rng.choice((-1.0, 1.0), size=(n, len(names))) @ sums))
    low, high = np.quantile(np.concatenate(resampled), (0.025, 0.975))
    # Equal sums differ by rounding; the observed arrangement counts as one of the flips.
    as_extreme = int((np.concatenate(flipped) >= abs(sums.sum()) * (1 - 1e-12)).sum())
    return BlockDifference(
        estimate=float(sums.sum() / bins.sum()),
        low=float(low),
        high=float(high),
        p_value=(1 + as_extreme) / (1 + _RESAMPLES),
        n_blocks=len(names),
        n_bins=len(first),
    )


def _chunks(n_blocks: int) -> list[int]:
    """Return how many resamples are drawn at once: as many as a few million numbers hold."""
    most = max(1, 4_000_000 // n_blocks)
    return [min(most, _RESAMPLES - at) for at in range(0, _RESAMPLES, most)]
