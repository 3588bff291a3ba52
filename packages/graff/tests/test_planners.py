import subprocess
import sys

import pytest
import torch
from torch import nn

import graff
from graff import GraffError, planners


def rates(name, new_run, clock, **options):
    run = new_run(name, clock, **options)
    return [r.learning_rates[0] / 3e-3 for r in run.advance(39)]


def test_linear_over_time_is_the_line_of_the_clock(new_run, clock):
    got = rates("linear", new_run, clock, warmup_fraction=0.1)
    done = [0.125 * (i + 1) / 5.0 for i in range(39)]
    assert got == pytest.approx([min(1.0, d / 0.1) * min(1.0, (1 - d) / 0.9) for d in done])


def test_cosine_over_time_is_half_a_cosine_of_the_clock(new_run, clock):
    got = rates("cosine", new_run, clock, warmup_fraction=0.0)
    done = torch.arange(1, 40, dtype=torch.float64) * 0.125 / 5.0
    assert got == pytest.approx((0.5 * (1 + torch.cos(torch.pi * done))).tolist())


@pytest.mark.parametrize("name", ["linear", "cosine"])
def test_a_plan_over_steps_does_not_depend_on_the_clock(name, new_run, clock):
    run = new_run(name, clock, over="steps", total_steps=20)
    run.advance(10)
    clock.pass_by(1.0)
    run.advance(10)
    other = new_run(name, clock, seconds=1000, over="steps", total_steps=20)
    other.advance(20)
    assert [r.learning_rate for r in run.reports] == [r.learning_rate for r in other.reports]
    assert 0 < run.reports[-1].learning_rate < 0.06 * 3e-3


def test_a_slow_evaluation_moves_the_rate_of_a_plan_over_time(new_run, clock):
    run = new_run("linear", clock)
    before = run.advance(10)[-1].learning_rate
    with run.budget.aside():
        clock.pass_by(2.0)
    assert run.advance(1)[-1].learning_rate < 0.5 * before


def test_fixed_is_constant_after_its_warm_up(new_run, clock):
    got = rates("fixed", new_run, clock, warmup_fraction=0.2)
    assert got[0] < got[3] < 1.0
    assert got[8:] == [1.0] * 31


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"over": "tokens"}, "^over of 'tokens'"),
        ({"over": "steps"}, "^total_steps of None"),
        ({"over": "steps", "total_steps": 0}, "^total_steps of 0"),
        ({"total_steps": 10}, "^total_steps of 10: a plan over time"),
        ({"warmup_fraction": 1.0}, r"^warmup_fraction of 1.0: .* in \[0, 1\)"),
    ],
)
def test_an_option_that_cannot_be_is_one_line(options, message, new_run, clock):
    with pytest.raises(GraffError, match=message) as caught:
        new_run("linear", clock, **options)
    assert "\n" not in str(caught.value)


def test_an_unknown_planner_is_told_the_known_ones():
    with pytest.raises(GraffError, match=r"^planner 'adam': the planners are bats, cosine, fixed, graff, "):
        planners.options("adam")
    with pytest.raises(GraffError, match="the planners are"):
        planners.planner_class("_planner")


def test_the_seeds_options_exist_with_the_seeds_values():
    graff_options, reactor_options = planners.options("graff"), planners.options("reactor")
    assert graff_options["outer_lr"].default == 1e-3
    assert graff_options["stability_guard"].default == 1.9
    assert "warm_start" in graff_options
    assert {k: reactor_options[k].default for k in ("controller_lr", "baseline_decay", "entropy_bonus")} == {
        "controller_lr": 1e-4,
        "baseline_decay": 0.99,
        "entropy_bonus": 0.01,
    }


def test_clipping_happens_after_the_planner_has_seen_the_raw_gradient(clock):
    weight = nn.Parameter(torch.zeros(2))
    optimizer = torch.optim.SGD([weight], lr=1.0)
    planner = graff.Fixed(optimizer, None, graff.Budget(seconds=1, clock=clock), max_grad_norm=0.5)
    planner.weigh(weight @ torch.tensor([[3.0], [4.0]])).backward()
    report = planner.step()
    assert report.metrics["grad_norm"] == pytest.approx(5.0)
    torch.testing.assert_close(weight.detach(), torch.tensor([-0.3, -0.4]))


def test_a_step_without_weigh_is_a_mistake_of_the_loop(clock):
    weight = nn.Parameter(torch.zeros(2))
    planner = graff.Fixed(torch.optim.SGD([weight], lr=1.0), None, graff.Budget(seconds=1, clock=clock))
    weight.sum().backward()
    with pytest.raises(GraffError, match=r"^step without weigh"):
        planner.step()


def test_a_step_without_backward_is_skipped(clock):
    weight = nn.Parameter(torch.zeros(2))
    planner = graff.Fixed(torch.optim.SGD([weight], lr=1.0), None, graff.Budget(seconds=1, clock=clock))
    planner.weigh(weight)
    assert planner.step().reason == "no gradient: backward was not called"


def test_a_planner_needs_something_to_train(clock):
    frozen = nn.Parameter(torch.zeros(2), requires_grad=False)
    with pytest.raises(GraffError, match=r"^optimizer with 0 trainable tensors"):
        graff.Fixed(torch.optim.SGD([frozen], lr=1.0), None, graff.Budget(seconds=1, clock=clock))


def test_a_rate_held_in_a_tensor_is_filled_in_place(clock):
    weight, rate = nn.Parameter(torch.zeros(2)), torch.tensor(0.5)
    optimizer = torch.optim.AdamW([weight], lr=rate)
    planner = graff.Linear(optimizer, None, graff.Budget(seconds=1, clock=clock), warmup_fraction=0.0)
    planner.weigh(weight).backward()
    clock.pass_by(0.5)
    assert planner.step().learning_rate == pytest.approx(0.25)
    assert optimizer.param_groups[0]["lr"] is rate


def test_importing_graff_imports_no_model_library():
    code = "import sys, graff; print(sorted({'transformers', 'zeus', 'peft', 'numpy.f2py'} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
