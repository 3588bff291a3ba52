"""The head that multiplies each block's part of a step."""

import math

import pytest
import torch
from torch import nn

import graff
from graff.encoder import HIDDEN, LinearDecoder
from graff.regret import Regret
from graff.warm_start import packaged, read_warm_start, save_warm_start

OPTIMIZERS = {
    "adamw": lambda p: torch.optim.AdamW(p, lr=0.05, weight_decay=0.5),
    "adam": lambda p: torch.optim.Adam(p, lr=0.05, weight_decay=0.5),
    "sgd": lambda p: torch.optim.SGD(p, lr=0.05, momentum=0.5, weight_decay=0.5),
}


class Double:
    """Three blocks in double precision whose multipliers are far from 1."""

    def __init__(self, clock, optimizer, **options):
        torch.manual_seed(3)
        self.clock = clock
        self.model = nn.Sequential(nn.Linear(4, 6), nn.Tanh(), nn.Linear(6, 6), nn.Tanh(), nn.Linear(6, 2)).double()
        self.optimizer = OPTIMIZERS[optimizer](self.model.parameters())
        budget = graff.Budget(seconds=100, clock=clock)
        options = {"warmup_fraction": 0.0, "block_multipliers": True} | options
        self.planner = graff.Graff(self.optimizer, self.model, budget, **options)
        self.decoder = self.planner._residual.decoder
        if self.decoder.block_weight is not None:
            with torch.no_grad():
                far = 60.0 * torch.randn(HIDDEN, generator=torch.Generator().manual_seed(1))
                self.decoder.block_weight.copy_(far)
        self.data = torch.Generator().manual_seed(2)
        self.gradients = []
        learn = self.planner._residual.learn

        def noting(gradient, pace, by_block=None):
            self.gradients.append(by_block)
            learn(gradient, pace, by_block)

        self.planner._residual.learn = noting

    def step(self, probe=False):
        x = torch.randn(8, 4, generator=self.data, dtype=torch.float64)
        self.planner.weigh((self.model(x) - x[:, :2]).square()).backward()
        self.clock.pass_by(0.125)
        return self.planner.step((lambda: (self.model(x) - x[:, :2]).square().mean()) if probe else None)

    def shift(self, by):
        own = type(self.decoder).log_multipliers
        self.decoder.log_multipliers = lambda state: own(self.decoder, state) + by


@pytest.mark.parametrize("averaging", [True, False])
@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_the_derivative_by_each_blocks_multiplier_is_that_of_the_next_loss(clock, optimizer, averaging):
    """Three real steps; the second one's log multipliers are perturbed, against central differences, to 1e-6."""

    def run(by):
        double = Double(clock, optimizer, averaging=averaging)
        double.step()
        double.shift(by)
        double.step()
        double.shift(torch.zeros(3))
        now = double.planner.budget.elapsed_s
        return double.step(), double.gradients[-1] / Regret.weight(now + 0.125), double

    _, told, double = run(torch.zeros(3))
    assert max(abs(math.log(s)) for s in double.planner._last_step._multipliers or [2.0]) > 0.05
    for block in range(3):
        by = 1e-4 * torch.eye(3, dtype=torch.float64)[block]
        numeric = (run(by)[0].loss - run(-by)[0].loss) / 2e-4
        assert float(told[block]) == pytest.approx(numeric, rel=1e-6)


@pytest.mark.parametrize("averaging", [True, False])
def test_the_derivative_by_the_heads_weights_is_that_of_the_next_loss(clock, averaging):
    """Two real steps, the directional derivative by ``w_s`` against central differences, to 1e-2 (float32 network)."""
    along = torch.randn(HIDDEN, generator=torch.Generator().manual_seed(5))

    def run(by):
        double = Double(clock, "adamw", averaging=averaging)
        with torch.no_grad():
            double.decoder.block_weight += by * along
        double.step()
        return double, double.step()

    double, _ = run(0.0)
    residual = double.planner._residual
    told = residual._heads["block_weight"].state[residual.decoder.block_weight]["exp_avg"] / (1 - 0.9) @ along
    numeric = (run(1.0)[1].loss - run(-1.0)[1].loss) / 2.0
    # It enters in units of its own scale, and as the derivative of the regret.
    told = float(told) * math.exp(residual._block_scale)
    assert told == pytest.approx(numeric * Regret.weight(0.25), rel=1e-2)


def test_the_encoder_hears_of_blocks_too(clock):
    def moved(head):
        double = Double(clock, "adamw", block_multipliers=head)
        double.step(), double.step()
        return double.planner.warm_start_weights.encoder["enter.weight"]

    assert not torch.equal(moved(True), moved(False))


def test_multipliers_have_geometric_mean_one_and_stay_within_a_factor_of_two():
    decoder = LinearDecoder(30.0, block_head=True)
    generator = torch.Generator().manual_seed(0)
    for scale in (0.0, 1.0, 100.0, 1e6):
        with torch.no_grad():
            decoder.block_weight.copy_(scale * torch.randn(HIDDEN, generator=generator))
        logs = decoder.log_multipliers(torch.randn(7, HIDDEN, generator=generator)).detach()
        assert abs(float(logs.mean())) < 1e-12
        assert float(logs.abs().max()) <= math.log(2.0)
    assert float(logs.abs().max()) > 0.5 * math.log(2.0)


@pytest.mark.parametrize("optimizer", [torch.optim.AdamW, torch.optim.SGD])
@pytest.mark.parametrize("averaging", [True, False])
def test_with_weights_of_zero_the_run_is_the_same_to_the_last_bit(new_run, clock, averaging, optimizer):
    options = {"averaging": averaging, "optimizer": optimizer, "probe_share": 0.3, "learn": False}
    plain, neutral = new_run("graff", clock, **options), new_run("graff", clock, block_multipliers=True, **options)
    plain.advance(20)
    neutral.advance(20)
    assert neutral.reports[-1].metrics["block_multiplier_max"] == 1.0
    assert neutral.reports[-1].metrics["probes"] > 0
    assert new_run.same(plain.weights(), neutral.weights())


@pytest.mark.parametrize("shortening", [False, True])
@pytest.mark.parametrize("averaging", [True, False])
@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_every_step_is_credited_with_what_was_made_of_it(clock, optimizer, averaging, shortening):
    guard = {"rho_guard": 1e-3, "probe_share": 0.9, "seek": False} if shortening else {}
    double = Double(clock, optimizer, averaging=averaging, **guard)
    acted, spread = 0, 0.0
    for _ in range(12):
        before = [t.detach().clone() for t in double.planner._base_iterate()]
        metrics = double.step(probe=shortening).metrics
        spread = max(spread, metrics["block_multiplier_max"] / metrics["block_multiplier_min"])
        acted = metrics["guard_rho"]
        after = double.planner._base_iterate()
        for told, was, now in zip(double.planner._last_step.displacements(), before, after, strict=True):
            torch.testing.assert_close(told, was - now.detach(), rtol=1e-9, atol=1e-12)
    assert spread > 1.2
    assert (acted > 0) == shortening


def test_a_multiplier_scales_its_blocks_displacement_and_no_other(clock):
    def run(multipliers):
        double = Double(clock, "adamw", averaging=False, learn=False)
        double.decoder.log_multipliers = lambda state: torch.tensor(multipliers, dtype=torch.float64).log()
        before = [p.detach().clone() for p in double.model.parameters()]
        double.step()
        return [b - p.detach() for b, p in zip(before, double.model.parameters(), strict=True)]

    for (one, other), factor in zip(
        zip(run([1.0, 1.0, 1.0]), run([2.0, 1.0, 0.5]), strict=True), [2, 2, 1, 1, 0.5, 0.5], strict=True
    ):
        torch.testing.assert_close(other, factor * one, rtol=1e-9, atol=1e-12)


def test_learning_moves_the_head_only_where_it_is_switched_on_and_the_pull_brings_it_back(new_run, clock):
    run, without = new_run("graff", clock, block_multipliers=True), new_run("graff", clock)
    for one in (run, without):
        one.advance(15)
    learned = run.planner.warm_start_weights.decoder["block_weight"]
    assert float(learned.abs().max()) > 0
    assert run.reports[-1].metrics["block_multiplier_max"] > 1
    assert "block_weight" not in without.planner.warm_start_weights.decoder
    frozen = new_run("graff", clock, block_multipliers=True, zero_decoder=True)
    assert "block_multiplier_max" not in frozen.advance(5)[-1].metrics
    residual = run.planner._residual
    before = residual.decoder.block_weight.detach().clone()
    residual._heads["block_weight"].state.clear()
    optimizer = residual._head_at(0.1, "block_weight")
    residual.decoder.block_weight.grad = torch.zeros(HIDDEN)
    optimizer.step()
    torch.testing.assert_close(residual.decoder.block_weight.detach(), before * (1 - 0.1 * 0.1))


@pytest.mark.parametrize("optimizer", [torch.optim.AdamW, torch.optim.SGD])
@pytest.mark.parametrize("averaging", [True, False])
def test_a_resumed_run_with_multipliers_follows_bit_for_bit(new_run, clock, tmp_path, averaging, optimizer):
    options = {"averaging": averaging, "optimizer": optimizer, "block_multipliers": True, "probe_share": 0.3}
    unbroken = new_run("graff", clock, **options)
    unbroken.advance(12)
    torch.save(unbroken.state(), tmp_path / "state.pt")
    end = unbroken.advance(15)[12:]
    resumed = new_run("graff", clock, **options)
    resumed.load(torch.load(tmp_path / "state.pt", weights_only=True))
    again = resumed.advance(15)
    assert new_run.same(unbroken.weights(), resumed.weights())
    assert [r.metrics for r in end] == [r.metrics for r in again]
    assert end[0].metrics["block_multiplier_max"] > 1


def test_a_file_without_heads_starts_them_at_zero_and_a_new_file_carries_them(new_run, clock, tmp_path):
    for name in packaged():
        assert "block_weight" not in read_warm_start(name).decoder
        weights = new_run("graff", clock, warm_start=name, block_multipliers=True).planner.warm_start_weights.decoder
        assert torch.equal(weights["block_weight"], torch.zeros(HIDDEN))
        assert torch.equal(weights["weight"], read_warm_start(name).decoder["weight"])
    run = new_run("graff", clock, block_multipliers=True)
    run.advance(10)
    save_warm_start(tmp_path / "start.pt", run.planner.warm_start_weights)
    read = new_run("graff", clock, warm_start=tmp_path / "start.pt", block_multipliers=True)
    learned = run.planner.warm_start_weights.decoder["block_weight"]
    assert float(learned.abs().max()) > 0
    assert torch.equal(read.planner.warm_start_weights.decoder["block_weight"], learned)


def test_a_state_from_before_there_were_heads_is_resumed_with_them_at_zero(new_run, clock):
    old = new_run("graff", clock)
    old.advance(8)
    state = old.state()
    planner = state["planner"]
    for key in ("multipliers", "tokens"):
        del planner[key]
    for key in ("heads", "block_scale", "token_scale"):
        del planner["residual"][key]
    planner["residual"]["decoder"] = {k: planner["residual"]["decoder"][k].clone() for k in ("weight", "bias")}
    del planner["last_step"]["multipliers"]
    resumed = new_run("graff", clock)
    resumed.load(state)
    assert resumed.advance(3)[-1].metrics["log_residual"] != 0
