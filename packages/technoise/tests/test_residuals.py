import math

import numpy as np
import pytest
import statsmodels.api as sm
from scipy import stats

from technoise import (
    TechnoiseError,
    benjamini_hochberg,
    deviance_residuals,
    mean_deviance,
    minus_log10_p_values,
    pearson_residuals,
    quantile_residuals,
    unit_deviance,
    upper_tail_p_values,
)


@pytest.fixture
def counts_and_means():
    rng = np.random.default_rng(6)
    mean = np.exp(rng.normal(2.0, 1.5, 400))
    return rng.negative_binomial(2.5, 2.5 / (2.5 + mean)), mean, np.full(400, 2.5)


def test_residuals_and_deviance_are_those_of_statsmodels(counts_and_means):
    counts, mean, size = counts_and_means
    for family, r in ((sm.families.NegativeBinomial(alpha=1 / 2.5), size), (sm.families.Poisson(), None)):
        pearson = (counts - mean) / np.sqrt(family.variance(mean))
        np.testing.assert_allclose(pearson_residuals(counts, mean, r), pearson, rtol=1e-12)
        np.testing.assert_allclose(deviance_residuals(counts, mean, r), family.resid_dev(counts, mean), rtol=1e-9)
        assert mean_deviance(counts, mean, r) == pytest.approx(family.deviance(counts, mean) / 400, rel=1e-11)


def test_the_deviance_keeps_its_digits_where_its_textbook_form_cancels():
    counts, mean, size = np.array([10**9 + 1, 4.0, 10**6]), np.array([1e9, 4.0, 1.0]), np.array([1e12, 1e12, 1e-8])
    value = unit_deviance(counts, mean, size)
    variance = 1e9 + 1e18 / 1e12
    assert value[0] == pytest.approx(1.0 / variance, rel=1e-6)
    assert value[1] == 0.0
    import mpmath as mp

    with mp.workdps(50):
        y, m, r = mp.mpf(10) ** 6, mp.mpf(1), mp.mpf(1e-8)
        exact = 2 * (y * mp.log(y / m) - (y + r) * mp.log((y + r) / (m + r)))
    assert value[2] == pytest.approx(float(exact), rel=1e-12)


def test_randomised_quantile_residuals_are_standard_normal_under_the_true_model():
    rng = np.random.default_rng(9)
    mean, size = np.exp(rng.normal(0.0, 1.0, 5000)), np.full(5000, 1.5)
    counts = rng.negative_binomial(size, size / (size + mean))
    residual = quantile_residuals(counts, mean, size, rng)
    assert stats.kstest(residual, "norm").statistic < 1.63 / math.sqrt(5000)
    wrong = quantile_residuals(counts, mean, None, rng)
    assert stats.kstest(wrong, "norm").statistic > 0.05


def test_middle_quantile_residuals_are_the_normal_quantile_of_the_mid_distribution(counts_and_means):
    counts, mean, size = counts_and_means
    law = stats.nbinom(size, size / (size + mean))
    mid = law.cdf(counts - 1) + 0.5 * law.pmf(counts)
    np.testing.assert_allclose(quantile_residuals(counts, mean, size, None), stats.norm.ppf(mid), rtol=1e-8, atol=1e-10)


@pytest.mark.parametrize("size", [5.0, 1e8, None])
def test_residuals_of_peaks_beyond_the_smallest_float_are_finite_and_ordered(size):
    counts = np.array([50, 500, 5_000, 50_000, 500_000])
    r = None if size is None else np.full(5, size)
    residual = quantile_residuals(counts, np.full(5, 2.0), r, np.random.default_rng(0))
    assert np.isfinite(residual).all()
    assert (np.diff(residual) > 0).all()
    low = quantile_residuals(np.array([0, 10, 1000]), np.full(3, 1e7), None if size is None else np.full(3, 1e9), None)
    assert np.isfinite(low).all()
    assert (np.diff(low) > 0).all()
    assert low[0] < -40


def test_a_p_value_counts_the_observed_count_itself(counts_and_means):
    counts, mean, size = counts_and_means
    p = upper_tail_p_values(counts, mean, size)
    np.testing.assert_allclose(p, stats.nbinom.sf(counts - 1, size, size / (size + mean)), rtol=1e-8)
    assert (p[counts == 0] == 1.0).all()
    np.testing.assert_allclose(minus_log10_p_values(counts, mean, size), -np.log10(p), rtol=1e-9, atol=1e-12)


def test_minus_log10_of_a_p_value_that_underflows_is_a_number():
    counts, mean = np.array([0, 5000]), np.ones(2)
    assert upper_tail_p_values(counts, mean, None)[1] == 0.0
    value = minus_log10_p_values(counts, mean, None)
    assert value[0] == 0.0
    assert not np.signbit(value[0])
    # P(Y >= 5000) is P(Y = 5000) times 1 + 1/5001 + ...
    exact = -(stats.poisson.logpmf(5000, 1.0) + math.log1p(1 / 5001 + 1 / (5001 * 5002))) / math.log(10)
    assert value[1] == pytest.approx(exact, rel=1e-12)


def test_q_values_are_those_of_the_step_up_procedure_in_plain_loops():
    p = np.random.default_rng(0).random(60) ** 3
    ranks = sorted(range(60), key=lambda i: p[i])
    expected = np.empty(60)
    best = 1.0
    for rank in range(60, 0, -1):
        i = ranks[rank - 1]
        best = min(best, p[i] * 60 / rank)
        expected[i] = best
    np.testing.assert_allclose(benjamini_hochberg(p), expected, rtol=1e-13)


@pytest.mark.parametrize("bad", [[0.1, math.nan], [1.1], [-0.1], [], [[0.5]]])
def test_what_is_no_list_of_p_values_is_refused(bad):
    with pytest.raises(TechnoiseError, match=r"^p-value"):
        benjamini_hochberg(bad)


def test_the_deviance_of_nothing_is_refused():
    with pytest.raises(TechnoiseError, match=r"^deviance of 0 counts: "):
        mean_deviance([], [], None)


def test_residuals_of_unequal_shapes_are_refused():
    for residual in (pearson_residuals, deviance_residuals, upper_tail_p_values):
        with pytest.raises(TechnoiseError, match=r"^shapes counts \(3,\), mean \(1,\)"):
            residual([1, 2, 3], [2.0], None)
