import math

import numpy as np
import pytest
from scipy import stats
from statsmodels.stats.proportion import proportion_confint

from technoise import TechnoiseError, calibration_table, ks_uniform, randomised_pit

N = 20_000


@pytest.fixture(scope="module")
def truth():
    rng = np.random.default_rng(4)
    mean, size = np.exp(rng.normal(-1.0, 1.0, N)), np.full(N, 2.0)
    return rng.negative_binomial(size, size / (size + mean)), mean, size


def test_under_the_true_model_the_randomised_pit_is_uniform_and_the_plain_one_is_not(truth):
    counts, mean, size = truth
    pit = randomised_pit(counts, mean, size, np.random.default_rng(0))
    assert ks_uniform(pit).statistic < 1.63 / math.sqrt(N)  # the 1 % point
    plain = stats.nbinom.cdf(counts, size, size / (size + mean))
    assert ks_uniform(plain).statistic > 0.3


def test_each_wrong_model_is_seen(truth):
    counts, mean, size = truth
    rng = np.random.default_rng(0)
    for wrong in ((mean * 1.3, size), (mean, size * 10), (size**2 / mean, size), (mean, None)):
        assert ks_uniform(randomised_pit(counts, *wrong, rng)).p_value < 1e-8


def test_the_pit_lies_between_the_distribution_function_before_and_at_the_count(truth):
    counts, mean, size = (array[:500] for array in truth)
    p = size / (size + mean)
    pit = randomised_pit(counts, mean, size, np.random.default_rng(1))
    assert (pit >= stats.nbinom.cdf(counts - 1, size, p) - 1e-12).all()
    assert (pit <= stats.nbinom.cdf(counts, size, p) + 1e-12).all()


def test_the_same_generator_state_gives_the_same_values(truth):
    counts, mean, _ = (array[:100] for array in truth)
    first, second = (randomised_pit(counts, mean, None, np.random.default_rng(7)) for _ in range(2))
    np.testing.assert_array_equal(first, second)


def test_the_distance_is_scipys():
    values = np.random.default_rng(0).random(200) ** 2
    found, expected = ks_uniform(values), stats.ks_1samp(values, stats.uniform.cdf)
    assert (found.statistic, found.p_value, found.n) == (expected.statistic, expected.pvalue, 200)


def test_coverage_is_nominal_under_the_true_model_and_short_without_overdispersion(truth):
    counts, mean, size = truth
    true = calibration_table(randomised_pit(counts, mean, size, np.random.default_rng(0)), confidence=0.999)
    assert all(row.low < row.nominal < row.high for row in true)
    poisson = calibration_table(randomised_pit(counts, mean, None, np.random.default_rng(0)), confidence=0.999)
    assert all(row.high < row.nominal for row in poisson)


def test_the_interval_of_an_observed_coverage_is_wilsons():
    values = np.linspace(0.0, 1.0, 201)
    (row,) = calibration_table(values, levels=(0.8,))
    inside = int(((values >= 0.1 - 1e-12) & (values <= 0.9 + 1e-12)).sum())
    assert row.observed == pytest.approx(inside / 201, abs=2 / 201)
    low, high = proportion_confint(round(row.observed * 201), 201, method="wilson")
    assert (row.low, row.high) == pytest.approx((low, high), rel=1e-12)


@pytest.mark.parametrize("bad", [[], [[0.5]], [0.1, math.nan], [1.2]])
def test_values_that_are_no_pit_are_refused(bad):
    with pytest.raises(TechnoiseError, match=r"^PIT value"):
        ks_uniform(bad)


@pytest.mark.parametrize("level", [0.0, 1.0, 95])
def test_a_level_that_is_no_proportion_is_refused(level):
    with pytest.raises(TechnoiseError, match=rf"^level of {level}: a level is strictly between 0 and 1"):
        calibration_table([0.2, 0.4], levels=(level,))
