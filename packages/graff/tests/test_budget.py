import logging
import math

import pytest

from graff import Budget, GraffError


@pytest.mark.parametrize("minutes", [0, -3, math.nan, math.inf])
def test_a_budget_that_is_no_positive_number_of_minutes_is_one_line_with_the_remedy(minutes):
    with pytest.raises(GraffError) as caught:
        Budget(minutes=minutes)
    expected = f"budget of {minutes} min: a budget is a positive number of minutes; set training.budget_minutes"
    assert str(caught.value) == expected


def test_seconds_are_refused_in_their_own_unit():
    with pytest.raises(GraffError, match=r"^budget of -1 s: .*; set training.budget_seconds$"):
        Budget(seconds=-1)


@pytest.mark.parametrize("arguments", [{}, {"minutes": 1, "seconds": 1}])
def test_a_budget_has_exactly_one_unit(arguments):
    with pytest.raises(GraffError, match=r"^budget of "):
        Budget(**arguments)


def test_the_clock_stands_still_until_the_first_batch(clock):
    budget = Budget(minutes=1, clock=clock)
    clock.pass_by(50)
    assert (budget.elapsed_s, budget.remaining_s, budget.fraction_remaining) == (0, 60, 1)
    budget.start()
    clock.pass_by(15)
    budget.start()
    assert (budget.elapsed_s, budget.remaining_s, budget.fraction_remaining) == (15, 45, 0.75)


def test_training_stops_before_the_deadline_by_the_reserve_and_one_step(clock):
    budget = Budget(seconds=60, clock=clock)
    budget.reserve(10)
    budget.start()
    while not budget.spent:
        clock.pass_by(4)
        budget.tick()
    # 48 + 4 > 60 - 10: the next step would have ended inside the reserve.
    assert budget.elapsed_s == 48
    assert budget.elapsed_s + budget.step_s <= budget.total_s


def test_the_clock_of_training_leaves_out_what_ran_aside_also_after_a_resume(clock):
    budget = Budget(seconds=60, clock=clock)
    budget.start()
    clock.pass_by(5)
    with budget.aside():
        clock.pass_by(20)
    clock.pass_by(3)
    assert (budget.elapsed_s, budget.training_s) == (28, 8)
    resumed = Budget(seconds=60, clock=clock)
    resumed.load_state_dict(budget.state_dict())
    resumed.start()
    clock.pass_by(2)
    assert (resumed.elapsed_s, resumed.training_s) == (30, 10)
    resumed.reset()
    assert resumed.training_s == 0


def test_the_longest_recent_step_decides_and_an_old_slow_one_is_forgotten(clock):
    budget = Budget(seconds=1000, clock=clock)
    budget.start()
    for seconds in [30, 1, 2]:
        clock.pass_by(seconds)
        budget.tick()
    assert budget.step_s == 30
    for _ in range(8):
        clock.pass_by(1)
        budget.tick()
    assert budget.step_s == 1


def test_an_evaluation_aside_counts_against_the_budget_but_is_no_step(clock):
    budget = Budget(seconds=100, clock=clock)
    budget.start()
    clock.pass_by(2)
    budget.tick()
    with budget.aside():
        clock.pass_by(20)
    clock.pass_by(3)
    budget.tick()
    assert budget.elapsed_s == 25
    assert budget.step_s == 3


def test_the_training_fraction_reaches_zero_when_only_the_reserve_is_left(clock):
    budget = Budget(seconds=50, clock=clock)
    budget.reserve(10)
    budget.start()
    assert budget.training_fraction_remaining == 1
    clock.pass_by(30)
    assert budget.training_fraction_remaining == 0.25
    clock.pass_by(10)
    assert budget.training_fraction_remaining == 0
    assert budget.fraction_remaining == 0.2
    clock.pass_by(100)
    assert budget.remaining_s == 0


def test_a_reserve_larger_than_the_budget_leaves_nothing_to_train_and_says_so(clock, caplog):
    budget = Budget(seconds=5, clock=clock)
    with caplog.at_level(logging.WARNING, logger="graff"):
        budget.reserve(6)
    assert "leaves nothing to train" in caplog.text
    assert budget.spent
    assert budget.training_fraction_remaining == 0
    with pytest.raises(GraffError, match="reserve of -1 s"):
        budget.reserve(-1)


def test_a_pause_is_kept_out_of_the_budget_counted_and_logged(clock, caplog):
    budget = Budget(seconds=100, clock=clock)
    budget.start()
    clock.pass_by(10)
    with caplog.at_level(logging.INFO, logger="graff"), budget.pause():
        clock.pass_by(500)
        assert budget.elapsed_s == 10
    clock.pass_by(5)
    budget.tick()
    assert (budget.elapsed_s, budget.paused_s, budget.step_s) == (15, 500, 15)
    assert "paused for 500.0 s" in caplog.text
    with budget.pause(), pytest.raises(GraffError, match="pause within a pause"), budget.pause():
        pass
    assert budget.started


def test_extend_adds_time_and_reset_gives_it_all_back(clock):
    budget = Budget(seconds=100, clock=clock)
    budget.start()
    clock.pass_by(90)
    budget.tick()
    budget.extend(minutes=1)
    assert (budget.total_s, budget.remaining_s) == (160, 70)
    budget.reset()
    clock.pass_by(1000)
    assert (budget.elapsed_s, budget.total_s, budget.steps, budget.started) == (0, 160, 0, False)


def test_a_resumed_budget_continues_with_what_was_left(clock):
    budget = Budget(seconds=100, clock=clock)
    budget.reserve(7)
    budget.extend(seconds=10)
    budget.start()
    clock.pass_by(30)
    budget.tick()
    state = budget.state_dict()
    clock.pass_by(10_000)  # the crash

    resumed = Budget(seconds=100, clock=clock)
    resumed.load_state_dict(state)
    clock.pass_by(40)  # loading the model does not count
    resumed.start()
    clock.pass_by(5)
    assert (resumed.elapsed_s, resumed.remaining_s, resumed.reserve_s, resumed.step_s) == (35, 75, 7, 30)
    resumed.tick()
    assert resumed.step_s == 30
    assert resumed.steps == 2


def test_time_that_no_clock_saw_is_charged_and_is_no_step(clock):
    budget = Budget(seconds=100, clock=clock)
    budget.start()
    clock.pass_by(2)
    budget.tick()
    budget.charge(30)
    clock.pass_by(3)
    budget.tick()
    assert (budget.elapsed_s, budget.step_s) == (35, 3)
    with pytest.raises(GraffError, match=r"^charge of -1 s: "):
        budget.charge(-1)


def test_a_resume_with_another_budget_is_refused_because_extensions_are_explicit(clock):
    state = Budget(seconds=100, clock=clock).state_dict()
    with pytest.raises(GraffError, match=r"^budget of 200 s: the saved run was given 100 s; .*extend"):
        Budget(seconds=200, clock=clock).load_state_dict(state)
