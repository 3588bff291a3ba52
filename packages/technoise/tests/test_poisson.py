import math

import mpmath as mp
import numpy as np
import pytest
import torch
from scipy import stats

from packages.technoise.tests.exact_counts import DIGITS, poisson_log_prob
from technoise import TechnoiseError, poisson

COUNTS = (0, 1, 2, 15, 16, 17, 1000, 10**6, 10**9)
MEANS = (1e-8, 1e-3, 0.5, 1.0, 15.0, 16.5, 1e3, 1e6 + 10, 1e9, 1e12)
POINTS = [(y, math.log(m)) for y in COUNTS for m in MEANS]


def test_it_is_exact_over_twenty_decades_of_the_mean():
    log_mean = torch.tensor([p[1] for p in POINTS], dtype=torch.float64)
    values = poisson.log_prob(torch.tensor([p[0] for p in POINTS]), log_mean).tolist()
    with mp.workdps(DIGITS):
        for point, value in zip(POINTS, values, strict=True):
            exact = poisson_log_prob(*point)
            assert abs(float((value - exact) / exact)) < 3e-14, point


def test_the_gradient_is_the_count_less_the_mean_however_far_apart():
    log_mean = torch.tensor([p[1] for p in POINTS], dtype=torch.float64, requires_grad=True)
    counts = torch.tensor([p[0] for p in POINTS])
    (slope,) = torch.autograd.grad(poisson.log_prob(counts, log_mean).sum(), log_mean)
    assert torch.equal(slope, counts - log_mean.detach().exp())


def test_its_probabilities_sum_to_one_and_agree_with_scipy():
    counts = np.arange(400)
    log_mean = torch.full((400,), math.log(150.0), dtype=torch.float64)
    value = poisson.log_prob(torch.from_numpy(counts), log_mean).numpy()
    np.testing.assert_allclose(value, stats.poisson.logpmf(counts, 150.0), rtol=1e-11)
    assert np.exp(value).sum() == pytest.approx(1.0, abs=1e-12)


def test_distribution_function_tail_and_quantile_agree_with_scipy():
    rng = np.random.default_rng(3)
    mean, levels = 10 ** rng.uniform(-4, 6, 500), rng.random(500)
    counts = rng.poisson(mean)
    np.testing.assert_allclose(poisson.cdf(counts, mean), stats.poisson.cdf(counts, mean), rtol=1e-11)
    np.testing.assert_allclose(poisson.sf(counts, mean), stats.poisson.sf(counts, mean), rtol=1e-11)
    np.testing.assert_array_equal(poisson.quantile(levels, mean), stats.poisson.ppf(levels, mean))


def test_float32_in_is_float32_out():
    assert poisson.log_prob(torch.tensor([3]), torch.tensor([1.0])).dtype == torch.float32


def test_a_column_of_means_against_a_row_of_counts_is_refused():
    with pytest.raises(TechnoiseError, match=r"^shapes counts \(4,\), log_mean \(4, 1\): "):
        poisson.log_prob(torch.ones(4), torch.ones(4, 1))


def test_a_mean_of_zero_is_refused_with_its_value():
    with pytest.raises(TechnoiseError, match=r"^mean of 0.0: a mean is finite and positive"):
        poisson.cdf([1], [0.0])
