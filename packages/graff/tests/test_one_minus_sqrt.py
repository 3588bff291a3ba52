import math

import pytest
import torch

from graff import GraffError


def rates(new_run, clock, **options):
    return [r.learning_rates[0] / 3e-3 for r in new_run("one_minus_sqrt", clock, **options).advance(39)]


def test_it_is_flat_and_then_one_minus_the_root_of_the_share_of_the_cooldown(new_run, clock):
    got = rates(new_run, clock, warmup_fraction=0.0, cooldown_fraction=0.2)
    # The paper's form over time: 1 - sqrt((t - (T - D)) / D), with T = 5 s and D = 1 s.
    seconds = 0.125 * torch.arange(1, 40, dtype=torch.float64)
    expected = torch.where(seconds > 4.0, 1.0 - ((seconds - 4.0).clamp(min=0) / 1.0).sqrt(), 1.0)
    assert got == pytest.approx(expected.tolist())
    assert got[33] == pytest.approx(0.5)  # a quarter of the cooldown has cost half of the rate


def test_it_warms_up_over_its_own_share(new_run, clock):
    got = rates(new_run, clock, warmup_fraction=0.25, cooldown_fraction=0.25)
    assert got[:10] == pytest.approx([0.1 * (i + 1) for i in range(10)])
    assert got[10:30] == [1.0] * 20
    assert got[34] == pytest.approx(1.0 - math.sqrt(0.5))


def test_over_steps_it_does_not_depend_on_the_clock(new_run, clock):
    run = new_run("one_minus_sqrt", clock, over="steps", total_steps=20, warmup_fraction=0.0)
    run.advance(10)
    clock.pass_by(1.0)
    run.advance(10)
    # Half a step in: 19.5 of 20 steps, 3.5 of the 4 of the cooldown.
    assert run.reports[-1].learning_rates[0] == pytest.approx(3e-3 * (1.0 - math.sqrt(3.5 / 4.0)))
    assert run.reports[15].learning_rates[0] == 3e-3


@pytest.mark.parametrize("cooldown", [0.0, -0.2, 0.81, float("nan")])
def test_a_cooldown_that_does_not_fit_is_one_line(cooldown, new_run, clock):
    with pytest.raises(GraffError, match=rf"^cooldown_fraction of {cooldown} after a warm-up of 0.2: [^\n]*; use 0.2$"):
        new_run("one_minus_sqrt", clock, cooldown_fraction=cooldown, warmup_fraction=0.2)
