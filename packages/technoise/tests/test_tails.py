import math

import mpmath as mp
import numpy as np
import pytest
from scipy import stats

from packages.technoise.tests.exact_counts import DIGITS, nb_lower_tail, nb_upper_tail
from technoise import TechnoiseError, distribution, negative_binomial, tails


def test_distribution_function_tail_and_quantile_agree_with_scipy():
    rng = np.random.default_rng(5)
    mean, size, levels = 10 ** rng.uniform(-3, 6, 500), 10 ** rng.uniform(-2, 5, 500), rng.random(500)
    p = size / (size + mean)
    counts = rng.negative_binomial(size, p)
    np.testing.assert_allclose(negative_binomial.cdf(counts, mean, size), stats.nbinom.cdf(counts, size, p), rtol=1e-8)
    np.testing.assert_allclose(negative_binomial.sf(counts, mean, size), stats.nbinom.sf(counts, size, p), rtol=1e-8)
    np.testing.assert_array_equal(negative_binomial.quantile(levels, mean, size), stats.nbinom.ppf(levels, size, p))


@pytest.mark.parametrize(
    ("count", "mean", "size"),
    [(1, 1e-8, 1e12), (3, 1e-4, 1e8), (60, 1.0, 0.01), (1, 1e-3, 0.02), (40, 20.0, 1e12), (900, 800.0, 1e4)],
)
def test_tails_keep_their_digits_where_a_probability_parameter_would_round_to_one(count, mean, size):
    with mp.workdps(DIGITS):
        upper, lower = nb_upper_tail(count, mean, size), nb_lower_tail(count, mean, size)
    assert float(negative_binomial.upper_tail([count], [mean], [size])[0]) == pytest.approx(float(upper), rel=1e-11)
    assert float(negative_binomial.cdf([count], [mean], [size])[0]) == pytest.approx(float(lower), rel=1e-11)


@pytest.mark.parametrize("size", [0.7, 12.0, 1e9, None])
def test_the_four_tails_complete_each_other(size):
    counts, mean = np.arange(80.0), np.full(80, 11.0)
    r = None if size is None else np.full(80, size)
    pmf = np.exp(distribution.log_pmf(counts, mean, r))
    cdf, sf = distribution.cdf(counts, mean, r), distribution.sf(counts, mean, r)
    np.testing.assert_allclose(np.cumsum(pmf), cdf, rtol=1e-10)
    np.testing.assert_allclose(cdf + sf, 1.0, rtol=1e-10)
    np.testing.assert_allclose(distribution.upper_tail(counts, mean, r) - sf, pmf, rtol=1e-9, atol=1e-11)
    np.testing.assert_allclose(cdf - distribution.lower_tail_below(counts, mean, r), pmf, rtol=1e-9, atol=1e-11)


@pytest.mark.parametrize(("count", "mean", "size"), [(5000, 1.0, 1e3), (2000, 0.01, 0.01), (4000, 100.0, 1e7)])
def test_the_log_of_an_upper_tail_far_below_the_smallest_float_is_exact(count, mean, size):
    with mp.workdps(DIGITS):
        exact = float(mp.log(nb_upper_tail(count, mean, size)))
    assert exact < -745
    assert float(tails.log_upper_tail([count], [mean], [size])[0]) == pytest.approx(exact, rel=1e-13)


def test_the_log_of_a_lower_tail_far_below_the_smallest_float_is_exact():
    with mp.workdps(DIGITS):
        exact = float(mp.log(nb_lower_tail(100, 1e6, 1e5)))
    assert float(tails.log_lower_tail([100], [1e6], [1e5])[0]) == pytest.approx(exact, rel=1e-13)


def test_the_logs_of_poisson_tails_agree_with_incomplete_gamma_functions_of_many_digits():
    with mp.workdps(DIGITS):
        upper = float(mp.log(mp.gammainc(5000, 0, 1, regularized=True)))
        lower = float(mp.log(mp.gammainc(101, 10_000, mp.inf, regularized=True)))
    assert float(tails.log_upper_tail([5000], [1.0], None)[0]) == pytest.approx(upper, rel=1e-13)
    assert float(tails.log_lower_tail([100], [1e4], None)[0]) == pytest.approx(lower, rel=1e-13)


@pytest.mark.parametrize("size", [3.0, 1e4, None])
def test_the_log_tail_has_no_step_where_the_continued_fraction_takes_over(size):
    counts = np.arange(1.0, 4000.0)
    r = None if size is None else np.full(counts.shape, size)
    value = tails.log_upper_tail(counts, np.full(counts.shape, 5.0), r)
    assert value.min() < math.log(1e-280) < value.max()  # both sides are there
    switch = int(np.argmax(value < math.log(1e-280)))
    bend = np.diff(value, 3)[switch - 20 : switch + 20]
    assert np.abs(bend).max() < 1e-4


def test_the_log_of_a_tail_near_one_keeps_its_digits():
    value = float(tails.log_lower_tail([40], [1.0], [1e6])[0])
    assert value == pytest.approx(-float(negative_binomial.sf([40], [1.0], [1e6])[0]), rel=1e-12)
    assert value < 0


def test_a_quantile_is_the_smallest_count_that_reaches_its_level():
    rng = np.random.default_rng(8)
    mean, size = 10 ** rng.uniform(-2, 8, 300), 10 ** rng.uniform(-1, 10, 300)
    levels = np.concatenate([rng.random(200), 1 - 10 ** rng.uniform(-14, -3, 100)])
    counts = negative_binomial.quantile(levels, mean, size)
    assert (negative_binomial.sf(counts, mean, size) <= (1 - levels) * (1 + 1e-12)).all()
    before = counts > 0
    one_less = negative_binomial.sf(counts[before] - 1, mean[before], size[before])
    assert (one_less > (1 - levels[before]) * (1 - 1e-9)).all()


@pytest.mark.parametrize("level", [-0.1, 1.0, math.nan])
def test_a_level_without_a_quantile_is_refused(level):
    with pytest.raises(TechnoiseError, match=rf"^level of {level}: a level is a probability from 0 to below 1"):
        negative_binomial.quantile([level], [1.0], [1.0])


def test_a_quantile_beyond_exact_whole_numbers_is_refused():
    with pytest.raises(TechnoiseError, match=r"^quantile above 2\^53 at mean 1e\+17"):
        negative_binomial.quantile([0.99], [1e17], [1.0])


@pytest.mark.parametrize("value", [0.0, -1.0, math.inf, math.nan])
def test_a_size_that_is_not_positive_is_refused_with_its_value(value):
    with pytest.raises(TechnoiseError, match=rf"^size of {value}: a size is finite and positive"):
        negative_binomial.cdf([1], [1.0], [value])


def test_arrays_of_unequal_shape_are_refused():
    with pytest.raises(TechnoiseError, match=r"^shapes counts \(2,\), mean \(1,\), size \(2,\): "):
        negative_binomial.cdf([1, 2], [1.0], [1.0, 1.0])
    with pytest.raises(TechnoiseError, match=r"^shapes counts \(2,\), mean \(1,\): "):
        distribution.log_pmf([1, 2], [1.0], None)
