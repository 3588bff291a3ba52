import copy
import sys

import pytest
import torch
from schedulefree import AdamWScheduleFree
from torch import nn

import graff
from graff import GraffError


def a_model(dtype=torch.float32):
    torch.manual_seed(7)
    return nn.Sequential(nn.Linear(6, 8), nn.Tanh(), nn.Linear(8, 3)).to(dtype)


def groups_of(model):
    first, _, last = model.children()
    return [
        {"params": list(first.parameters()), "lr": 0.02, "weight_decay": 0.1},
        {"params": list(last.parameters()), "lr": 0.005, "weight_decay": 0.0},
    ]


def batches(count, dtype=torch.float32):
    generator = torch.Generator().manual_seed(3)
    return [torch.randn(10, 6, generator=generator).to(dtype) for _ in range(count)]


def losses_of(model, x):
    return (model(x) - x[:, :3].sin()).square()


def planned(clock, count, *, dtype=torch.float32, evaluate_every=None, **options):
    model = a_model(dtype)
    optimizer = torch.optim.AdamW(groups_of(model), betas=(0.95, 0.98), eps=1e-7)
    planner = graff.ScheduleFree(optimizer, model, graff.Budget(seconds=10, clock=clock), **options)
    reports = []
    for step, x in enumerate(batches(count, dtype)):
        planner.weigh(losses_of(model, x)).backward()
        clock.pass_by(0.125)
        reports.append(planner.step())
        if evaluate_every and step % evaluate_every == 0:
            with planner.evaluating():
                pass
    return model, planner, reports


def weights(model):
    return [p.detach().clone() for p in model.parameters()]


def equal(left, right):
    return all(torch.equal(a, b) for a, b in zip(left, right, strict=True))


@pytest.mark.parametrize("warmup", [0.0, 0.2])
def test_it_is_the_packages_own_loop_bit_for_bit(warmup, clock):
    model, planner, reports = planned(clock, 30, warmup_fraction=warmup)
    plain = a_model()
    optimizer = AdamWScheduleFree(groups_of(plain), betas=(0.95, 0.98), eps=1e-7)
    optimizer.train()
    for step, x in enumerate(batches(30)):
        # The clock warms up over its first two seconds: by a sixteenth of the rate every step.
        factor = min(1.0, (step + 1) / 16) if warmup else 1.0
        for group, base, rate in zip(optimizer.param_groups, (0.02, 0.005), reports[step].learning_rates, strict=True):
            assert rate == pytest.approx(base * factor)
            group["lr"] = rate
        losses = losses_of(plain, x)
        (losses.sum() / losses.numel()).backward()
        optimizer.step()
        optimizer.zero_grad()
    assert equal(weights(model), weights(plain))
    optimizer.eval()
    with planner.evaluating():
        assert equal(weights(model), weights(plain))


def test_evaluating_holds_the_average_and_puts_the_training_weights_back_bit_for_bit(clock):
    model, planner, _ = planned(clock, 20)
    training = weights(model)
    with planner.evaluating():
        average = weights(model)
        with planner.evaluating():
            assert equal(average, weights(model))
        assert equal(average, weights(model))
        # Leaving the inner block has not ended the outer one.
        with pytest.raises(GraffError, match=r"^state within evaluating"):
            planner.state_dict()
    assert equal(training, weights(model))
    # From the package's own state: y = beta x + (1 - beta) z.
    for y, x, p in zip(training, average, model.parameters(), strict=True):
        z = planner.optimizer.state[p]["z"]
        torch.testing.assert_close(y, 0.95 * x + 0.05 * z, rtol=1e-5, atol=1e-6)
        assert not torch.equal(x, y)


def test_the_average_of_a_constant_rate_is_the_mean_of_the_base_iterates(clock):
    model = a_model(torch.float64)
    optimizer = torch.optim.AdamW(model.parameters(), lr=0.01, weight_decay=0.0)
    planner = graff.ScheduleFree(optimizer, model, graff.Budget(seconds=10, clock=clock), warmup_fraction=0.0)
    seen = []
    for x in batches(12, torch.float64):
        planner.weigh(losses_of(model, x)).backward()
        planner.step()
        seen.append([planner.optimizer.state[p]["z"].clone() for p in model.parameters()])
    with planner.evaluating():
        for index, p in enumerate(model.parameters()):
            mean = torch.stack([step[index] for step in seen]).mean(0)
            torch.testing.assert_close(p.detach(), mean, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_an_evaluation_changes_nothing_about_the_training(dtype, clock):
    without, _, _ = planned(clock, 20, dtype=dtype)
    with_them, _, _ = planned(clock, 20, dtype=dtype, evaluate_every=3)
    assert equal(weights(without), weights(with_them))


def test_the_training_weights_come_back_when_the_evaluation_fails(clock):
    model, planner, _ = planned(clock, 5)
    training = weights(model)
    with pytest.raises(ValueError, match="no data"), planner.evaluating():
        raise ValueError("no data")
    assert equal(training, weights(model))
    planner.weigh(losses_of(model, batches(1)[0])).backward()
    assert not planner.step().skipped


def test_a_step_or_a_state_within_evaluating_is_refused_in_one_line(clock):
    model, planner, _ = planned(clock, 3)
    planner.weigh(losses_of(model, batches(1)[0])).backward()
    with planner.evaluating():
        with pytest.raises(GraffError, match=r"^step within evaluating: .*; leave the block first$"):
            planner.step()
        with pytest.raises(GraffError, match=r"^state within evaluating: .*; save it outside the block$"):
            planner.state_dict()
    assert not planner.step().skipped


def test_a_run_resumed_after_an_evaluation_has_the_same_average(clock):
    model, planner, _ = planned(clock, 8)
    with planner.evaluating():
        pass
    saved = copy.deepcopy([model.state_dict(), planner.optimizer.state_dict(), planner.state_dict()])
    other, resumed, _ = planned(clock, 0)
    other.load_state_dict(saved[0])
    resumed.optimizer.load_state_dict(saved[1])
    resumed.load_state_dict(saved[2])
    with planner.evaluating(), resumed.evaluating():
        assert equal(weights(model), weights(other))


def test_it_takes_the_values_of_the_callers_groups_and_leaves_the_caller_alone(clock):
    model = a_model()
    given = torch.optim.AdamW(groups_of(model), betas=(0.8, 0.9), eps=1e-6)
    given.param_groups[0]["lr"] = torch.tensor(0.25)
    planner = graff.ScheduleFree(given, model, graff.Budget(seconds=10, clock=clock))
    assert isinstance(planner.optimizer, AdamWScheduleFree)
    first, second = planner.optimizer.param_groups
    assert (first["lr"], second["lr"]) == (0.25, 0.005)
    assert (first["weight_decay"], second["weight_decay"]) == (0.1, 0.0)
    assert first["betas"] == second["betas"] == (0.8, 0.9)
    assert first["eps"] == 1e-6
    assert first["params"][0] is next(model.parameters())
    assert type(given) is torch.optim.AdamW


def refused(optimizer, message, clock):
    with pytest.raises(GraffError, match=message) as caught:
        graff.ScheduleFree(optimizer, None, graff.Budget(seconds=10, clock=clock))
    assert "\n" not in str(caught.value)


def test_an_optimizer_that_it_cannot_stand_in_for_is_one_line(clock):
    weight = nn.Parameter(torch.ones(2))
    refused(torch.optim.Adam([weight]), r"^optimizer Adam: schedule_free takes .*; give torch's AdamW$", clock)
    refused(torch.optim.AdamW([weight], amsgrad=True), r"^AdamW with amsgrad: .*; leave it out$", clock)
    refused(torch.optim.AdamW([weight], maximize=True), r"^AdamW with maximize: .*; leave it out$", clock)
    refused(torch.optim.AdamW([weight], betas=(0.0, 0.9)), r"^betas of \(0.0, 0.9\): .*; use 0.9$", clock)
    used = torch.optim.AdamW([weight])
    weight.grad = torch.ones(2)
    used.step()
    refused(used, r"^AdamW that has made steps: .*; give a fresh optimizer$", clock)


def test_a_missing_package_is_one_line_that_says_how_to_install_it(clock, monkeypatch):
    monkeypatch.setitem(sys.modules, "schedulefree", None)
    message = r'^package schedulefree: it is not installed; run pip install "graff\[schedule-free\]"$'
    refused(torch.optim.AdamW([nn.Parameter(torch.ones(2))]), message, clock)
