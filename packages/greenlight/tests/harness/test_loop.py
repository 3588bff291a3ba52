import math
import threading
from contextlib import contextmanager

import pytest

from greenlight.harness.journal import ClockFile
from greenlight.harness.loop import BudgetClock, Pace, Progress, train_until_spent
from greenlight.harness.stopping import Patience


class FakeBudget:
    """A budget whose clock only moves when told."""

    def __init__(self, total_s, reserve_s=0.0):
        self.total_s, self.reserve_s, self.elapsed_s, self.aside_s, self.started = total_s, reserve_s, 0.0, 0.0, False

    @property
    def remaining_s(self):
        return self.total_s - self.elapsed_s

    @property
    def training_s(self):
        return self.elapsed_s - self.aside_s

    @property
    def spent(self):
        return self.remaining_s <= self.reserve_s

    def start(self):
        self.started = True

    def reserve(self, seconds):
        self.reserve_s = seconds

    @contextmanager
    def aside(self):
        before = self.elapsed_s
        yield
        self.aside_s += self.elapsed_s - before


class Steps:
    """A training whose step takes one second and whose evaluation takes two."""

    def __init__(self, budget, last=None):
        self.budget, self.progress, self.last = budget, Progress(), last
        self.saved, self.measured = [], []

    def step(self, batch):
        self.budget.elapsed_s += 1
        self.progress.step += 1
        return {"batch": batch}

    def measure_dev(self):
        self.budget.elapsed_s += 2
        self.measured.append(self.progress.step)
        self.progress.note_dev(self.budget.elapsed_s, 1.0, took_s=2.0, examples=4)
        return {"dev": 1.0}

    def dev_takes_s(self):
        return 2.0

    def shown(self):
        return {}

    def save(self):
        self.saved.append(self.progress.step)

    def ended(self):
        return "enough" if self.progress.step == self.last else None


def run(tmp_path, steps, *, batches=100, every=5, checkpoint_seconds=1e9, interrupted=None):
    rows = []
    clock = BudgetClock(steps.budget, ClockFile(tmp_path / "clock.json"))
    reason = train_until_spent(
        steps, range(batches), clock, Pace(every, checkpoint_seconds),
        log=lambda step, row: rows.append((step, row)), interrupted=interrupted or threading.Event(),
    )  # fmt: skip
    return reason, rows


def test_the_budget_ends_training_before_the_reserve_and_the_last_step_is_measured(tmp_path):
    steps = Steps(FakeBudget(20.0, reserve_s=3.0))
    reason, rows = run(tmp_path, steps)
    assert reason == "budget"
    assert steps.budget.started
    assert [step for step, _ in rows] == list(range(1, steps.progress.step + 1))
    assert rows[-1][1]["dev"] == 1.0
    # Steps 1-5 and an evaluation, 6-10 and an evaluation, then three more steps reach the reserve.
    assert steps.measured == [5, 10, 13]
    assert rows[3][1]["elapsed_s"] == rows[3][1]["training_s"] == 4.0
    assert rows[4][1] | {"batch": 4} == {
        "batch": 4,
        "dev": 1.0,
        "elapsed_s": 7.0,
        "remaining_s": 13.0,
        "training_s": 5.0,
    }


def test_an_evaluation_that_would_not_end_in_time_is_left_out(tmp_path):
    steps = Steps(FakeBudget(8.0, reserve_s=1.0))
    run(tmp_path, steps, every=6)
    assert steps.measured == [7]


def test_what_the_experiment_names_ends_training_too(tmp_path):
    steps = Steps(FakeBudget(1000.0), last=7)
    assert run(tmp_path, steps)[0] == "enough"
    assert steps.measured == [5, 7]
    assert run(tmp_path, Steps(FakeBudget(1000.0)), batches=3)[0] == "epochs"


def test_an_end_that_an_evaluation_brings_is_heeded_at_once(tmp_path):
    steps = Steps(FakeBudget(1000.0))
    steps.ended = lambda: "patience" if steps.measured else None
    reason, rows = run(tmp_path, steps)
    assert (reason, rows[-1][0]) == ("patience", 5)


def test_a_run_whose_budget_is_used_up_takes_no_step(tmp_path):
    steps = Steps(FakeBudget(5.0, reserve_s=5.0))
    assert run(tmp_path, steps) == ("budget", [])


def test_a_run_that_was_killed_after_its_last_step_takes_no_other(tmp_path):
    steps = Steps(FakeBudget(1000.0), last=7)
    steps.progress.step = 7
    assert run(tmp_path, steps) == ("enough", [])
    assert steps.measured == []


def test_the_clock_runs_at_the_end_of_a_run_that_was_killed_after_its_last_batch(tmp_path):
    steps = Steps(FakeBudget(1000.0))
    assert run(tmp_path, steps, batches=0) == ("epochs", [])
    assert steps.budget.started


def test_an_interrupt_saves_between_two_steps(tmp_path):
    steps, asked = Steps(FakeBudget(1000.0)), threading.Event()
    steps.shown = lambda: (asked.set() if steps.progress.step == 3 else None, {})[1]
    with pytest.raises(KeyboardInterrupt):
        run(tmp_path, steps, interrupted=asked)
    assert steps.saved == [3]


def test_checkpoints_come_by_the_clock(tmp_path):
    steps = Steps(FakeBudget(1000.0), last=4)
    run(tmp_path, steps, checkpoint_seconds=1e-9)
    assert steps.saved == [1, 2, 3]


def test_the_time_of_a_killed_process_is_known_from_the_clock_file(tmp_path):
    budget = FakeBudget(100.0)
    clock = BudgetClock(budget, ClockFile(tmp_path / "clock.json"))
    budget.elapsed_s = 40.0
    clock.show(Progress(step=7), now=True)
    budget.elapsed_s = 25.0
    assert clock.used_before_s() == 15.0
    budget.elapsed_s = 60.0
    assert clock.used_before_s() == 0.0
    assert clock.summary(Progress(step=7), "budget")["overrun_s"] == 0.0


def test_the_running_mean_of_the_loss_ignores_what_is_not_finite():
    progress = Progress()
    for loss in (2.0, math.nan, 1.0, math.inf):
        progress.note_loss(loss)
    assert progress.loss_mean == pytest.approx(1.9)
    assert progress.best_loss == pytest.approx(1.9)
    for took_s in (4.0, 8.0, 2.0):
        progress.note_dev(0.0, 1.0, took_s=took_s, examples=2)
    assert progress.s_per_example == [4.0, 1.0]


def exhausted_after_each(patience, values):
    told = []
    for value in values:
        patience.note(value)
        told.append(patience.exhausted)
    return told


def test_patience_counts_evaluations_without_an_improvement_and_survives_a_resume():
    patience = Patience(3, min_delta=0.1)
    assert exhausted_after_each(patience, (2.0, 1.95, math.nan)) == [False, False, False]
    resumed = Patience(3, min_delta=0.1)
    resumed.load_state_dict(patience.state_dict())
    assert exhausted_after_each(resumed, (1.91,)) == [True]
    assert exhausted_after_each(Patience(None, min_delta=0.0), (math.nan,)) == [False]
    fresh = Patience(2, min_delta=0.1)
    assert exhausted_after_each(fresh, (2.0, 1.95, 1.8, 1.75, 1.75)) == [False, False, False, False, True]


def test_a_run_that_was_stopped_early_and_killed_knows_it_when_it_comes_back():
    patience = Patience(1, min_delta=0.0)
    exhausted_after_each(patience, (1.0, 2.0))
    resumed = Patience(1, min_delta=0.0)
    resumed.load_state_dict(patience.state_dict())
    assert resumed.exhausted
