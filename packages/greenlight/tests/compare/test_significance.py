import math
from itertools import product

import numpy as np
import pytest
from scipy import stats

from greenlight.compare.findings import Finding, holm
from greenlight.compare.paired import bootstrap_difference, count, mcnemar, wilson
from greenlight.compare.significance import compare_runs


def binomial_two_sided(first, second):
    n, smaller = first + second, min(first, second)
    tail = sum(math.comb(n, k) for k in range(smaller + 1)) / 2**n
    return min(1.0, 2 * tail)


@pytest.mark.parametrize(("first", "second"), [(0, 0), (1, 0), (5, 5), (3, 12), (40, 17)])
def test_mcnemar_is_the_exact_binomial_test_of_the_discordant_questions(first, second):
    ours = np.array([1] * first + [0] * second + [1] * 30 + [0] * 20, dtype=bool)
    theirs = np.array([0] * first + [1] * second + [1] * 30 + [0] * 20, dtype=bool)
    counts = count(ours, theirs)
    assert (counts.only_first, counts.only_second, counts.both_right, counts.both_wrong) == (first, second, 30, 20)
    assert math.isclose(mcnemar("a", "b", counts).p_value, binomial_two_sided(first, second), rel_tol=1e-9)


def test_mcnemar_is_wrong_at_most_as_often_as_it_says():
    rng = np.random.default_rng(0)
    rejected = 0
    for _ in range(400):
        difficulty = rng.random(120)
        ours, theirs = rng.random(120) < difficulty, rng.random(120) < difficulty
        rejected += mcnemar("a", "b", count(ours, theirs)).p_value < 0.05
    assert rejected / 400 < 0.07


@pytest.mark.parametrize(("right", "n"), [(0, 40), (7, 40), (40, 40)])
def test_the_interval_of_a_score_is_wilsons(make_run, right, n):
    finding = wilson(make_run("a", [1] * right + [0] * (n - right)))
    z = stats.norm.ppf(0.975)
    center = (right + z**2 / 2) / (n + z**2)
    half = z / (n + z**2) * math.sqrt(right * (n - right) / n + z**2 / 4)
    assert finding.interval == pytest.approx((max(0, center - half), min(1, center + half)), abs=1e-9)


def test_the_paired_bootstrap_agrees_with_a_loop_over_resamples():
    rng = np.random.default_rng(1)
    ours = rng.random(150) < 0.7
    theirs = np.where(rng.random(150) < 0.6, ours, rng.random(150) < 0.5)
    drawn = [rng.integers(0, 150, 150) for _ in range(8000)]
    loop = np.quantile([ours[rows].mean() - theirs[rows].mean() for rows in drawn], [0.025, 0.975])
    finding = bootstrap_difference("a", "b", ours, theirs)
    assert finding.estimate == pytest.approx(ours.mean() - theirs.mean())
    assert finding.interval == pytest.approx(tuple(loop), abs=0.012)
    assert finding.interval == bootstrap_difference("a", "b", ours, theirs).interval


def test_a_difference_without_spread_has_no_interval_but_a_reason():
    same = np.array([True, False, True])
    finding = bootstrap_difference("a", "b", same, same)
    assert finding.interval is None
    assert finding.not_applicable


def test_holm_corrects_as_by_hand():
    corrected = holm([Finding("m", str(p), 10, p_value=p, verdict="x") for p in (0.01, 0.04, 0.03)])
    assert [finding.p_holm for finding in corrected] == pytest.approx([0.03, 0.06, 0.06])


def test_every_pair_is_tested_over_its_questions_and_corrected_together(make_run):
    runs = [make_run("proposed", accuracy=0.8), make_run("comparative-1"), make_run("comparative-2", accuracy=0.3)]
    found = compare_runs(runs)
    assert {(pair.first, pair.second) for pair in found.pairs} == {
        ("proposed", "comparative-1"),
        ("proposed", "comparative-2"),
        ("comparative-1", "comparative-2"),
    }
    raw = [pair.test.p_value for pair in found.pairs]
    assert all(p <= pair.test.p_holm for p, pair in zip(raw, found.pairs, strict=True))
    forth, back = found.between("proposed", "comparative-1"), found.between("comparative-1", "proposed")
    assert forth.difference.estimate == -back.difference.estimate
    assert forth.counts.only_first == back.counts.only_second


def test_runs_without_stored_outcomes_are_not_paired(make_run):
    found = compare_runs([make_run("proposed"), make_run("baseline", with_outcomes=False)])
    assert found.pairs[0].test.p_value is None
    assert "outcomes" in found.pairs[0].test.not_applicable


def seeds(make_run, count, shift):
    return [
        make_run(f"{name}-{seed}", method=name, seed=seed, accuracy=0.5 + shift * (name == "proposed"))
        for seed, name in product(range(count), ("proposed", "baseline"))
    ]


def test_tests_over_seeds_are_those_of_scipy_over_the_common_seeds(make_run):
    runs = seeds(make_run, 6, 0.2)
    found = compare_runs(runs).over_seeds
    scores = {
        name: [run.summary["exact_match_at_budget"] for run in runs if run.run_id.startswith(name)]
        for name in ("proposed", "baseline")
    }
    assert len(found) == 2
    assert found[0].n == 6
    assert found[0].p_value == pytest.approx(stats.ttest_rel(scores["proposed"], scores["baseline"]).pvalue)
    assert found[1].p_value == pytest.approx(2 / 2**6)


def test_fewer_than_five_seeds_are_said_to_be_too_few(make_run):
    for runs in (seeds(make_run, 4, 0.2), seeds(make_run, 1, 0.2)):
        for finding in compare_runs(runs).over_seeds:
            assert finding.p_value is None
            assert "at least 5" in finding.not_applicable
