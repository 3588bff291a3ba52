import copy
import math

import pytest
import torch
from torch import nn
from torch.func import functional_call

import graff
from graff import GraffError


class Double:
    """A small model in double precision whose batch is whole, so that slice and batch have the same loss."""

    def __init__(self, clock, *, rate=1e-3, max_grad_norm=None, optimizer=torch.optim.AdamW, **options):
        torch.manual_seed(5)
        self.clock = clock
        self.model = nn.Sequential(nn.Linear(4, 6), nn.Tanh(), nn.Linear(6, 2)).double()
        self.optimizer = optimizer(self.model.parameters(), lr=rate)
        self.planner = graff.Salelr(
            self.optimizer,
            self.model,
            graff.Budget(seconds=60, clock=clock),
            max_grad_norm=max_grad_norm,
            **({"probe_share": 0.5} | options),
        )
        self.x = torch.randn(12, 4).double()
        self.y = self.x[:, :2].sin()

    def losses(self, model=None):
        return ((model or self.model)(self.x) - self.y).square()

    def probe(self):
        return self.losses().mean()

    def advance(self, probe):
        self.planner.weigh(self.losses()).backward()
        self.clock.pass_by(0.125)
        return self.planner.step(probe)


def exact(run):
    """Return the update of one step at the optimizer's present rates, its gain and its curvature, all by autograd."""
    model, optimizer = copy.deepcopy((run.model, run.optimizer))
    names = [name for name, _ in model.named_parameters()]
    before = tuple(p.detach().clone() for p in model.parameters())
    run.losses(model).mean().backward()
    gradients = [p.grad.clone() for p in model.parameters()]
    if run.planner._max_grad_norm is not None:
        nn.utils.clip_grad_norm_(model.parameters(), run.planner._max_grad_norm)
    optimizer.step()
    update = tuple(b - p.detach() for b, p in zip(before, model.parameters(), strict=True))

    def loss(*weights):
        return (functional_call(model, dict(zip(names, weights, strict=True)), (run.x,)) - run.y).square().mean()

    product = torch.autograd.functional.hvp(loss, before, update)[1]
    gain = sum(float((g * u).sum()) for g, u in zip(gradients, update, strict=True))
    return before, update, gain, sum(float((p * u).sum()) for p, u in zip(product, update, strict=True))


@pytest.mark.parametrize("max_grad_norm", [None, 0.05])
@pytest.mark.parametrize("optimizer", [torch.optim.AdamW, lambda p, lr: torch.optim.SGD(p, lr=lr, momentum=0.9)])
def test_the_rate_is_sigma_line_searches_by_the_exact_hessian(optimizer, max_grad_norm, clock):
    run = Double(clock, sigma=1.5, rate_bound=1e9, optimizer=optimizer, max_grad_norm=max_grad_norm)
    for _ in range(6):
        run.advance(None)
    before, update, gain, curvature = exact(run)
    assert gain > 0
    report = run.advance(run.probe)
    # Clipping adds a millionth to the norm that it divides by.
    assert report.metrics["gain"] == pytest.approx(gain, rel=1e-9 if max_grad_norm is None else 1e-5)
    assert report.metrics["curvature"] == pytest.approx(curvature, rel=1e-3)
    factor = 1.5 * gain / abs(curvature)
    assert report.metrics["factor"] == pytest.approx(factor, rel=1e-3)
    assert report.learning_rate == pytest.approx(1e-3 * factor, rel=1e-3)
    # The probed step itself is made at its own rate.
    for was, moved, now in zip(before, update, run.model.parameters(), strict=True):
        torch.testing.assert_close(now.detach(), was - report.metrics["factor"] * moved, rtol=1e-9, atol=1e-12)


def test_numerator_and_denominator_are_averaged_per_unit_of_the_rate(clock):
    run = Double(clock, sigma=1.0, rate_bound=1e9, smoothing=0.75)
    for _ in range(6):
        run.advance(None)
    gains, curvatures, factor = [], [], 1.0
    for _ in range(4):
        _, _, gain, curvature = exact(run)
        gains.append(max(0.0, gain) / factor)
        curvatures.append(abs(curvature) / factor**2)
        weights = [0.75 ** (len(gains) - 1 - i) for i in range(len(gains))]
        top = sum(w * g for w, g in zip(weights, gains, strict=True))
        expected = top / sum(w * c for w, c in zip(weights, curvatures, strict=True))
        factor = run.advance(run.probe).metrics["factor"]
        assert factor == pytest.approx(expected, rel=5e-3)


def test_between_probes_the_last_rate_holds(clock):
    run = Double(clock)
    for _ in range(6):
        run.advance(None)
    probed = run.advance(run.probe)
    held = [run.advance(None) for _ in range(5)]
    assert probed.learning_rate != 1e-3
    assert {r.learning_rate for r in held} == {probed.learning_rate}
    assert [r.metrics["unprobed_steps"] for r in held] == [7.0, 8.0, 9.0, 10.0, 11.0]


def test_without_a_probe_it_is_the_base_rate_and_every_step_is_counted(new_run, clock):
    reports = new_run("salelr", clock).advance(12, probe=False)
    assert {r.learning_rates for r in reports} == {(3e-3, 1.5e-3)}
    assert [r.metrics["unprobed_steps"] for r in reports] == [float(i + 1) for i in range(12)]
    assert reports[-1].metrics["probes"] == 0


def test_probes_stay_within_their_share_of_the_clock(new_run, clock):
    run = new_run("salelr", clock, seconds=30, probe_share=0.01)
    run.advance(200)
    spent = run.reports[-1].metrics["probe_s"]
    assert 0 < spent <= 0.01 * run.budget.elapsed_s
    probes = run.reports[-1].metrics["probes"]
    assert spent == pytest.approx(probes * 3 / 1024)
    assert 10 < probes < 100


def test_a_step_against_the_gradient_lowers_the_rate_to_its_bound(clock):
    run = Double(clock, optimizer=torch.optim.SGD, rate_bound=4.0)
    for _ in range(6):
        run.advance(None)
    run.optimizer.param_groups[0]["maximize"] = True  # every step now climbs: -<g, u> is negative
    assert run.advance(run.probe).metrics["factor"] == 0.25


def test_a_straight_loss_raises_the_rate_to_its_bound(clock):
    weight = nn.Parameter(torch.ones(4).double())
    budget = graff.Budget(seconds=60, clock=clock)
    # Powers of two: the curvature is exactly zero, without a rounding error that could stand in for it.
    planner = graff.Salelr(torch.optim.SGD([weight], lr=2**-10), None, budget, probe_share=0.5, rate_bound=4.0)
    for _ in range(8):
        planner.weigh(weight * 2.0).backward()
        clock.pass_by(0.125)
        report = planner.step(lambda: 2.0 * weight.mean())
    assert report.metrics["factor"] == 4.0


@pytest.mark.parametrize("failure", ["raises", "is not finite"])
def test_a_probe_that_fails_changes_neither_the_step_nor_the_rate_and_is_counted(failure, clock):
    def bad():
        if failure == "raises":
            raise RuntimeError("out of memory")
        return math.nan

    run, other = Double(clock), Double(clock)
    for _ in range(6):
        run.advance(None)
        other.advance(None)
    report = run.advance(bad)
    other.advance(None)
    assert report.metrics["probe_failures"] == 1
    assert report.metrics["factor"] == 1.0
    for a, b in zip(run.model.parameters(), other.model.parameters(), strict=True):
        assert torch.equal(a, b)


@pytest.mark.parametrize(
    ("option", "value"), [("sigma", 0.0), ("smoothing", 1.0), ("probe_share", 0.0), ("rate_bound", 1.0)]
)
def test_an_option_out_of_its_range_is_one_line(option, value, new_run, clock):
    with pytest.raises(GraffError, match=f"^{option} of {value}: it is [^\n]*; use "):
        new_run("salelr", clock, **{option: value})
