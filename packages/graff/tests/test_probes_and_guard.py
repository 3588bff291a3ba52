import math

import pytest
import torch
from torch import nn

from graff.encoder import HIDDEN, LinearDecoder
from graff.guard import StabilityGuard, judge
from graff.probes import Cadence, curvature_along, reach_for


def a_problem():
    torch.manual_seed(1)
    model = nn.Sequential(nn.Linear(4, 6), nn.Tanh(), nn.Linear(6, 1)).double()
    x, y = torch.randn(16, 4).double(), torch.randn(16, 1).double()
    tensors = list(model.parameters())
    moved = [0.01 * torch.randn_like(t) for t in tensors]
    return model, tensors, moved, lambda: (model(x) - y).square().mean()


def exact(model, tensors, moved, loss):
    """Slope and curvature along the step by automatic differentiation."""
    names = [name for name, _ in model.named_parameters()]

    def of(*values):
        return torch.func.functional_call(Wrapped(loss), dict(zip(names, values, strict=True)))

    class Wrapped(nn.Module):
        def __init__(self, call):
            super().__init__()
            self.call = call
            for name, module in model.named_children():
                self.add_module(name, module)

        def forward(self):
            return self.call()

    values = tuple(t.detach() for t in tensors)
    _, product = torch.autograd.functional.hvp(of, values, tuple(moved))
    gradient = torch.autograd.grad(loss(), tensors)
    return (
        sum(float((g * d).sum()) for g, d in zip(gradient, moved, strict=True)),
        sum(float((h * d).sum()) for h, d in zip(product, moved, strict=True)),
    )


def test_slope_and_curvature_agree_with_the_exact_hessian_vector_product():
    model, tensors, moved, loss = a_problem()
    slope, curvature = exact(model, tensors, moved, loss)
    measured = curvature_along(loss, tensors, moved, reach=0.1)
    assert abs(curvature) > 1e-5
    assert measured.slope == pytest.approx(slope, rel=1e-5)
    assert measured.curvature == pytest.approx(curvature, rel=1e-4)
    assert measured.loss == pytest.approx(loss().item())


def test_a_probe_leaves_weights_and_random_numbers_as_they_were_even_when_it_fails():
    _, tensors, moved, loss = a_problem()
    kept = [t.detach().clone() for t in tensors]
    torch.manual_seed(5)
    curvature_along(lambda: loss() + 0 * torch.rand(()), tensors, moved)
    drawn = torch.rand(3)
    torch.manual_seed(5)
    assert torch.equal(drawn, torch.rand(3))

    calls = []

    def fails_on_the_second():
        calls.append(None)
        if len(calls) == 2:
            raise RuntimeError("out of memory")
        return loss()

    with pytest.raises(RuntimeError, match="out of memory"):
        curvature_along(fails_on_the_second, tensors, moved)
    assert all(torch.equal(t.detach(), k) for t, k in zip(tensors, kept, strict=True))


def test_dropout_draws_the_same_mask_at_all_three_points():
    weight = nn.Parameter(torch.zeros(1, dtype=torch.float64))
    noisy = curvature_along(lambda: weight.square().sum() + torch.rand(()), [weight], [torch.ones(1).double()])
    assert noisy.curvature == pytest.approx(2.0)


def test_a_probe_may_return_the_losses_of_its_tokens_instead_of_their_mean():
    weight = torch.tensor([1.0, -2.0], dtype=torch.float64)
    step = [torch.tensor([0.1, 0.3], dtype=torch.float64)]
    measured = [curvature_along(probe, [weight], step) for probe in (weight.square, lambda: weight.square().mean())]
    assert measured[0] == measured[1]
    assert measured[0].curvature == pytest.approx(0.01 + 0.09, rel=1e-4)


def test_the_reach_of_a_probe_keeps_the_change_of_the_loss_visible():
    assert reach_for(1.0, 0.03) == pytest.approx(1.0)
    assert reach_for(1.0, 1e-6) == 10.0
    assert reach_for(1.0, 5.0) == pytest.approx(1 / 3)
    assert reach_for(1.0, -1.0) == reach_for(math.nan, 0.1) == 1.0


def test_probes_stay_within_their_share_of_the_wall_clock():
    cadence = Cadence(0.02, first_step=4)
    elapsed, step = 0.0, 0
    while elapsed < 500:
        elapsed += 0.2
        if cadence.due(step, elapsed, 0.3):
            assert cadence.count or elapsed >= 0.15 / 0.02  # the first one is expected to take half a step
            cadence.took(0.15)
            elapsed += 0.15
        step += 1
    assert not cadence.due(3, 1e9, 0.3)
    assert cadence.count > 50
    assert 0.018 * elapsed <= cadence.spent_s <= 0.02 * elapsed


def test_no_curvature_or_a_negative_one_is_no_bound():
    for curvature in (0.0, -1.0, math.nan):
        verdict = judge(curvature=curvature, gain=1.0, preconditioned=1.0, rho_bound=1.0, sharpness_bound=1.9)
        assert verdict.allowed == math.inf
        assert verdict.by is None


def test_a_step_that_does_not_descend_has_no_line_search_but_still_a_sharpness():
    verdict = judge(curvature=4.0, gain=-1.0, preconditioned=1.0, rho_bound=1.0, sharpness_bound=2.0)
    assert (verdict.rho, verdict.sharpness, verdict.allowed, verdict.by) == (None, 4.0, 0.5, "sharpness")


def test_the_tighter_bound_wins():
    tight = judge(curvature=4.0, gain=1.0, preconditioned=1.0, rho_bound=1.0, sharpness_bound=36.1)
    assert (tight.allowed, tight.by) == (0.25, "rho")
    tight = judge(curvature=4.0, gain=8.0, preconditioned=1.0, rho_bound=1.0, sharpness_bound=1.0)
    assert (tight.allowed, tight.by) == (0.25, "sharpness")


def quadratic_guard(rate, follows=1.0, **options):
    """One step of gradient descent on 3/2 x^2 from x = 1, judged by a guard."""
    weight = nn.Parameter(torch.ones(1, dtype=torch.float64))
    optimizer = torch.optim.SGD([weight], lr=rate)
    guard = StabilityGuard(optimizer, **{"stability_guard": 1.9, "rho_guard": 1.0} | options)
    before = [weight.detach().clone()]
    weight.grad = 3.0 * weight.detach()
    optimizer.step()
    gain = float(weight.grad * (before[0] - weight.detach()))
    probe = lambda: 1.5 * weight.square().sum()  # noqa: E731
    verdict, metrics = guard.measure(probe, [weight], before, gain=gain, loss=1.5, follows=follows)
    return weight.item(), verdict.allowed, metrics, guard


def test_on_a_quadratic_rho_and_sharpness_are_rate_times_curvature():
    _, allowed, metrics, guard = quadratic_guard(0.1)
    assert metrics["rho"] == pytest.approx(0.3)
    assert metrics["sharpness"] == pytest.approx(0.3)
    assert allowed == pytest.approx(1 / 0.3)
    assert guard.log_curvature == pytest.approx(math.log(3.0))
    assert guard.counts["guard_rho"] == 0


def test_a_step_beyond_the_line_search_is_allowed_up_to_it():
    weight, allowed, _, guard = quadratic_guard(1.0)
    assert allowed == pytest.approx(1 / 3)
    assert weight == 1.0 - 3.0, "measuring leaves the weights as they were"
    assert guard.counts["guard_rho"] == 1


def test_the_classical_guard_allows_its_share_of_the_edge_and_more_where_the_weights_follow_less():
    _, allowed, _, guard = quadratic_guard(1.0, rho_guard=100.0)
    assert allowed == pytest.approx(1.9 / 3)
    assert guard.counts["guard_sharpness"] == 1
    _, allowed, _, guard = quadratic_guard(1.0, rho_guard=100.0, follows=0.25)
    assert allowed == pytest.approx(4 * 1.9 / 3)
    assert guard.counts["guard_sharpness"] == 0


def test_a_probe_that_fails_or_is_not_finite_is_counted_and_the_step_stands(caplog):
    weight = nn.Parameter(torch.zeros(1))
    guard = StabilityGuard(torch.optim.SGD([weight], lr=1.0), stability_guard=1.9, rho_guard=1.0)

    def fails():
        raise RuntimeError("no memory")

    for probe in (fails, lambda: float("nan")):
        verdict, metrics = guard.measure(probe, [weight], [torch.ones(1)], gain=1.0, loss=1.0, follows=1.0)
        assert verdict.allowed == math.inf
        assert metrics == {}
        assert weight.item() == 0.0
    assert guard.counts["probe_failures"] == 2
    assert "no memory" in caplog.text


def test_the_projection_is_the_nearest_point_of_the_half_space():
    decoder = LinearDecoder(30.0)
    state = torch.randn(5, HIDDEN)
    with torch.no_grad():
        decoder.weight.normal_()
        decoder.bias.fill_(2.0)
    before = torch.cat([decoder.weight.detach(), decoder.bias.detach()[None]])
    assert decoder.project(state, 0.5)
    after = torch.cat([decoder.weight.detach(), decoder.bias.detach()[None]])
    assert float(decoder(state).detach()) == pytest.approx(0.5, abs=1e-5)
    # The nearest point moves along the normal of the boundary alone.
    normal = torch.cat([state.mean(0) / (3 * HIDDEN), torch.ones(1)])
    shift = before - after
    torch.testing.assert_close(shift / shift.norm(), normal / normal.norm(), rtol=1e-4, atol=1e-6)


def test_weights_inside_the_half_space_stay_and_a_bound_beyond_the_limit_is_none():
    decoder = LinearDecoder(30.0)
    state = torch.randn(5, HIDDEN)
    assert not decoder.project(state, 0.1)
    with torch.no_grad():
        decoder.bias.fill_(50.0)
    assert not decoder.project(state, math.log(30.0))
    assert decoder.project(state, -100.0)
    assert -math.log(30.0) <= float(decoder(state).detach()) < -3.0
