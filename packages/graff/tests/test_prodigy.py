import logging
import sys

import prodigyopt
import pytest
import torch
from torch import nn

import graff
from graff import GraffError


def a_model():
    torch.manual_seed(7)
    return nn.Sequential(nn.Linear(6, 8), nn.Tanh(), nn.Linear(8, 3))


def batches(count):
    generator = torch.Generator().manual_seed(3)
    return [torch.randn(10, 6, generator=generator) for _ in range(count)]


def losses_of(model, x):
    return (model(x) - x[:, :3].sin()).square()


def planned(clock, count, *, rate=3e-4, seconds=10, **options):
    model = a_model()
    optimizer = torch.optim.AdamW(model.parameters(), lr=rate, betas=(0.95, 0.98), eps=1e-7, weight_decay=0.02)
    planner = graff.Prodigy(optimizer, model, graff.Budget(seconds=seconds, clock=clock), **options)
    reports = []
    for x in batches(count):
        planner.weigh(losses_of(model, x)).backward()
        clock.pass_by(0.125)
        reports.append(planner.step())
    return model, planner, reports


def same(left, right):
    return all(torch.equal(a, b) for a, b in zip(left.parameters(), right.parameters(), strict=True))


@pytest.mark.parametrize(
    ("options", "own"),
    [
        ({}, {}),
        ({"d_coef": 2.0, "bias_correction": True}, {"d_coef": 2.0, "use_bias_correction": True}),
    ],
)
def test_it_is_the_packages_own_loop_bit_for_bit(options, own, clock):
    model, _, reports = planned(clock, 40, annealing="none", **options)
    plain = a_model()
    optimizer = prodigyopt.Prodigy(plain.parameters(), betas=(0.95, 0.98), eps=1e-7, weight_decay=0.02, **own)
    for x, report in zip(batches(40), reports, strict=True):
        losses = losses_of(plain, x)
        (losses.sum() / losses.numel()).backward()
        optimizer.step()
        optimizer.zero_grad()
        assert report.metrics["estimated_rate"] == optimizer.param_groups[0]["d"]
        assert report.learning_rate == 1.0
    assert same(model, plain)
    assert reports[-1].metrics["estimated_rate"] > 1e-3


def test_the_callers_rate_changes_nothing(clock):
    slow, _, _ = planned(clock, 25, rate=1e-6)
    fast, _, _ = planned(clock, 25, rate=10.0)
    assert same(slow, fast)


def test_it_anneals_by_half_a_cosine_of_the_clock(clock):
    _, _, reports = planned(clock, 39, seconds=5)
    done = torch.arange(1, 40, dtype=torch.float64) / 40
    expected = (0.5 * (1 + torch.cos(torch.pi * done))).tolist()
    assert [r.learning_rate for r in reports] == pytest.approx(expected)


def test_a_warm_up_over_time_switches_the_packages_safeguard_on(clock):
    _, planner, reports = planned(clock, 20, annealing="none", warmup_fraction=0.2)
    assert [r.learning_rate for r in reports] == pytest.approx([min(1.0, (i + 1) / 16) for i in range(20)])
    assert planner.optimizer.param_groups[0]["safeguard_warmup"] is True
    assert planned(clock, 1)[1].optimizer.param_groups[0]["safeguard_warmup"] is False


def test_proportions_of_groups_are_not_kept_and_that_is_logged(clock, caplog):
    first, second, third = (nn.Parameter(torch.ones(2)) for _ in range(3))
    groups = [{"params": [p], "lr": rate} for p, rate in ((first, 1e-3), (second, 2e-3), (third, 0.0))]
    with caplog.at_level(logging.WARNING, logger="graff"):
        planner = graff.Prodigy(torch.optim.AdamW(groups), None, graff.Budget(seconds=10, clock=clock))
    assert [r.getMessage() for r in caplog.records] == [
        "rates of [0.001, 0.002]: prodigy estimates one for all groups, their proportions are not kept"
    ]
    for _ in range(3):
        planner.weigh(first.square() + second.square() + third.square()).backward()
        clock.pass_by(0.125)
        report = planner.step()
    assert report.learning_rates[0] == report.learning_rates[1] > 0
    assert report.learning_rates[2] == 0
    assert torch.equal(first, second)
    assert torch.equal(third, torch.ones(2))
    caplog.clear()
    planned(clock, 0)
    assert caplog.records == []


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"annealing": "linear"}, r"^annealing of 'linear': it is 'none' or 'cosine'; choose one$"),
        ({"d_coef": 0.0}, r"^d_coef of 0.0: it is a positive number; use 1$"),
        ({"warmup_fraction": 1.0}, r"^warmup_fraction of 1.0"),
    ],
)
def test_an_option_that_cannot_be_is_one_line(options, message, clock):
    with pytest.raises(GraffError, match=message):
        planned(clock, 0, **options)


def test_groups_with_different_betas_are_refused(clock):
    one, two = nn.Parameter(torch.ones(2)), nn.Parameter(torch.ones(2))
    optimizer = torch.optim.AdamW([{"params": [one], "betas": (0.9, 0.99)}, {"params": [two], "betas": (0.8, 0.99)}])
    with pytest.raises(GraffError, match=r"^betas of .*: prodigy has one pair for all groups; give one$"):
        graff.Prodigy(optimizer, None, graff.Budget(seconds=10, clock=clock))


def test_a_missing_package_is_one_line_that_says_how_to_install_it(clock, monkeypatch):
    monkeypatch.setitem(sys.modules, "prodigyopt", None)
    message = r'^package prodigyopt: it is not installed; run pip install "graff\[prodigy\]"$'
    with pytest.raises(GraffError, match=message):
        planned(clock, 0)
