"""Whether a difference between methods is more than noise: intervals over questions and seeds, and paired tests."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from benchmarks.planners.board import Board
from greenlight.compare.findings import CONFIDENCE, Finding, holm, not_applicable
from greenlight.compare.paired import count, mcnemar
from greenlight.compare.seeds import SeedGroup, compare_over_seeds

RESAMPLES = 10_000


@dataclass(frozen=True)
class Estimate:
    """A mean with its 95 % interval, in the measure's own values: shares from -1 to 1, or nats."""

    value: float
    low: float
    high: float


@dataclass(frozen=True)
class Duel:
    """One method against a rival at one rate each, differences as first minus second.

    Attributes
    ----------
    first, first_rate, second, second_rate
        The methods' labels and rates.
    difference
        Of the test score, with the interval over questions and seeds.
    t_test, signed_rank
        Paired over seeds, corrected over the rivals of the same question.
    per_seed
        Paired tests over questions, one per seed, corrected over all seeds and rivals: McNemar's exact one of right
        answers, Wilcoxon's signed ranks of losses.
    """

    first: str
    first_rate: float
    second: str
    second_rate: float
    difference: Estimate
    t_test: Finding
    signed_rank: Finding
    per_seed: tuple[Finding, ...]


def over_questions_and_seeds(values: NDArray[np.float64], *, seed: int = 0, resamples: int = RESAMPLES) -> Estimate:
    """Return the mean of a table with the percentile interval of a bootstrap over its rows and its columns at once.

    Parameters
    ----------
    values
        Shape (seeds, questions): scores, or differences of scores.
    seed
        Of the resampling.
    resamples
        How many times seeds and questions are drawn with replacement.

    Notes
    -----
    The bootstrap of crossed factors (Owen 2007, The pigeonhole bootstrap, Annals of Applied Statistics 1, 386-411),
    which errs on the wide side.
    """
    seeds, questions = values.shape
    rows, columns = _drawn(seeds, questions, seed, resamples)
    means = np.einsum("bq,bq->b", rows @ values, columns) / (seeds * questions)
    tail = 100 * (1 - CONFIDENCE) / 2
    low, high = np.percentile(means, [tail, 100 - tail])
    return Estimate(float(values.mean()), float(low), float(high))


@lru_cache(maxsize=1)
def _drawn(seeds: int, questions: int, seed: int, resamples: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return how often each seed and each question is drawn; kept, since all methods share them."""
    generator = np.random.default_rng(seed)
    rows = generator.multinomial(seeds, np.full(seeds, 1 / seeds), size=resamples)
    columns = generator.multinomial(questions, np.full(questions, 1 / questions), size=resamples)
    return rows.astype(np.float64), columns.astype(np.float64)


def score(board: Board, label: str, rate: float) -> Estimate:
    """Return a method's test score at a rate."""
    return over_questions_and_seeds(board.values(label, rate))


def difference(board: Board, first: tuple[str, float], second: tuple[str, float]) -> Estimate:
    """Return the difference of the test scores of two methods at one rate each."""
    return over_questions_and_seeds(board.values(*first) - board.values(*second))


def duels(board: Board, first: tuple[str, float], rivals: Sequence[tuple[str, float]]) -> tuple[Duel, ...]:
    """Return one method against each of its rivals, with Holm's correction over the rivals.

    Parameters
    ----------
    board
        The cells.
    first, rivals
        Label and rate.
    """
    t_tests: list[Finding] = []
    signed_ranks: list[Finding] = []
    per_seed: list[Finding] = []
    for rival in rivals:
        groups = [_group(board, *first), _group(board, *rival)]
        over_t, over_ranks = compare_over_seeds(groups)
        t_tests += over_t
        signed_ranks += over_ranks
        per_seed += [_over_questions(board, first, rival, index) for index in range(len(board.seeds))]
    t_tests, signed_ranks, per_seed = holm(t_tests), holm(signed_ranks), holm(per_seed)
    seeds = len(board.seeds)
    return tuple(
        Duel(
            *first,
            *rival,
            difference(board, first, rival),
            t_tests[place],
            signed_ranks[place],
            tuple(per_seed[place * seeds : (place + 1) * seeds]),
        )
        for place, rival in enumerate(rivals)
    )


def median_interval(values: Sequence[float]) -> tuple[float, float, float, bool]:
    """Return median, lower and upper bound, and whether these are the exact 95 % interval of the median.

    From order statistics, which needs six values; of fewer the range is returned.
    """
    from scipy.stats import quantile_test

    array = np.asarray(values, dtype=np.float64)
    bounds = quantile_test(array, q=float(np.median(array)), p=0.5).confidence_interval(CONFIDENCE)
    low, high = float(bounds.low), float(bounds.high)
    exact = bool(np.isfinite([low, high]).all())
    if not exact:
        low, high = float(array.min()), float(array.max())
    return float(np.median(array)), low, high, exact


def _over_questions(board: Board, first: tuple[str, float], second: tuple[str, float], index: int) -> Finding:
    """Return the paired test of one seed, whose questions are the observations."""
    ours, theirs = (f"{_name(*method)} seed {board.seeds[index]}" for method in (first, second))
    if board.measure.kind == "right":
        return mcnemar(ours, theirs, count(board.right(*first)[index], board.right(*second)[index]))
    return signed_ranks(ours, theirs, board.values(*first)[index] - board.values(*second)[index])


def signed_ranks(first: str, second: str, differences: NDArray[np.float64]) -> Finding:
    """Return Wilcoxon's signed-rank test that differences of losses, shape (questions,), lie about zero."""
    from scipy.stats import wilcoxon

    method, subject, n = "Wilcoxon signed-rank test over questions", f"{first} against {second}", len(differences)
    if not differences.any():
        return not_applicable(method, subject, n, f"the difference is zero on every one of the {n} questions")
    result = wilcoxon(differences)
    lower = int((differences < 0).sum())
    return Finding(
        method,
        subject,
        n,
        estimate=float(differences.mean()),
        statistic=float(result.statistic),
        p_value=float(result.pvalue),
        verdict=f"Of {n} questions, {first} has the lower loss on {lower};",
    )


def _group(board: Board, label: str, rate: float) -> SeedGroup:
    values = board.test_score(label, rate)
    by_seed = {str(seed): float(value) for seed, value in zip(board.seeds, values, strict=True)}
    return SeedGroup(_name(label, rate), tuple(f"{_name(label, rate)}-s{seed}" for seed in board.seeds), by_seed, None)


def _name(label: str, rate: float) -> str:
    return f"{label} at {rate:g}"
