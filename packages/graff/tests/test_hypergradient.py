import copy

import pytest
import torch
from torch import nn

from graff.hypergradient import LastStep, dots, norms, preconditioned_square, stability_threshold, trainable_tensors

OPTIMIZERS = {
    "adamw": lambda groups: torch.optim.AdamW(groups, betas=(0.9, 0.98), weight_decay=0.1),
    "adam with coupled decay": lambda groups: torch.optim.Adam(groups, weight_decay=0.1),
    "amsgrad": lambda groups: torch.optim.AdamW(groups, amsgrad=True),
    "adamw, maximising": lambda groups: torch.optim.AdamW(groups, maximize=True),
    "sgd": torch.optim.SGD,
    "sgd with nesterov momentum": lambda groups: torch.optim.SGD(groups, momentum=0.9, nesterov=True, weight_decay=0.1),
    "rmsprop": torch.optim.RMSprop,
}


def a_run():
    torch.manual_seed(3)
    model = nn.Sequential(nn.Linear(5, 7), nn.Tanh(), nn.Linear(7, 2)).double()
    batches = [(torch.randn(9, 5).double(), torch.randn(9, 2).double()) for _ in range(5)]
    return model, batches


def loss_of(model, batch):
    return (model(batch[0]) - batch[1]).square().mean()


def train(make, log_rate_shift, steps=4):
    """Train, with the rate of the last step shifted, and return the loss of the batch after it."""
    model, batches = a_run()
    parts = list(model.children())
    groups = [{"params": list(parts[0].parameters()), "lr": 0.02}, {"params": list(parts[2].parameters()), "lr": 0.005}]
    optimizer = make(groups)
    tensors, of_group = trainable_tensors(optimizer)
    last = LastStep(optimizer, tensors, of_group)
    for step, batch in enumerate(batches[:steps]):
        optimizer.zero_grad()
        loss_of(model, batch).backward()
        if step == steps - 1:
            for group in optimizer.param_groups:
                group["lr"] *= float(torch.tensor(log_rate_shift, dtype=torch.float64).exp())
        before = [t.detach().clone() for t in tensors]
        last.before()
        optimizer.step()
        last.after()
    optimizer.zero_grad()
    loss = loss_of(model, batches[steps])
    loss.backward()
    return loss.item(), tensors, last, before


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_the_hypergradient_is_the_derivative_of_a_real_run_by_its_last_log_rate(name):
    make = OPTIMIZERS[name]
    _, tensors, last, _ = train(make, 0.0)
    facts = last.facts([t.grad for t in tensors])
    hypergradient = -float(facts[0].sum())
    shift = 1e-5
    numeric = (train(make, shift)[0] - train(make, -shift)[0]) / (2 * shift)
    assert abs(numeric) > 1e-5
    assert hypergradient == pytest.approx(numeric, rel=1e-6)


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_the_displacement_is_what_the_step_did(name):
    _, tensors, last, before = train(OPTIMIZERS[name], 0.0)
    for tensor, was, moved in zip(tensors, before, last.displacements(), strict=True):
        torch.testing.assert_close(moved, was - tensor.detach(), rtol=1e-9, atol=1e-14)


def test_adam_needs_no_copy_of_the_weights():
    _, _, last, _ = train(OPTIMIZERS["adamw"], 0.0)
    assert last.state_dict()["kept"] is None
    _, _, last, _ = train(OPTIMIZERS["sgd"], 0.0)
    assert last.state_dict()["kept"] is not None


def test_a_tensor_without_a_gradient_has_not_moved():
    used, unused = nn.Parameter(torch.ones(2)), nn.Parameter(torch.ones(3))
    optimizer = torch.optim.AdamW([unused, used], lr=0.1)
    last = LastStep(optimizer, *trainable_tensors(optimizer))
    used.grad = torch.ones(2)
    last.before()
    optimizer.step()
    last.after()
    first, second = last.displacements()
    assert torch.equal(first, torch.zeros(3))
    torch.testing.assert_close(second, 1.0 - used.detach())


def test_products_of_half_precision_tensors_are_not_rounded_to_half_precision():
    left, right = torch.randn(2, 5000).bfloat16()
    exact = float((left.double() * right.double()).sum())
    assert float(dots([left], [right])) == pytest.approx(exact, rel=1e-4)
    assert float(norms([left])) == pytest.approx(float(left.double().norm()), rel=1e-4)


@pytest.mark.parametrize("name", ["adamw", "sgd"])
def test_the_preconditioned_square_is_rate_weighted(name):
    _, tensors, last, _ = train(OPTIMIZERS[name], 0.0)
    optimizer = last._optimizer
    expected = 0.0
    for group in optimizer.param_groups:
        for p in group["params"]:
            delta = last.displacements()[[t is p for t in tensors].index(True)]
            p_diagonal = torch.ones_like(p)
            if name == "adamw":
                state = optimizer.state[p]
                p_diagonal = (state["exp_avg_sq"] / (1 - group["betas"][1] ** float(state["step"]))).sqrt() + group[
                    "eps"
                ]
            expected += float((delta * p_diagonal / group["lr"] * delta).sum())
    assert preconditioned_square(optimizer, last.displacements()) == pytest.approx(expected, rel=1e-9)


def test_the_edge_of_stability_is_in_the_optimizers_own_units():
    weight = [nn.Parameter(torch.ones(1))]
    assert stability_threshold(torch.optim.SGD(weight, lr=1)) == 2
    assert stability_threshold(torch.optim.SGD(weight, lr=1, momentum=0.9)) == pytest.approx(3.8)
    assert stability_threshold(torch.optim.AdamW(weight)) == pytest.approx(38)
    assert stability_threshold(torch.optim.RMSprop(weight)) is None
    assert preconditioned_square(torch.optim.RMSprop(weight), [torch.ones(1)]) is None


def test_gradient_descent_on_a_quadratic_diverges_just_beyond_its_threshold():
    curvature = torch.tensor([3.0, 0.5], dtype=torch.float64)

    def end(share, make):
        weight = nn.Parameter(torch.ones(2, dtype=torch.float64))
        optimizer = make([weight])
        rate = share * stability_threshold(optimizer) / 3.0
        for group in optimizer.param_groups:
            group["lr"] = rate
        for _ in range(400):
            optimizer.zero_grad()
            (0.5 * curvature * weight.square()).sum().backward()
            optimizer.step()
        return float(weight.detach().abs().max())

    for make in (lambda p: torch.optim.SGD(p, lr=1), lambda p: torch.optim.SGD(p, lr=1, momentum=0.5)):
        assert end(0.9, make) < 1e-6
        assert end(1.1, make) > 1e6


def test_a_saved_last_step_reads_the_same_displacement():
    last = train(OPTIMIZERS["sgd with nesterov momentum"], 0.0)[2]
    other = LastStep(last._optimizer, *trainable_tensors(last._optimizer))
    other.load_state_dict(copy.deepcopy(last.state_dict()))
    for a, b in zip(last.displacements(), other.displacements(), strict=True):
        assert torch.equal(a, b)
