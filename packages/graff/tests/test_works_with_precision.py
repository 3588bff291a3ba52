"""Half precision: a GradScaler, bfloat16 weights, autocast."""

import pytest
import torch
from torch import nn

import graff

PLANNERS = {"fixed": {}, "graff": {"outer_lr": 2e-3, "probe_share": 0.3}, "reactor": {"controller_lr": 1e-2}}


class Scaled:
    """A run under float16 autocast with a scaler; the gradient of the steps in ``overflows`` overflows."""

    def __init__(self, clock, overflows=()):
        torch.manual_seed(3)
        self.clock, self.overflows = clock, overflows
        self.model = nn.Sequential(nn.Linear(6, 8), nn.Tanh(), nn.Linear(8, 3))
        self.optimizer = torch.optim.AdamW(self.model.parameters(), lr=3e-3)
        self.scaler = torch.amp.GradScaler("cpu", init_scale=1024.0, growth_interval=6)
        self.data = torch.Generator().manual_seed(2)
        self.scales, self.weights = [], []

    def losses(self, x):
        with torch.autocast("cpu", dtype=torch.float16):
            return (self.model(x) - x[:, :3]).square()

    def batch(self):
        return torch.randn(16, 6, generator=self.data)

    def spoil(self, step):
        if step in self.overflows:
            next(self.model.parameters()).grad[0, 0] = float("inf")

    def note(self):
        self.scales.append(self.scaler.get_scale())
        self.weights.append([p.detach().clone() for p in self.model.parameters()])

    def plain(self, steps):
        for step in range(steps):
            loss = self.losses(self.batch()).float().mean()
            self.scaler.scale(loss).backward()
            self.spoil(step)
            self.scaler.unscale_(self.optimizer)
            self.scaler.step(self.optimizer)
            self.scaler.update()
            self.optimizer.zero_grad()
            self.note()
        return self

    def planned(self, steps, name, **options):
        budget = graff.Budget(seconds=5.0, clock=self.clock)
        planner = graff.planners.make(name, optimizer=self.optimizer, model=self.model, budget=budget, **options)
        self.reports = []
        for step in range(steps):
            x = self.batch()
            self.scaler.scale(planner.weigh(self.losses(x))).backward()
            self.spoil(step)
            self.clock.pass_by(0.125)
            self.reports.append(planner.step(lambda x=x: self.losses(x[:8]).float().mean(), scaler=self.scaler))
            self.note()
        self.planner = planner
        return self


def same(left, right):
    return all(torch.equal(a, b) for a, b in zip(left, right, strict=True))


def test_a_fixed_rate_under_a_scaler_is_the_plain_scaler_loop_bit_for_bit(clock):
    plain = Scaled(clock, overflows=(3, 4, 11)).plain(16)
    planned = Scaled(clock, overflows=(3, 4, 11)).planned(16, "fixed")
    assert planned.scales == plain.scales
    assert all(same(a, b) for a, b in zip(plain.weights, planned.weights, strict=True))


@pytest.mark.parametrize("name", PLANNERS)
def test_an_overflow_is_skipped_and_counted_and_halves_the_scale(clock, name):
    run = Scaled(clock, overflows=(5,)).planned(11, name, **PLANNERS[name])
    assert [r.skipped for r in run.reports] == [step == 5 for step in range(11)]
    assert run.planner.skipped == {"non-finite gradient": 1}
    assert run.reports[5].metrics["skipped_steps"] == 1
    # It would double after six good steps in a row.
    assert run.scales == [1024.0] * 5 + [512.0] * 6
    assert same(run.weights[4], run.weights[5])
    assert not same(run.weights[5], run.weights[6])


@pytest.mark.parametrize("name", PLANNERS)
def test_the_planner_sees_gradients_without_the_scale(clock, name):
    small = Scaled(clock)
    large = Scaled(clock)
    large.scaler = torch.amp.GradScaler("cpu", init_scale=4096.0, growth_interval=1000)
    small.planned(6, name, **PLANNERS[name])
    large.planned(6, name, **PLANNERS[name])
    for a, b in zip(small.reports, large.reports, strict=True):
        # Scales are powers of two, so that only what float16 rounds away can differ.
        assert a.metrics["grad_norm"] == pytest.approx(b.metrics["grad_norm"], rel=1e-2)
        assert a.learning_rates == pytest.approx(b.learning_rates, rel=0.1)


@pytest.mark.parametrize("autocast", [False, True])
@pytest.mark.parametrize("optimizer", [torch.optim.AdamW, torch.optim.SGD])
@pytest.mark.parametrize("name", PLANNERS)
def test_bfloat16_weights_train(clock, name, optimizer, autocast):
    torch.manual_seed(3)
    model = nn.Sequential(nn.Linear(6, 16), nn.Tanh(), nn.Linear(16, 3)).to(torch.bfloat16)
    made = optimizer(model.parameters(), lr=0.02)
    planner = graff.planners.make(
        name,
        optimizer=made,
        model=model,
        budget=graff.Budget(seconds=5, clock=clock),
        max_grad_norm=1.0,
        **PLANNERS[name],
    )
    data = torch.Generator().manual_seed(2)

    def losses(x):
        with torch.autocast("cpu", dtype=torch.bfloat16, enabled=autocast):
            return (model(x if autocast else x.bfloat16()) - x[:, :3]).square()

    reports = []
    for _ in range(39):
        x = torch.randn(32, 6, generator=data)
        planner.weigh(losses(x)).backward()
        clock.pass_by(0.125)
        reports.append(planner.step(lambda x=x: losses(x[:8]).float().mean()))
    assert not any(r.skipped for r in reports)
    assert sum(r.loss for r in reports[-5:]) < 0.8 * sum(r.loss for r in reports[:5])
    assert all(p.dtype == torch.bfloat16 for p in model.parameters())
    if name == "graff":
        assert all(r.metrics["hypergradient"] != 0 for r in reports[1:])
        assert reports[-1].metrics["probe_failures"] == 0
        assert reports[-1].metrics["probes"] > 0
