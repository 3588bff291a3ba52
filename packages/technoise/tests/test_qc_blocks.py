import numpy as np
import pytest

from technoise import TechnoiseError
from technoise.qc.blocks import block_difference


def losses(seed, n_blocks=40, per_block=25, effect=0.0):
    """Return two losses whose differences share a random term within a block."""
    rng = np.random.default_rng(seed)
    blocks = np.repeat(np.arange(n_blocks), per_block)
    shared = rng.normal(0, 1.0, n_blocks)[blocks]
    second = rng.normal(3, 1, len(blocks))
    return second + effect + shared + rng.normal(0, 0.1, len(blocks)), second, blocks


def test_the_estimate_is_the_mean_difference_per_bin_whatever_the_sizes_of_blocks():
    rng = np.random.default_rng(0)
    first, second, blocks = rng.random(100), rng.random(100), np.sort(rng.integers(0, 9, 100))
    found = block_difference(first, second, blocks, seed=0)
    assert found.estimate == pytest.approx((first - second).mean())
    assert (found.n_blocks, found.n_bins) == (9, 100)


def test_under_no_difference_few_tests_reject_although_bins_are_correlated():
    p_values = [block_difference(*losses(seed, per_block=10), seed=0).p_value for seed in range(40)]
    assert np.mean(np.array(p_values) < 0.05) < 0.15
    # With bins as blocks, as if they were independent, most of the same comparisons are called different.
    naive = [losses(seed, per_block=10, n_blocks=20) for seed in range(12)]
    rejected = [block_difference(a, b, np.arange(len(a)), seed=0).p_value < 0.05 for a, b, _ in naive]
    assert np.mean(rejected) > 0.5


def test_the_interval_covers_the_truth_about_as_often_as_it_says():
    found = [block_difference(*losses(seed, effect=0.7), seed=0) for seed in range(40)]
    assert np.mean([one.low <= 0.7 <= one.high for one in found]) > 0.85


def test_a_real_difference_is_found_and_seen_alike_from_both_sides():
    first, second, blocks = losses(1, effect=2.0)
    found = block_difference(first, second, blocks, seed=0)
    assert found.p_value < 0.001
    assert found.low > 0
    back = block_difference(second, first, blocks, seed=0)
    assert back.estimate == pytest.approx(found.swapped().estimate)
    assert back.p_value == pytest.approx(found.p_value, abs=0.01)
    assert found.swapped().low == -found.high


def test_models_that_agree_everywhere_do_not_differ():
    first, _, blocks = losses(0)
    found = block_difference(first, first, blocks, seed=0)
    assert (found.estimate, found.low, found.high, found.p_value) == (0.0, 0.0, 0.0, 1.0)


def test_what_cannot_be_compared_is_refused():
    first, second, blocks = losses(0)
    with pytest.raises(TechnoiseError, match="same bins"):
        block_difference(first[1:], second, blocks, seed=0)
    with pytest.raises(TechnoiseError, match="5 blocks: a test over blocks takes 6"):
        block_difference(first[:125], second[:125], blocks[:125], seed=0)
    with pytest.raises(TechnoiseError, match="not finite"):
        block_difference(first * np.inf, second, blocks, seed=0)
