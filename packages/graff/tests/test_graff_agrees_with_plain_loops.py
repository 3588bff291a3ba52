"""The planner and its slow twin make the same run."""

import pytest
import torch
from torch import nn

import graff
from packages.graff.tests.graff_in_plain_loops import PlainGraff

STEPS = 60


def a_model():
    torch.manual_seed(11)
    return nn.Sequential(nn.Linear(6, 8), nn.Tanh(), nn.Linear(8, 8), nn.Tanh(), nn.Linear(8, 3)).double()


class Batches:
    def __init__(self, clock):
        self.clock = clock
        self.truth = torch.randn(6, 3, generator=torch.Generator().manual_seed(1)).double()
        self.generator = torch.Generator().manual_seed(2)

    def __call__(self, model, probes):
        x = torch.randn(16, 6, generator=self.generator).double()

        def losses(rows=16):
            return (model(x[:rows]) - x[:rows] @ self.truth).square()

        def probe():
            self.clock.pass_by(1 / 1024)
            return losses(8).mean()

        return losses, probe if probes else None


def fast(clock, lr, probes, **options):
    model, batches, rates = a_model(), Batches(clock), []
    optimizer = torch.optim.AdamW(model.parameters(), lr=lr, weight_decay=0.1)
    budget = graff.Budget(seconds=10, clock=clock)
    planner = graff.Graff(optimizer, model, budget, max_grad_norm=1.0, **options)
    for _ in range(STEPS):
        losses, probe = batches(model, probes)
        planner.weigh(losses()).backward()
        clock.pass_by(0.125)
        report = planner.step(probe)
        rates.append(report.learning_rate)
    with planner.evaluating():
        averaged = [p.detach().clone() for p in model.parameters()]
    return rates, list(model.parameters()), averaged, report.metrics


def slow(clock, lr, probes, **options):
    model, batches, rates = a_model(), Batches(clock), []
    budget = graff.Budget(seconds=10, clock=clock)
    twin = PlainGraff(model, budget, lr=lr, weight_decay=0.1, **options)
    for _ in range(STEPS):
        losses, probe = batches(model, probes)
        loss = losses().mean()
        budget.start()
        loss.backward()
        clock.pass_by(0.125)
        rates.append(twin.step(float(loss.detach()), probe))
        model.zero_grad()
    averaged = twin.x if twin.averaging else twin.z
    return rates, list(model.parameters()), averaged, twin


@pytest.mark.parametrize("blocks", [False, True])
@pytest.mark.parametrize("probes", [False, True])
@pytest.mark.parametrize("averaging", [True, False])
# Two rates that the anchor raises, and one that the guard shortens without averaging.
@pytest.mark.parametrize("lr", [1e-5, 3e-3, 0.5])
def test_rates_and_weights_are_those_of_the_plain_loops(clock, lr, averaging, probes, blocks):
    """The network is in single precision, which is all that the two may differ by: 1e-5 of both."""
    options = {"averaging": averaging, "block_multipliers": blocks, "probe_share": 0.05}
    rates, weights, averaged, metrics = fast(type(clock)(), lr, probes, **options)
    expected, plain, mean, twin = slow(type(clock)(), lr, probes, **options)
    assert rates == pytest.approx(expected, rel=1e-5)
    for one, other in zip([*weights, *averaged], [*plain, *mean], strict=True):
        torch.testing.assert_close(one.detach(), other.detach(), rtol=1e-5, atol=1e-6)
    assert metrics["probes"] == twin.probes
    assert metrics["guard_rho"] + metrics["guard_sharpness"] == twin.shortened
    assert metrics["log_anchor"] == pytest.approx(twin.log_anchor)
    if probes:
        assert twin.probes > 5
        assert (twin.log_anchor > 0) == (lr < 0.5)
        assert twin.shortened > 0 or lr < 0.5 or averaging
    if blocks:
        assert metrics["block_multiplier_max"] > 1.0001
