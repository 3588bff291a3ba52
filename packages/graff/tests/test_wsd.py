import pytest
import torch

from graff import GraffError
from graff.planners._shape import one_minus_sqrt, wsd


def test_it_warms_up_stays_and_falls_in_a_straight_line_over_the_clock(new_run, clock):
    run = new_run("wsd", clock, warmup_fraction=0.1, cooldown_fraction=0.4)
    got = [r.learning_rates[0] / 3e-3 for r in run.advance(39)]
    seconds = 0.125 * torch.arange(1, 40, dtype=torch.float64)
    expected = torch.minimum((seconds / 0.5).clamp(max=1.0), ((5.0 - seconds) / 2.0).clamp(max=1.0))
    assert got == pytest.approx(expected.tolist())
    assert got[31] == pytest.approx(0.5)
    assert got[4:24] == [1.0] * 20  # from half a second to three


def test_a_slow_evaluation_shortens_the_plateau_and_not_the_cooldown(new_run, clock):
    run = new_run("wsd", clock, cooldown_fraction=0.4)
    assert run.advance(10)[-1].learning_rates[0] == 3e-3
    with run.budget.aside():
        clock.pass_by(2.625)
    assert run.advance(1)[-1].learning_rates[0] == pytest.approx(3e-3 * 0.5)


def test_over_steps_it_does_not_depend_on_the_clock(new_run, clock):
    run = new_run("wsd", clock, over="steps", total_steps=20, warmup_fraction=0.0, cooldown_fraction=0.5)
    run.advance(10)
    clock.pass_by(1.0)
    run.advance(10)
    expected = [1.0] * 10 + [(20 - (step + 0.5)) / 10 for step in range(10, 20)]
    assert [r.learning_rates[0] / 3e-3 for r in run.reports] == pytest.approx(expected)


def test_without_a_plateau_it_is_a_triangle(new_run, clock):
    run = new_run("wsd", clock, warmup_fraction=0.5, cooldown_fraction=0.5)
    got = [r.learning_rates[0] / 3e-3 for r in run.advance(39)]
    assert got == pytest.approx([1 - abs(step - 20) / 20 for step in range(1, 40)])


def test_the_root_falls_faster_than_the_line_and_meets_it_at_both_ends():
    for share in (0.1, 0.3, 0.5, 0.9):
        done = 0.8 + 0.2 * share
        assert one_minus_sqrt(done, 0.02, 0.2) < wsd(done, 0.02, 0.2) < 1.0
    for done in (0.5, 1.0):
        assert one_minus_sqrt(done, 0.02, 0.2) == wsd(done, 0.02, 0.2)


def test_a_cooldown_that_overlaps_the_warm_up_is_one_line(new_run, clock):
    with pytest.raises(GraffError, match=r"^cooldown_fraction of 0.5 after a warm-up of 0.6: [^\n]*; use 0.2$"):
        new_run("wsd", clock, cooldown_fraction=0.5, warmup_fraction=0.6)
