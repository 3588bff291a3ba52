import itertools
import math

import mpmath as mp
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from packages.technoise.tests.exact_counts import DIGITS, nb_log_prob
from technoise import TechnoiseError
from technoise.negative_binomial import log_prob
from technoise.saddle_point import SERIES_FROM

SCALES = (1e-8, 1e-5, 1e-3, 0.1, 0.9, 1.0, 3.0, 15.9, 16.1, 100.0, 1e4, 1e6, 1e9, 1e12)
COUNTS = (0, 1, 2, 5, 15, 16, 17, 100, 12_345, 10**6, 10**9)
GRID = [(y, math.log(m), math.log(r)) for y, m, r in itertools.product(COUNTS, SCALES, SCALES)]
EVERYWHERE = st.floats(math.log(1e-8), math.log(1e12))


def tensors(points):
    counts, log_mean, log_size = zip(*points, strict=True)
    return (
        torch.tensor(counts),
        torch.tensor(log_mean, dtype=torch.float64),
        torch.tensor(log_size, dtype=torch.float64),
    )


def relative_error(value, truth):
    return abs(float((mp.mpf(value) - truth) / truth)) if truth else abs(value)


def test_it_is_exact_to_fourteen_digits_over_twenty_decades_of_mean_and_size():
    with mp.workdps(DIGITS):
        values = log_prob(*tensors(GRID)).tolist()
        errors = [relative_error(v, nb_log_prob(*point)) for v, point in zip(values, GRID, strict=True)]
    assert max(errors) < 2e-14


@settings(max_examples=150, deadline=None)
@given(st.one_of(st.integers(0, 60), st.integers(0, 10**9)), EVERYWHERE, EVERYWHERE)
def test_it_is_exact_at_any_point(count, log_mean, log_size):
    with mp.workdps(DIGITS):
        truth = nb_log_prob(count, log_mean, log_size)
    value = float(log_prob(*tensors([(count, log_mean, log_size)])))
    # The logs are known to half a unit in the last place: the result can be no better than what that is worth.
    mean, size = math.exp(log_mean), math.exp(log_size)
    worth = abs(size * (count - mean) / (size + mean)) * abs(log_mean) * 2**-53
    assert abs(float(mp.mpf(value) - truth)) <= 2e-14 * abs(float(truth)) + 4 * worth


def test_it_agrees_with_scipy_where_scipy_is_exact():
    rng = np.random.default_rng(1)
    n = 4000
    mean, size = 10 ** rng.uniform(-8, 5, n), 10 ** rng.uniform(-3, 5, n)
    counts = np.floor(np.abs(mean + np.sqrt(mean + mean**2 / size) * rng.normal(size=n) * 2))
    value = log_prob(torch.from_numpy(counts), torch.from_numpy(np.log(mean)), torch.from_numpy(np.log(size))).numpy()
    # A mean far below the size leaves scipy's 1 - p without digits.
    sound = mean > 1e-6 * size
    truth = stats.nbinom.logpmf(counts, size, size / (size + mean))
    assert sound.sum() > 2000
    np.testing.assert_allclose(value[sound], truth[sound], rtol=1e-9, atol=1e-8)


def test_the_mean_of_the_distribution_is_the_mean_that_was_given_and_the_variance_follows_the_size():
    counts = torch.arange(6000).double()
    for mean, size in ((7.0, 3.0), (0.4, 0.2), (200.0, 50.0)):
        one = torch.ones(6000, dtype=torch.float64)
        pmf = log_prob(counts, math.log(mean) * one, math.log(size) * one).exp()
        first = float((pmf * counts).sum())
        assert first == pytest.approx(mean, rel=1e-10)
        assert float((pmf * (counts - first) ** 2).sum()) == pytest.approx(mean + mean**2 / size, rel=1e-9)


@pytest.mark.parametrize(("mean", "size"), [(1e-8, 1e-8), (0.5, 0.1), (3, 1e12), (30, 16.0), (40, 1.5), (500, 1e5)])
def test_the_probabilities_of_all_counts_sum_to_one(mean, size):
    counts = torch.arange(4000)
    one = torch.ones(4000, dtype=torch.float64)
    total = float(log_prob(counts, math.log(mean) * one, math.log(size) * one).exp().sum())
    assert total == pytest.approx(1.0, abs=1e-12)


def test_value_and_gradient_are_continuous_where_the_series_take_over():
    below, above = math.log(SERIES_FROM) - 1e-9, math.log(SERIES_FROM) + 1e-9
    for count, log_mean in itertools.product((0, 1, 3, 40, 10**6), (-5.0, 0.0, 2.7, 12.0)):
        log_size = torch.tensor([below, above], dtype=torch.float64, requires_grad=True)
        value = log_prob(torch.tensor([count] * 2), torch.full((2,), log_mean, dtype=torch.float64), log_size)
        (slope,) = torch.autograd.grad(value.sum(), log_size)
        # What the slope itself accounts for between the two points is taken off.
        jump = float(value[1].detach() - value[0].detach()) - float(slope.mean()) * 2e-9
        assert abs(jump) < 1e-13 * max(1.0, abs(float(value[0].detach())))
        assert float(slope[1] - slope[0]) == pytest.approx(0.0, abs=2e-8 * max(1.0, float(slope.abs().max())))


def test_a_large_size_is_the_poisson_distribution():
    counts = torch.arange(200)
    one = torch.ones(200, dtype=torch.float64)
    value = log_prob(counts, math.log(20.0) * one, math.log(1e12) * one)
    np.testing.assert_allclose(value.numpy(), stats.poisson.logpmf(np.arange(200), 20.0), rtol=1e-9)


def test_two_outlier_bins_that_overflow_an_exponential_leave_value_and_gradient_finite():
    log_mean = torch.tensor([750.0, -1000.0, 700.0, 3.0], dtype=torch.float64, requires_grad=True)
    log_size = torch.tensor([1.0, -750.0, 705.0, 800.0], dtype=torch.float64, requires_grad=True)
    value = log_prob(torch.tensor([4, 4, 4, 4]), log_mean, log_size)
    by_mean, by_size = torch.autograd.grad(value.sum(), (log_mean, log_size))
    assert all(torch.isfinite(x).all() for x in (value.detach(), by_mean, by_size))
    size = math.exp(1.0)  # at an infinite mean: r log r - r log m, rising factorial and all
    limit = math.lgamma(4 + size) - math.lgamma(size) - math.lgamma(5) + size * (1.0 - 750.0)
    assert float(value[0].detach()) == pytest.approx(limit, rel=1e-13)
    assert float(by_mean[0]) == pytest.approx(-size, rel=1e-13)


def test_float32_input_is_computed_in_float64_and_returned_as_float32():
    counts = torch.tensor([3, 0, 70])
    log_mean, log_size = torch.tensor([1.0, -2.0, 4.0]), torch.tensor([13.8, 0.0, 25.0])
    value = log_prob(counts, log_mean, log_size)
    assert value.dtype == torch.float32
    exact = log_prob(counts, log_mean.double(), log_size.double())
    assert torch.equal(value, exact.float())


def test_half_precision_input_comes_back_as_float32_because_its_range_ends_at_65504():
    value = log_prob(
        torch.tensor([0]), torch.tensor([12.0], dtype=torch.float16), torch.tensor([15.0], dtype=torch.float16)
    )
    assert value.dtype == torch.float32
    assert float(value) < -65504


def test_nan_is_never_hidden():
    nan, one = torch.tensor([math.nan]), torch.tensor([1.0])
    assert log_prob(torch.tensor([2]), nan, one).isnan()
    assert log_prob(torch.tensor([2]), one, nan).isnan()


@pytest.mark.parametrize("position", [0, 1, 2])
def test_unequal_shapes_are_refused_rather_than_broadcast(position):
    arguments = [torch.ones(5), torch.ones(5), torch.ones(5)]
    arguments[position] = torch.ones(5, 1)
    with pytest.raises(TechnoiseError, match=r"^shapes .*\(5, 1\).*have equal shapes; expand or reshape first$"):
        log_prob(*arguments)


@pytest.mark.parametrize("count", [-1.0, 0.5, math.nan, math.inf, 2.0**54])
def test_what_is_not_a_count_is_refused_with_its_value(count):
    with pytest.raises(
        TechnoiseError, match=r"^count of .*: a count is a whole number from 0 to 2\^53; give raw counts"
    ):
        log_prob(torch.tensor([1.0, count], dtype=torch.float64), torch.ones(2), torch.ones(2))
