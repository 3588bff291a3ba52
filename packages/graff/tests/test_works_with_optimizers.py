"""Optimizers of torch in every variant, optimizers nobody knows, and groups with frozen members."""

import pytest
import torch
from torch import nn

import graff
from graff.hypergradient import LastStep, trainable_tensors

CUDA = pytest.mark.skipif(not torch.cuda.is_available(), reason="capturable optimizers need a GPU")


class Sign(torch.optim.AdamW):
    """An AdamW by name that steps along the sign of the gradient."""

    @torch.no_grad()
    def step(self, closure=None):
        for group in self.param_groups:
            for p in group["params"]:
                if p.grad is not None:
                    p.sub_(p.grad.sign(), alpha=float(group["lr"]))


def an_adamw(**options):
    return lambda groups: torch.optim.AdamW(groups, weight_decay=0.1, **options)


OPTIMIZERS = {
    "adamw, foreach": an_adamw(foreach=True),
    "adamw, one by one": an_adamw(foreach=False),
    "adamw, fused": an_adamw(fused=True),
    "adamw, amsgrad, fused": an_adamw(fused=True, amsgrad=True),
    "adamw, another step": Sign,
    "sgd with momentum": lambda groups: torch.optim.SGD(groups, momentum=0.9, weight_decay=0.01),
    "sgd, fused": lambda groups: torch.optim.SGD(groups, momentum=0.9, fused=True),
    "rmsprop": lambda groups: torch.optim.RMSprop(groups, momentum=0.5, centered=True),
    "adagrad": torch.optim.Adagrad,
    "nadam": torch.optim.NAdam,
}
RATES = {"sgd with momentum": 0.02, "sgd, fused": 0.02, "adagrad": 0.1}


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_the_displacement_is_what_the_step_did(name):
    torch.manual_seed(3)
    tensors = [nn.Parameter(torch.randn(4, 3, dtype=torch.float64)), nn.Parameter(torch.randn(5, dtype=torch.float64))]
    optimizer = OPTIMIZERS[name]([{"params": [tensors[0]], "lr": 0.02}, {"params": [tensors[1]], "lr": 0.005}])
    last = LastStep(optimizer, *trainable_tensors(optimizer))
    for _ in range(4):
        for t in tensors:
            t.grad = torch.randn_like(t)
        was = [t.detach().clone() for t in tensors]
        last.before()
        optimizer.step()
        last.after()
        for tensor, before, moved in zip(tensors, was, last.displacements(), strict=True):
            torch.testing.assert_close(moved, before - tensor.detach(), rtol=1e-9, atol=1e-14)


@pytest.mark.parametrize("planner", ["fixed", "graff", "reactor"])
@pytest.mark.parametrize("name", OPTIMIZERS)
def test_it_trains_and_a_resumed_run_is_the_same(new_run, clock, name, planner):
    options = {"outer_lr": 2e-3, "probe_share": 0.1} if planner == "graff" else {}
    lr = RATES.get(name, 1e-2)
    run = new_run(planner, clock, lr=lr, optimizer=OPTIMIZERS[name], **options)
    run.advance(10)
    state = run.state()
    state = {key: torch_copy(value) for key, value in state.items()}
    reports = run.advance(20)
    assert sum(r.loss for r in reports[-5:]) < 0.9 * sum(r.loss for r in reports[:5])
    resumed = new_run(planner, clock, lr=lr, optimizer=OPTIMIZERS[name], **options)
    resumed.load(state)
    assert [r.metrics for r in resumed.advance(20)] == [r.metrics for r in reports[10:]]
    assert new_run.same(run.weights(), resumed.weights())


def torch_copy(value):
    """Return what a file would give back: the state of a run shares its tensors with the run."""
    if isinstance(value, dict):
        return {key: torch_copy(member) for key, member in value.items()}
    if isinstance(value, list | tuple):
        return type(value)(torch_copy(member) for member in value)
    return value.clone() if isinstance(value, torch.Tensor) else value


@pytest.mark.parametrize("planner", ["fixed", "graff", "reactor"])
def test_variants_of_adamw_follow_the_same_rates(new_run, clock, planner):
    options = {"outer_lr": 2e-3, "probe_share": 0.1} if planner == "graff" else {}
    runs = [
        new_run(planner, clock, lr=1e-2, optimizer=OPTIMIZERS[name], seconds=1e6, **options).advance(20)
        for name in ("adamw, foreach", "adamw, one by one", "adamw, fused")
    ]
    for one, two, three in zip(*runs, strict=True):
        assert one.learning_rates == pytest.approx(two.learning_rates, rel=1e-3)
        assert one.learning_rates == pytest.approx(three.learning_rates, rel=1e-3)


@pytest.mark.parametrize("optimizer", [torch.optim.AdamW, torch.optim.SGD, torch.optim.RMSprop])
@pytest.mark.parametrize("planner", ["fixed", "graff", "reactor"])
def test_frozen_members_of_a_group_stay_and_change_nothing(clock, planner, optimizer):
    def train(frozen):
        torch.manual_seed(4)
        model = nn.Sequential(nn.Linear(4, 6), nn.Tanh(), nn.Linear(6, 2))
        still = nn.Parameter(torch.ones(3), requires_grad=False)
        model.register_parameter("still", still)
        head = list(model[2].parameters())
        groups = [{"params": list(model[0].parameters())}, {"params": [still, *head] if frozen else head, "lr": 5e-3}]
        made = optimizer(groups, lr=1e-2)
        budget = graff.Budget(seconds=100, clock=clock)
        options = {"probe_share": 0.5} if planner == "graff" else {}
        guide = graff.planners.make(planner, optimizer=made, model=model, budget=budget, max_grad_norm=1.0, **options)
        data, reports = torch.Generator().manual_seed(1), []
        for _ in range(12):
            x = torch.randn(8, 4, generator=data)
            guide.weigh((model(x) - x[:, :2]).square()).backward()
            clock.pass_by(0.125)
            reports.append(guide.step(lambda x=x: (model(x) - x[:, :2]).square().mean()))
        assert torch.equal(still, torch.ones(3))
        return [r.learning_rates for r in reports], [p.detach().clone() for p in model.parameters()]

    rates, weights = train(frozen=True)
    without, same = train(frozen=False)
    assert rates == without
    assert all(torch.equal(a, b) for a, b in zip(weights, same, strict=True))


@CUDA
@pytest.mark.parametrize("variant", [{"capturable": True}, {"fused": True}, {"capturable": True, "fused": True}])
@pytest.mark.parametrize("rate", [1e-2, "tensor"])
def test_capturable_and_fused_adamw_on_a_gpu_follow_the_rates_of_the_plain_one(clock, variant, rate):
    def train(**options):
        torch.manual_seed(4)
        model = nn.Sequential(nn.Linear(4, 16), nn.Tanh(), nn.Linear(16, 2)).cuda()
        lr = torch.tensor(1e-2, device="cuda") if rate == "tensor" and options else 1e-2
        made = torch.optim.AdamW(model.parameters(), lr=lr, **options)
        budget = graff.Budget(seconds=100, clock=clock)
        planner = graff.Graff(made, model, budget, max_grad_norm=1.0, probe_share=0.5)
        data, reports = torch.Generator().manual_seed(1), []
        for _ in range(20):
            x = torch.randn(32, 4, generator=data).cuda()
            planner.weigh((model(x) - x[:, :2]).square()).backward()
            clock.pass_by(0.125)
            reports.append(planner.step(lambda x=x: (model(x) - x[:, :2]).square().mean()))
        return reports

    for plain, other in zip(train(), train(**variant), strict=True):
        assert other.loss == pytest.approx(plain.loss, rel=1e-3)
        assert other.learning_rates == pytest.approx(plain.learning_rates, rel=1e-2)
