"""Two runs on the same test questions: intervals and tests that use which questions each answered right."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from greenlight.compare.findings import CONFIDENCE, Finding, not_applicable
from greenlight.compare.records import RunRecord
from greenlight.errors import GreenlightError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Answers = NDArray[np.bool_]

MCNEMAR = "exact McNemar test"
BOOTSTRAP = "paired bootstrap (percentile)"
WILSON = "Wilson interval"
RESAMPLES = 10_000


@dataclass(frozen=True)
class Discordant:
    """On how many questions two runs agree and disagree."""

    both_right: int
    only_first: int
    only_second: int
    both_wrong: int

    @property
    def n(self) -> int:
        """Number of questions."""
        return self.both_right + self.only_first + self.only_second + self.both_wrong

    def swapped(self) -> Discordant:
        """Return the same counts with the runs exchanged."""
        return Discordant(self.both_right, self.only_second, self.only_first, self.both_wrong)


def wilson(record: RunRecord) -> Finding:
    """Return the proportion of right answers with Wilson's 95 % interval.

    Source: Wilson (1927), Probable inference, the law of succession, and statistical inference, JASA 22, 209-212.
    """
    if record.outcomes is None:
        return not_applicable(WILSON, record.run_id, 0, _why_none(record))
    from statsmodels.stats.proportion import proportion_confint

    n, right = len(record.outcomes), int(record.outcomes["correct"].sum())
    low, high = (float(bound) for bound in proportion_confint(right, n, alpha=1 - CONFIDENCE, method="wilson"))
    # Rounding in the formula must not put the estimate outside of its own interval.
    interval = (min(max(low, 0.0), right / n), max(min(high, 1.0), right / n))
    verdict = f"{right} of {n} questions right: {right / n:.1%}, 95 % interval {interval[0]:.1%} to {interval[1]:.1%}."
    return Finding(WILSON, record.run_id, n, estimate=right / n, interval=interval, verdict=verdict)


def align(first: RunRecord, second: RunRecord) -> tuple[Answers, Answers]:
    """Return which questions each run answered right, both of shape (questions,), in the order of the first run.

    Raises
    ------
    GreenlightError
        If a run has no outcomes or the runs answered different questions.
    """
    for record in (first, second):
        if record.outcomes is None:
            raise GreenlightError(f"{_why_none(record)}; only runs with stored outcomes can be paired")
    assert first.outcomes is not None
    assert second.outcomes is not None
    ours = first.outcomes.set_index("question_id")["correct"]
    theirs = second.outcomes.set_index("question_id")["correct"]
    if set(ours.index) != set(theirs.index):
        raise GreenlightError(
            f"runs {first.run_id} and {second.run_id} answered different questions ({len(ours)} and {len(theirs)}); "
            "test both on the same questions"
        )
    return ours.to_numpy(dtype=bool), theirs.loc[ours.index].to_numpy(dtype=bool)


def count(first: Answers, second: Answers) -> Discordant:
    """Return on how many questions two runs agree and disagree; both arrays of shape (questions,)."""
    return Discordant(
        both_right=int((first & second).sum()),
        only_first=int((first & ~second).sum()),
        only_second=int((~first & second).sum()),
        both_wrong=int((~first & ~second).sum()),
    )


def mcnemar(first_id: str, second_id: str, counts: Discordant) -> Finding:
    """Return the exact two-sided McNemar test that both runs are right equally often.

    The statistic is the smaller number of discordant questions, binomial with probability one half under the
    hypothesis. Source: McNemar (1947), Psychometrika 12, 153-157.
    """
    from statsmodels.stats.contingency_tables import mcnemar as exact_mcnemar

    table = [[counts.both_right, counts.only_first], [counts.only_second, counts.both_wrong]]
    result = exact_mcnemar(table, exact=True)
    verdict = (
        f"Of {counts.n} questions, {first_id} alone got {counts.only_first} right and "
        f"{second_id} alone {counts.only_second};"
    )
    return Finding(
        MCNEMAR,
        f"{first_id} against {second_id}",
        counts.n,
        estimate=(counts.only_first - counts.only_second) / counts.n,
        statistic=float(result.statistic),
        p_value=float(result.pvalue),
        verdict=verdict,
    )


def bootstrap_difference(
    first_id: str, second_id: str, first: Answers, second: Answers, *, seed: int = 0, resamples: int = RESAMPLES
) -> Finding:
    """Return the difference of the proportions with the percentile interval of a bootstrap over questions.

    Parameters
    ----------
    first_id, second_id
        The runs.
    first, second
        Which questions each answered right, shape (questions,).
    seed
        Of the resampling; the same seed gives the same interval.
    resamples
        How many times the questions are drawn with replacement.

    Notes
    -----
    The percentile interval and not BCa: with three possible differences per question the two agree closely, and BCa
    has no value where the runs differ on very few questions.
    """
    import numpy as np
    from scipy.stats import bootstrap

    subject, n = f"{first_id} against {second_id}", len(first)
    difference = first.astype(np.float64) - second.astype(np.float64)
    estimate = float(difference.mean())
    if np.ptp(difference) == 0:
        reason = f"the difference is the same on all {n} questions, so that resampling them cannot show its spread"
        return not_applicable(BOOTSTRAP, subject, n, reason, estimate=estimate)
    # Drawing pairs is drawing their differences: one sample instead of two, the same distribution.
    result = bootstrap(
        (difference,),
        np.mean,
        n_resamples=resamples,
        batch=max(1, 2_000_000 // n),
        vectorized=True,
        confidence_level=CONFIDENCE,
        method="percentile",
        rng=np.random.default_rng(seed),
    )
    interval = (float(result.confidence_interval.low), float(result.confidence_interval.high))
    assert all(math.isfinite(bound) for bound in interval)
    verdict = (
        f"{first_id} is {100 * estimate:+.1f} percentage points from {second_id}, 95 % interval "
        f"{100 * interval[0]:+.1f} to {100 * interval[1]:+.1f} (over {n} questions, these two training runs given)."
    )
    return Finding(BOOTSTRAP, subject, n, estimate=estimate, interval=interval, verdict=verdict)


def why_not_paired(first: RunRecord, second: RunRecord) -> str | None:
    """Return why two runs cannot be paired over questions, or None where they can."""
    reasons = [_why_none(record) for record in (first, second) if record.outcomes is None]
    return " and ".join(reasons) or None


def _why_none(record: RunRecord) -> str:
    return record.outcomes_missing or f"run {record.run_id} has no stored outcomes"
