import math

import pytest
import torch
from torch import nn

import graff
from graff import GraffError


def two_steps(rate, make, clock):
    """Train for one step at ``rate`` and return the planner's report on the next batch."""
    torch.manual_seed(3)
    model = nn.Sequential(nn.Linear(5, 7), nn.Tanh(), nn.Linear(7, 2)).double()
    planner = graff.Hypergradient(make(model.parameters(), rate), None, graff.Budget(seconds=9, clock=clock))
    for _ in range(2):
        x = torch.randn(9, 5).double()
        planner.weigh((model(x) - x[:, :2]).square()).backward()
        report = planner.step()
    return report


@pytest.mark.parametrize(
    "make",
    [
        lambda parameters, rate: torch.optim.AdamW(parameters, lr=rate, weight_decay=0.1),
        lambda parameters, rate: torch.optim.SGD(parameters, lr=rate, momentum=0.9),
        lambda parameters, rate: torch.optim.RMSprop(parameters, lr=rate),
    ],
    ids=["adamw", "sgd", "rmsprop"],
)
def test_its_hypergradient_is_the_derivative_of_a_real_run_by_the_log_rate(make, clock):
    shift = 1e-5
    up, down = (two_steps(0.01 * math.exp(sign * shift), make, clock).loss for sign in (1, -1))
    numeric = (up - down) / (2 * shift)
    assert abs(numeric) > 1e-5
    assert two_steps(0.01, make, clock).metrics["hypergradient"] == pytest.approx(numeric, rel=1e-6)


CURVATURE = torch.tensor([3.0, 0.5], dtype=torch.float64)


def on_a_quadratic(clock, steps, rate, **options):
    """Return the rates that the planner sets for gradient descent on a quadratic of known curvature."""
    weight = nn.Parameter(torch.tensor([1.0, -2.0], dtype=torch.float64))
    optimizer = torch.optim.SGD([weight], lr=rate)
    planner = graff.Hypergradient(optimizer, None, graff.Budget(seconds=9, clock=clock), **options)
    reports = []
    for _ in range(steps):
        planner.weigh((0.5 * CURVATURE * weight.square()).sum()).backward()
        reports.append(planner.step())
    return [r.learning_rate for r in reports], reports


def by_hand(steps, rate, change):
    """Return the same rates from a loop in plain numbers; ``change`` maps rate, gradient and last gradient to rate."""
    weight, last, rates = [1.0, -2.0], None, []
    for _ in range(steps):
        gradient = [3.0 * weight[0], 0.5 * weight[1]]
        if last is not None:
            rate = change(rate, gradient, last)
        rates.append(rate)
        weight = [w - rate * g for w, g in zip(weight, gradient, strict=True)]
        last = gradient
    return rates


def inner(a, b):
    return sum(x * y for x, y in zip(a, b, strict=True))


def test_the_additive_update_is_the_published_one(clock):
    expected = by_hand(20, 0.01, lambda rate, g, last: rate + 1e-3 * inner(g, last))
    got, _ = on_a_quadratic(clock, 20, 0.01, update="additive", hyper_lr=1e-3)
    assert got == pytest.approx(expected, rel=1e-12)
    assert got[-1] > 2 * got[0]


def test_the_multiplicative_update_adds_the_cosine_to_the_log_rate(clock):
    def change(rate, g, last):
        return rate * math.exp(0.2 * inner(g, last) / math.sqrt(inner(g, g) * inner(last, last)))

    got, reports = on_a_quadratic(clock, 40, 0.01, hyper_lr=0.2)
    assert got == pytest.approx(by_hand(40, 0.01, change), rel=1e-9)
    # It overshoots the largest stable rate and comes back: both signs of the cosine occur.
    assert max(got) > 2 / 3.0 > got[-1]
    assert reports[-1].metrics["held_at_bound"] == 0


@pytest.mark.parametrize("scale", [1e-3, 1e3])
def test_the_multiplicative_update_does_not_depend_on_the_scale_of_the_loss(scale, clock):
    def rates(scale):
        weight = nn.Parameter(torch.tensor([1.0, -2.0], dtype=torch.float64))
        optimizer = torch.optim.SGD([weight], lr=0.01 / scale)
        planner = graff.Hypergradient(optimizer, None, graff.Budget(seconds=9, clock=clock))
        found = []
        for _ in range(15):
            planner.weigh(scale * (0.5 * CURVATURE * weight.square()).sum()).backward()
            found.append(planner.step().learning_rate * scale)
        return found

    assert rates(scale) == pytest.approx(rates(1.0), rel=1e-9)


def test_an_additive_rate_that_would_be_negative_is_held_positive_and_recovers(clock):
    # At a rate of 1 the first curvature overshoots at once: the published rule would step to a negative rate.
    assert by_hand(2, 1.0, lambda rate, g, last: rate + 1.0 * inner(g, last))[1] < 0
    got, reports = on_a_quadratic(clock, 6, 1.0, update="additive", hyper_lr=1.0)
    assert got[1] == pytest.approx(1e-6)
    assert reports[1].metrics["held_at_bound"] == 1
    assert got[2] > 1.0
    assert min(got) > 0


def test_a_reckless_hyper_lr_leaves_a_finite_positive_rate(clock):
    got, reports = on_a_quadratic(clock, 8, 0.01, hyper_lr=1e9)
    assert all(1e-9 < rate < 1e5 for rate in got)
    assert reports[-1].metrics["held_at_bound"] > 0


def test_a_skipped_batch_does_not_change_the_rate(new_run, clock):
    run = new_run("hypergradient", clock)
    last = run.advance(5)[-1]
    run.planner.weigh(run.token_losses(run.batch()) * float("nan")).backward()
    assert run.planner.step().skipped
    assert run.planner.state_dict()["factor"] == pytest.approx(math.exp(last.metrics["log_factor"]))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"update": "log"}, r"^update of 'log': it is 'multiplicative' or 'additive'; choose one$"),
        ({"hyper_lr": 0.0}, r"^hyper_lr of 0.0: it is a positive number; leave it out for the default$"),
        ({"hyper_lr": math.nan}, r"^hyper_lr of nan"),
    ],
)
def test_an_option_that_cannot_be_is_one_line(options, message, new_run, clock):
    with pytest.raises(GraffError, match=message):
        new_run("hypergradient", clock, **options)
