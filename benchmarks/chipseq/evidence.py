"""Whether one method is better than another: paired over simulation seeds, or over blocks of held-out bins."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product

import numpy as np
from numpy.typing import NDArray
from scipy import stats
from statsmodels.stats.multitest import multipletests

from benchmarks.chipseq.cells import Cell
from technoise.qc.blocks import block_difference

Values = NDArray[np.float64]
MOST_EXACT = 12  # seeds: 4,096 arrangements of signs


@dataclass(frozen=True)
class Difference:
    """A method's score less its rival's; less than zero is better for the method.

    Attributes
    ----------
    method, rival
        The two.
    estimate, low, high
        Mean difference with its 95 % interval: of t over seeds, of a bootstrap over blocks for real reads.
    p_t
        Of the paired t-test over seeds; None for real reads.
    p_flip
        Of the sign-flip test over seeds (exact up to twelve) or over blocks.
    p_holm
        The flip's after Holm's correction over the rivals (that of t, where there is one, in `p_t_holm`).
    n
        Seeds or blocks.
    """

    method: str
    rival: str
    estimate: float
    low: float
    high: float
    p_t: float | None
    p_flip: float
    n: int
    p_t_holm: float | None = None
    p_holm: float | None = None


def sign_flip(differences: Values) -> float:
    """Return the two-sided p-value that differences are symmetric about zero, over all arrangements of signs.

    Source: Fisher (1935), The design of experiments, 21.
    """
    if len(differences) > MOST_EXACT:
        raise ValueError(
            f"{len(differences)} differences: all signs are tried for at most {MOST_EXACT}; use fewer seeds"
        )
    signs = np.asarray(list(product((-1.0, 1.0), repeat=len(differences))))
    sums = np.abs(signs @ differences)
    return float((sums >= abs(differences.sum()) * (1 - 1e-12)).mean())


def over_seeds(cells: Sequence[Cell], method: str, metric: str) -> list[Difference]:
    """Return a method against every other that ran on the same seeds, corrected over them."""
    table = _by_method(cells, metric)
    found = []
    for rival, theirs in table.items():
        seeds = sorted(table[method].keys() & theirs.keys())
        if rival == method or len(seeds) < 3:
            continue
        differences = np.asarray([table[method][seed] - theirs[seed] for seed in seeds])
        test = stats.ttest_1samp(differences, 0.0)
        interval = test.confidence_interval(0.95)
        found.append(
            Difference(
                method,
                rival,
                float(differences.mean()),
                float(interval.low),
                float(interval.high),
                float(test.pvalue),
                sign_flip(differences),
                len(seeds),
            )
        )
    return _corrected(found)


def over_blocks(cells: Sequence[Cell], method: str) -> list[Difference]:
    """Return a method against every other over the held-out blocks of all turns together, corrected over them."""
    pooled: dict[str, tuple[Values, NDArray[np.int64]]] = {}
    for name in dict.fromkeys(cell.method for cell in cells):
        parts = sorted((cell for cell in cells if cell.method == name), key=lambda cell: cell.number)
        losses = [cell.losses for cell in parts if cell.losses is not None]
        numbers = [cell.blocks for cell in parts if cell.blocks is not None]
        pooled[name] = np.concatenate(losses), np.concatenate(numbers)
    found = []
    for rival, (theirs, blocks) in pooled.items():
        if rival == method:
            continue
        ours = pooled[method][0]
        difference = block_difference(ours, theirs, blocks, seed=0)
        found.append(
            Difference(
                method,
                rival,
                difference.estimate,
                difference.low,
                difference.high,
                None,
                difference.p_value,
                difference.n_blocks,
            )
        )
    return _corrected(found)


def _by_method(cells: Sequence[Cell], metric: str) -> dict[str, dict[int, float]]:
    table: dict[str, dict[int, float]] = {}
    for cell in cells:
        if metric in cell.scores:
            table.setdefault(cell.method, {})[cell.number] = cell.scores[metric]
    return table


def _corrected(found: list[Difference]) -> list[Difference]:
    if not found:
        return []
    flips = multipletests([one.p_flip for one in found], method="holm")[1]
    ts = [one.p_t for one in found if one.p_t is not None]
    of_t = multipletests(ts, method="holm")[1] if len(ts) == len(found) else [None] * len(found)
    return [
        Difference(
            **{
                **one.__dict__,
                "p_holm": float(flip),
                "p_t_holm": None if t is None else float(t),
            }
        )
        for one, flip, t in zip(found, flips, of_t, strict=True)
    ]
