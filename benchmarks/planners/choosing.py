"""Which rate a method is reported at, and what searching fewer rates would have given."""

from collections.abc import Sequence
from math import comb

from benchmarks.planners.board import Board


def best_rate(board: Board, label: str) -> float:
    """Return the rate with the best mean score on *development* questions at the end of the budget.

    Ties are broken by the development loss, then by the smaller rate. A task without questions has no best rate: its
    first one is returned.
    """
    if not board.scored:
        return board.rates[0]
    return max(board.rates, key=lambda rate: _preference(board, label, rate))


def _preference(board: Board, label: str, rate: float) -> tuple[float, float, float]:
    return board.measure.sign * round(board.dev_score(label, rate), 12), -board.dev_loss(label, rate), -rate


def best_of(n: int, chosen_by: Sequence[float], reported: Sequence[float]) -> float:
    """Return the expected reported value of the best of n trials drawn without replacement.

    Parameters
    ----------
    n
        Trials, from 1 to all of them.
    chosen_by
        What the best trial is chosen by, the larger the better; ties go to the earlier one.
    reported
        What is reported of the chosen trial.

    Notes
    -----
    The exact expectation over all subsets: the trial of rank r among N, from 0 for the worst, is the best of
    ``comb(r, n - 1)`` of ``comb(N, n)`` of them. After Dodge et al., "Show Your Work" (arXiv 1909.03004), without
    replacement.

    Examples
    --------
    >>> best_of(1, [0.1, 0.3], [10.0, 20.0]), best_of(2, [0.1, 0.3], [10.0, 20.0])
    (15.0, 20.0)
    """
    order = sorted(range(len(chosen_by)), key=lambda index: (chosen_by[index], -index))
    subsets = comb(len(order), n)
    return sum(comb(rank, n - 1) * reported[index] for rank, index in enumerate(order)) / subsets


def best_of_curve(board: Board, label: str) -> tuple[float, ...]:
    """Return the expected test score of the best of 1, 2, ... rates, chosen on development questions."""
    chosen_by = [board.measure.sign * board.dev_score(label, rate) for rate in board.rates]
    reported = [float(board.test_score(label, rate).mean()) for rate in board.rates]
    return tuple(best_of(n, chosen_by, reported) for n in range(1, len(board.rates) + 1))


def window(board: Board, centre: float, down: float = 1 / 30, up: float = 3.0) -> tuple[float, ...]:
    """Return the rates from `down` to `up` times a rate, with a tenth of slack for grids of round numbers."""
    low, high = centre * down / 1.12, centre * up * 1.12
    return tuple(sorted(rate for rate in board.rates if low <= rate <= high))


def worst_in(board: Board, label: str, rates: Sequence[float]) -> tuple[float, float]:
    """Return the rate with the worst mean test score, and that mean."""
    means = {rate: float(board.test_score(label, rate).mean()) for rate in rates}
    worst = min(rates, key=lambda rate: board.measure.sign * means[rate])
    return worst, means[worst]
