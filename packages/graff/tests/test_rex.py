import pytest

from graff.planners._shape import linear, rex


def test_it_is_the_papers_hyperbola_of_the_clock(new_run, clock):
    got = [r.learning_rates[0] / 3e-3 for r in new_run("rex", clock, warmup_fraction=0.0).advance(39)]
    # The paper: (1 - t/T) / (1/2 + 1/2 (1 - t/T)), worked out in whole steps: 2 (40 - s) / (80 - s).
    assert got == pytest.approx([2 * (40 - step) / (80 - step) for step in range(1, 40)])
    assert got[19] == pytest.approx(2 / 3)


def test_its_descent_begins_after_the_warm_up(new_run, clock):
    got = [r.learning_rates[0] / 3e-3 for r in new_run("rex", clock, warmup_fraction=0.25).advance(39)]
    assert got[:10] == pytest.approx([0.1 * (i + 1) for i in range(10)])
    # Halfway down, 15 of 30 steps after the warm-up.
    assert got[24] == pytest.approx(2 / 3)
    assert max(got) == got[9]


def test_it_stays_above_the_line_and_ends_at_zero():
    for done in (0.1, 0.5, 0.9):
        assert linear(done, 0.02) < rex(done, 0.02) < 1.0
    assert rex(1.0, 0.02) == 0.0


def test_over_steps_it_does_not_depend_on_the_clock(new_run, clock):
    run = new_run("rex", clock, over="steps", total_steps=20, warmup_fraction=0.0)
    run.advance(10)
    clock.pass_by(1.0)
    run.advance(10)
    assert [r.learning_rates[0] / 3e-3 for r in run.reports] == pytest.approx(
        [2 * (20 - step - 0.5) / (40 - step - 0.5) for step in range(20)]
    )
