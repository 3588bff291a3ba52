"""Two methods over the same seeds: what a difference between training runs says about the next training run."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import TYPE_CHECKING, Any

from greenlight.compare.columns import DEFAULT, Columns, at_path
from greenlight.compare.findings import CONFIDENCE, Finding, not_applicable
from greenlight.compare.records import RunRecord, method_of

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

T_TEST = "paired t-test over seeds"
WILCOXON = "Wilcoxon signed-rank test over seeds"
LEAST_SEEDS = 5


@dataclass(frozen=True)
class SeedGroup:
    """Runs that share the method and the configuration and differ by seed.

    Attributes
    ----------
    label
        The method; followed by the first run id where several configurations share it.
    run_ids
        The runs, in the order given.
    by_seed
        The primary metric by seed, without runs that lack either.
    problem
        Why the group cannot be paired by seed, or None.
    """

    label: str
    run_ids: tuple[str, ...]
    by_seed: dict[str, float]
    problem: str | None


def seed_groups(records: Sequence[RunRecord], columns: Columns = DEFAULT) -> list[SeedGroup]:
    """Return the runs grouped by method and configuration, in the order of their first run.

    Two runs belong together if their configurations are equal outside of ``columns.not_of_the_method``.
    """
    members: dict[tuple[str, str], list[RunRecord]] = {}
    for record in records:
        rest = json.dumps(_without(record.config, columns.not_of_the_method), sort_keys=True, default=str)
        members.setdefault((method_of(record, columns), rest), []).append(record)
    methods = [method for method, _ in members]
    groups = []
    for (method, _), runs in members.items():
        label = method if methods.count(method) == 1 else f"{method} ({runs[0].run_id})"
        groups.append(_group(label, runs, columns))
    return groups


def compare_over_seeds(groups: Sequence[SeedGroup]) -> tuple[list[Finding], list[Finding]]:
    """Return a paired t-test and a Wilcoxon signed-rank test for every pair of groups, before correction.

    With fewer than five common seeds both are not applicable: such a test can hardly find anything, and the checkpoints
    of one run are no substitute for runs.
    """
    t_tests, signed_ranks = [], []
    for first, second in combinations(groups, 2):
        subject = f"{first.label} against {second.label}"
        common = sorted(first.by_seed.keys() & second.by_seed.keys())
        reason = first.problem or second.problem or _too_few(len(common))
        if reason is not None:
            t_tests.append(not_applicable(T_TEST, subject, len(common), reason))
            signed_ranks.append(not_applicable(WILCOXON, subject, len(common), reason))
            continue
        import numpy as np

        ours = np.array([first.by_seed[seed] for seed in common])
        theirs = np.array([second.by_seed[seed] for seed in common])
        t_tests.append(_t_test(subject, ours, theirs))
        signed_ranks.append(_signed_rank(subject, ours, theirs))
    return t_tests, signed_ranks


def _t_test(subject: str, ours: NDArray[np.float64], theirs: NDArray[np.float64]) -> Finding:
    import numpy as np
    from scipy.stats import ttest_rel

    n, difference = len(ours), ours - theirs
    estimate = float(difference.mean())
    # Differences that are equal but for rounding have no variance that a t statistic could be divided by.
    if np.ptp(difference) <= 1e-12 * max(1.0, float(np.abs(difference).max())):
        reason = f"the difference is {estimate:+.4g} for every one of the {n} seeds and so has no variance"
        return not_applicable(T_TEST, subject, n, reason, estimate=estimate)
    result = ttest_rel(ours, theirs)
    bounds = result.confidence_interval(CONFIDENCE)
    interval = (float(bounds.low), float(bounds.high))
    verdict = (
        f"Over {n} common seeds the mean difference is {estimate:+.4g}, 95 % interval {interval[0]:+.4g} to "
        f"{interval[1]:+.4g};"
    )
    return Finding(
        T_TEST,
        subject,
        n,
        estimate=estimate,
        interval=interval,
        statistic=float(result.statistic),
        p_value=float(result.pvalue),
        verdict=verdict,
    )


def _signed_rank(subject: str, ours: NDArray[np.float64], theirs: NDArray[np.float64]) -> Finding:
    import numpy as np
    from scipy.stats import PermutationMethod, wilcoxon

    # Proportions such as 0.3 - 0.2 and 0.2 - 0.1 are ties, whatever their last bits say.
    n, difference = len(ours), np.round(ours - theirs, 12)
    used = int(np.count_nonzero(difference))
    if used == 0:
        return not_applicable(WILCOXON, subject, n, f"the difference is zero for every one of the {n} seeds")
    distinct = len(np.unique(np.abs(difference))) == n and used == n
    # Ties and zeros break the tabulated distribution: all sign patterns are tried instead, or 8192 at random if more.
    method = "exact" if distinct and n <= 50 else PermutationMethod(n_resamples=2**13, rng=np.random.default_rng(0))
    result = wilcoxon(difference, zero_method="wilcox", method=method)
    verdict = (
        f"Over {n} common seeds {int((difference > 0).sum())} differences are positive and "
        f"{int((difference < 0).sum())} negative (the smallest p that {used} non-zero differences can give is "
        f"{2.0 ** (1 - used):.2g});"
    )
    return Finding(
        WILCOXON,
        subject,
        n,
        estimate=float(np.median(difference)),
        statistic=float(result.statistic),
        p_value=float(result.pvalue),
        verdict=verdict,
    )


def _group(label: str, runs: Sequence[RunRecord], columns: Columns) -> SeedGroup:
    by_seed: dict[str, float] = {}
    problem: str | None = None
    for record in runs:
        seed, score = at_path(record.config, columns.seed), record.summary.get(columns.primary)
        if seed is None:
            problem = problem or f"the configuration of run {record.run_id} has no {columns.seed}"
        elif str(seed) in by_seed:
            problem = problem or f"seed {seed} occurs in more than one run of {label}"
        elif isinstance(score, int | float) and not isinstance(score, bool) and math.isfinite(score):
            by_seed[str(seed)] = float(score)
    return SeedGroup(label, tuple(record.run_id for record in runs), by_seed, problem)


def _too_few(common: int) -> str | None:
    if common >= LEAST_SEEDS:
        return None
    have = (
        "there is no common seed"
        if common == 0
        else f"there {'is 1 common seed' if common == 1 else f'are {common} common seeds'}"
    )
    return f"{have}; at least {LEAST_SEEDS} are needed"


def _without(config: Mapping[str, Any], paths: Sequence[str]) -> dict[str, Any]:
    """Return a configuration without the values at some dotted paths."""
    kept: dict[str, Any] = {}
    for name, value in config.items():
        if name in paths:
            continue
        inner = [path.removeprefix(f"{name}.") for path in paths if path.startswith(f"{name}.")]
        kept[name] = _without(value, inner) if isinstance(value, Mapping) else value
    return kept
