"""Whether differences between runs are more than noise: the content of ``comparison/significance.json``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import combinations
from typing import Any

from greenlight.compare.columns import DEFAULT, Columns
from greenlight.compare.findings import ALPHA, CONFIDENCE, Finding, holm, not_applicable
from greenlight.compare.paired import (
    BOOTSTRAP,
    MCNEMAR,
    WILSON,
    Discordant,
    align,
    bootstrap_difference,
    count,
    mcnemar,
    why_not_paired,
    wilson,
)
from greenlight.compare.records import RunRecord
from greenlight.compare.seeds import SeedGroup, compare_over_seeds, seed_groups

__all__ = ["Finding", "PairComparison", "Significance", "compare_runs"]

_SCOPE_QUESTIONS = (
    "Tests over questions say whether these trained models differ on questions like the tested ones; "
    "they say nothing about another training run with another seed."
)
_SCOPE_SEEDS = "Tests over seeds say whether one method beats the other when trained again; runs are paired by seed."


@dataclass(frozen=True)
class PairComparison:
    """Two runs over the same questions; differences are `first` minus `second`."""

    first: str
    second: str
    counts: Discordant | None
    test: Finding
    difference: Finding

    def swapped(self) -> PairComparison:
        """Return the same comparison seen from the other run; the sentences stay as they are."""
        interval = self.difference.interval
        turned = replace(
            self.difference,
            estimate=_negated(self.difference.estimate),
            interval=None if interval is None else (-interval[1], -interval[0]),
        )
        counts = None if self.counts is None else self.counts.swapped()
        test = replace(self.test, estimate=_negated(self.test.estimate))
        return PairComparison(self.second, self.first, counts, test, turned)


@dataclass(frozen=True)
class Significance:
    """All findings of one comparison.

    Attributes
    ----------
    intervals
        The proportion of right answers of every run, by run id.
    pairs
        Every pair of runs, in the order given.
    groups
        The runs grouped by method and configuration.
    over_seeds
        For every pair of groups a paired t-test and a Wilcoxon signed-rank test.
    """

    intervals: dict[str, Finding]
    pairs: tuple[PairComparison, ...]
    groups: tuple[SeedGroup, ...]
    over_seeds: tuple[Finding, ...]

    def between(self, first: str, second: str) -> PairComparison | None:
        """Return the comparison of two runs, its differences as `first` minus `second`."""
        for pair in self.pairs:
            if (pair.first, pair.second) == (first, second):
                return pair
            if (pair.first, pair.second) == (second, first):
                return pair.swapped()
        return None

    def as_json(self, notes: Mapping[str, Any] | None = None) -> dict[str, Any]:
        """Return the content of significance.json; `notes` are further entries, such as reasons for missing values."""
        return {
            "alpha": ALPHA,
            "confidence": CONFIDENCE,
            "scope": {"over_questions": _SCOPE_QUESTIONS, "over_seeds": _SCOPE_SEEDS},
            "intervals": {run_id: finding.as_json() for run_id, finding in self.intervals.items()},
            "pairs": [
                {
                    "first": pair.first,
                    "second": pair.second,
                    "questions": None
                    if pair.counts is None
                    else {
                        "both_right": pair.counts.both_right,
                        "only_first_right": pair.counts.only_first,
                        "only_second_right": pair.counts.only_second,
                        "both_wrong": pair.counts.both_wrong,
                    },
                    "mcnemar": pair.test.as_json(),
                    "bootstrap": pair.difference.as_json(),
                }
                for pair in self.pairs
            ],
            "over_seeds": [finding.as_json() for finding in self.over_seeds],
            **(notes or {}),
        }


def compare_runs(records: Sequence[RunRecord], columns: Columns = DEFAULT, *, seed: int = 0) -> Significance:
    """Return intervals for every run, paired tests for every pair of runs, and tests over seeds.

    Parameters
    ----------
    records
        Runs that :func:`greenlight.compare.records.check_comparable` accepts.
    columns
        Where seed, method and primary metric are.
    seed
        Of the bootstrap.

    Raises
    ------
    GreenlightError
        If two runs answered different questions.
    """
    if columns.score_is_proportion:
        intervals = {record.run_id: wilson(record) for record in records}
    else:
        reason = f"{columns.score} is not a proportion of right answers"
        intervals = {record.run_id: not_applicable(WILSON, record.run_id, 0, reason) for record in records}
    pairs = [_pair(first, second, seed) for first, second in combinations(records, 2)]
    tests = holm([pair.test for pair in pairs])
    groups = seed_groups(records, columns)
    t_tests, signed_ranks = compare_over_seeds(groups)
    return Significance(
        intervals=intervals,
        pairs=tuple(replace(pair, test=test) for pair, test in zip(pairs, tests, strict=True)),
        groups=tuple(groups),
        over_seeds=(*holm(t_tests), *holm(signed_ranks)),
    )


def _pair(first: RunRecord, second: RunRecord, seed: int) -> PairComparison:
    subject = f"{first.run_id} against {second.run_id}"
    reason = why_not_paired(first, second)
    if reason is not None:
        return PairComparison(
            first.run_id,
            second.run_id,
            None,
            not_applicable(MCNEMAR, subject, 0, reason),
            not_applicable(BOOTSTRAP, subject, 0, reason),
        )
    ours, theirs = align(first, second)
    counts = count(ours, theirs)
    return PairComparison(
        first.run_id,
        second.run_id,
        counts,
        mcnemar(first.run_id, second.run_id, counts),
        bootstrap_difference(first.run_id, second.run_id, ours, theirs, seed=seed),
    )


def _negated(value: float | None) -> float | None:
    return None if value is None else 0.0 - value
