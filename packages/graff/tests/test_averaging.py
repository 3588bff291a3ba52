import copy

import pytest
import torch
from torch import nn

from graff.averaging import ScheduleFree, without_momentum


def model_and_batches(dtype=torch.float32):
    torch.manual_seed(3)
    model = nn.Sequential(nn.Linear(5, 7), nn.Tanh(), nn.Linear(7, 2)).to(dtype)
    return model, [(torch.randn(8, 5).to(dtype), torch.randn(8, 2).to(dtype)) for _ in range(25)]


def rates():
    return [3e-3 * (1 + step) if step < 8 else 1e-2 for step in range(25)]


def test_it_is_the_authors_adamw_to_rounding():
    schedulefree = pytest.importorskip("schedulefree")
    ours, batches = model_and_batches()
    theirs = copy.deepcopy(ours)
    optimizer = torch.optim.AdamW(ours.parameters(), lr=1.0, betas=(0.9, 0.98), weight_decay=0.0)
    without_momentum(optimizer)
    average = ScheduleFree(list(ours.parameters()), 0.9)
    oracle = schedulefree.AdamWScheduleFree(theirs.parameters(), lr=1.0, betas=(0.9, 0.98), weight_decay=0.0)
    oracle.train()
    for (x, y), rate in zip(batches, rates(), strict=True):
        for model in (ours, theirs):
            model.zero_grad()
            (model(x) - y).square().mean().backward()
        optimizer.param_groups[0]["lr"] = oracle.param_groups[0]["lr"] = rate
        average.before()
        optimizer.step()
        average.after(rate)
        oracle.step()
        for a, b in zip(ours.parameters(), theirs.parameters(), strict=True):
            torch.testing.assert_close(a, b, rtol=2e-5, atol=2e-6)
    oracle.eval()
    with average.evaluating():
        for a, b in zip(ours.parameters(), theirs.parameters(), strict=True):
            torch.testing.assert_close(a, b, rtol=2e-5, atol=2e-6)


@pytest.mark.parametrize("dtype", [torch.float64, torch.bfloat16])
def test_the_average_is_the_weighted_mean_of_the_base_iterates(dtype):
    model, batches = model_and_batches(dtype)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    average = ScheduleFree(list(model.parameters()), 0.9)
    weighted, weights, largest = [0.0] * 4, 0.0, 0.0
    for (x, y), rate in zip(batches, rates(), strict=True):
        optimizer.zero_grad()
        (model(x) - y).square().mean().backward()
        optimizer.param_groups[0]["lr"] = rate
        average.before()
        optimizer.step()
        largest = max(largest, rate)
        weighted = [s + largest**2 * p.detach().double() for s, p in zip(weighted, model.parameters(), strict=True)]
        weights += largest**2
        average.after(rate)
        assert average.share == pytest.approx(largest**2 / weights)
    tolerance = 1e-12 if dtype == torch.float64 else 1e-2
    before = [p.detach().clone() for p in model.parameters()]
    with average.evaluating():
        for p, total in zip(model.parameters(), weighted, strict=True):
            torch.testing.assert_close(p.detach().double(), total / weights, rtol=tolerance, atol=tolerance)
    assert all(torch.equal(a, b) for a, b in zip(before, model.parameters(), strict=True))


def test_the_training_point_lies_between_base_and_average():
    model, batches = model_and_batches(torch.float64)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    average = ScheduleFree(list(model.parameters()), 0.7)
    for x, y in batches[:5]:
        optimizer.zero_grad()
        (model(x) - y).square().mean().backward()
        average.before()
        optimizer.step()
        average.after(0.1)
    y_point = [p.detach().clone() for p in model.parameters()]
    with average.evaluating():
        x_point = [p.detach().clone() for p in model.parameters()]
    for y, z, x in zip(y_point, average.base, x_point, strict=True):
        torch.testing.assert_close(y, 0.3 * z + 0.7 * x)
        assert not torch.equal(z, x)


def test_a_saved_average_goes_on_bit_for_bit(tmp_path):
    def train(steps, saved=None):
        model, batches = model_and_batches()
        optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
        average = ScheduleFree(list(model.parameters()), 0.9)
        start = 0
        if saved:
            start, state = saved
            model.load_state_dict(state["model"])
            average.load_state_dict(state["average"])
        for x, y in batches[start:steps]:
            optimizer.zero_grad()
            (model(x) - y).square().mean().backward()
            average.before()
            optimizer.step()
            average.after(0.1)
        return model, average

    model, average = train(9)
    path = tmp_path / "state.pt"
    torch.save({"model": model.state_dict(), "average": average.state_dict()}, path)
    unbroken, _ = train(20)
    resumed, _ = train(20, (9, torch.load(path, weights_only=True)))
    assert all(torch.equal(a, b) for a, b in zip(unbroken.parameters(), resumed.parameters(), strict=True))


def test_the_optimizers_own_momentum_is_switched_off():
    weights = [nn.Parameter(torch.ones(2))]
    adam = torch.optim.AdamW(weights, betas=(0.9, 0.98))
    sgd = torch.optim.SGD(weights, lr=0.1, momentum=0.9, nesterov=True)
    rms = torch.optim.Adagrad(weights)
    for optimizer in (adam, sgd, rms):
        without_momentum(optimizer)
    assert adam.param_groups[0]["betas"] == (0.0, 0.98)
    assert sgd.param_groups[0]["momentum"] == 0
    assert not sgd.param_groups[0]["nesterov"]
    assert "momentum" not in rms.param_groups[0]


def test_before_the_first_step_there_is_nothing_to_swap():
    model, _ = model_and_batches()
    average = ScheduleFree(list(model.parameters()), 0.9)
    before = [p.detach().clone() for p in model.parameters()]
    with average.evaluating():
        assert all(torch.equal(a, b) for a, b in zip(before, model.parameters(), strict=True))
    assert average.gradient_share() == 1.0
