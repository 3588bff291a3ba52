import math

import mpmath as mp
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from packages.technoise.tests.exact_counts import DIGITS, nb_slopes
from packages.technoise.tests.test_negative_binomial import EVERYWHERE, GRID, tensors
from technoise import TechnoiseError
from technoise.negative_binomial import log_prob

# One point in three of the grid: central differences of many digits are slow.
POINTS = GRID[::3]


def slopes(points):
    counts, log_mean, log_size = tensors(points)
    log_mean.requires_grad_()
    log_size.requires_grad_()
    return torch.autograd.grad(log_prob(counts, log_mean, log_size).sum(), (log_mean, log_size))


@pytest.fixture(scope="module")
def truth():
    with mp.workdps(DIGITS):
        return [nb_slopes(*point) for point in POINTS]


def test_the_gradient_by_the_log_mean_is_the_finite_difference_of_the_exact_value(truth):
    by_mean, _ = slopes(POINTS)
    for point, value, (exact, _) in zip(POINTS, by_mean.tolist(), truth, strict=True):
        count, mean, size = point[0], math.exp(point[1]), math.exp(point[2])
        # The residual y - m is known to the rounding of m.
        rounding = 4e-16 * size / (size + mean) * max(count, mean)
        assert abs(value - exact) <= 1e-13 * abs(exact) + rounding, point


def test_the_gradient_by_the_log_size_is_the_finite_difference_of_the_exact_value(truth):
    _, by_size = slopes(POINTS)
    for point, value, (_, exact) in zip(POINTS, by_size.tolist(), truth, strict=True):
        assert abs(value - exact) <= 1e-7 * abs(exact), point


def test_no_gradient_is_zero_where_the_true_one_is_not(truth):
    by_mean, by_size = slopes(POINTS)
    assert torch.isfinite(by_mean).all()
    assert torch.isfinite(by_size).all()
    for point, mean_slope, size_slope, (exact_mean, exact_size) in zip(
        POINTS, by_mean.tolist(), by_size.tolist(), truth, strict=True
    ):
        assert exact_size != 0
        assert size_slope != 0, point
        # At a mean that is the count to the last bit, the residual of float64 is zero and is right.
        if abs(exact_mean) > 1e-15 * point[0]:
            assert mean_slope * exact_mean > 0, point


@settings(max_examples=60, deadline=None)
@given(st.one_of(st.integers(0, 40), st.integers(0, 10**9)), EVERYWHERE, EVERYWHERE)
def test_gradients_are_finite_and_true_at_any_point(count, log_mean, log_size):
    with mp.workdps(DIGITS):
        exact_mean, exact_size = nb_slopes(count, log_mean, log_size)
    by_mean, by_size = (float(slope) for slope in slopes([(count, log_mean, log_size)]))
    mean, size = math.exp(log_mean), math.exp(log_size)
    rounding = 4e-16 * (1 + abs(log_mean)) * size / (size + mean) * max(count, mean)
    assert abs(by_mean - exact_mean) <= 1e-13 * abs(exact_mean) + rounding
    # The derivative by the size changes sign; near its root it is as true as its two terms are.
    terms = 0.5 * count / (count + size) + rounding * abs(count - mean) / (size + mean)
    assert abs(by_size - exact_size) <= 1e-7 * abs(exact_size) + 1e-13 * terms


def test_an_optimiser_recovers_mean_and_size_from_a_bad_start():
    generator = torch.Generator().manual_seed(0)
    rate = torch.distributions.Gamma(4.0, 4.0 / 30.0).sample
    torch.manual_seed(0)
    counts = torch.poisson(rate((4_000,)), generator=generator)
    start = torch.tensor([7.0, 7.0], dtype=torch.float64, requires_grad=True)  # mean and size of a thousand
    optimiser = torch.optim.LBFGS([start], max_iter=60, line_search_fn="strong_wolfe")

    def closure():
        optimiser.zero_grad()
        loss = -log_prob(counts, start[0].expand(4_000), start[1].expand(4_000)).mean()
        loss.backward()
        return loss

    optimiser.step(closure)
    mean, size = start.detach().exp().tolist()
    assert mean == pytest.approx(float(counts.double().mean()), rel=1e-4)
    assert size == pytest.approx(4.0, rel=0.1)


def test_a_second_derivative_is_refused_rather_than_wrong():
    log_mean = torch.ones(1, dtype=torch.float64, requires_grad=True)
    value = log_prob(torch.tensor([3]), log_mean, torch.ones(1, dtype=torch.float64))
    with pytest.raises(TechnoiseError, match=r"^create_graph=True: "):
        torch.autograd.grad(value.sum(), log_mean, create_graph=True)
