"""A whole session, untracked; tracked and killed runs are tested through the commands of the experiments."""

import math
import signal
import threading
from dataclasses import replace
from types import SimpleNamespace

import pytest

from greenlight.errors import GreenlightError
from greenlight.harness.loop import Progress
from greenlight.harness.session import Experiment, RunSection, conduct


class Config(RunSection):
    rate: float


class Job:
    """Says its rate squared, and remembers in which folder and how it was asked."""

    made: list

    def __init__(self, config, folder, test):
        self.config, self.test, self.progress, self.interrupted = config, test, Progress(), threading.Event()
        self.budget = SimpleNamespace(total_s=1.0, reserve_s=0.0)
        self.folder = folder
        Job.made.append(self)

    def prepare(self):
        return {"loss": 1.0}

    def train(self, tracker):
        tracker.log(1, {"loss": 0.5})
        return "total_steps"

    def finish(self, stop_reason):
        if not self.test:
            return {"dev": self.config.rate**2 if self.config.rate < 0.9 else math.nan}
        (self.folder / "kept.txt").write_text("x")
        return {"stop_reason": stop_reason, "rate": self.config.rate}


def config(tmp_path, **changed):
    return Config.model_validate(
        {
            "run_id": "a",
            "method": "m",
            "mode": "trial",
            "results_dir": tmp_path,
            "seed": 0,
            "rate": 0.5,
            "optuna": {
                "n_trials": 0,
                "direction": "minimize",
                "search_space": {"rate": {"type": "uniform", "low": 0.1, "high": 1.0}},
            },
            "wandb": {"entity": "e", "project": "p", "mode": "disabled"},
        }
        | changed
    )


@pytest.fixture
def experiment():
    Job.made = []
    handlers = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    yield _experiment()
    for number, handler in handlers.items():
        signal.signal(number, handler)


def _experiment():
    return Experiment(Config, {"rate": "rate"}, Job, lambda _, summary: summary["dev"], ("kept.txt",), (KeyError,))


def test_a_trial_returns_its_summary_and_leaves_nothing_but_its_folder(experiment, tmp_path):
    assert conduct(experiment, config(tmp_path)) == {"stop_reason": "total_steps", "rate": 0.5}
    assert [path.name for path in (tmp_path / "a").iterdir()] == [".lock"]
    assert not Job.made[0].folder.exists()


def test_the_final_run_has_the_best_values_of_a_search_that_never_saw_the_test_split(experiment, tmp_path):
    searched = config(tmp_path)
    optuna = searched.optuna.model_copy(update={"n_trials": 4})
    summary = conduct(experiment, searched.model_copy(update={"optuna": optuna, "mode": "full"}))
    *trials, final = Job.made
    assert [job.test for job in Job.made] == [False] * len(trials) + [True]
    usable = [job.config.rate for job in trials if job.config.rate < 0.9]
    assert len(usable) == 4
    assert summary["rate"] == final.config.rate == min(usable)
    assert (tmp_path / "a" / "search.db").exists()


def test_the_log_tells_the_objective_of_a_trial_as_the_experiment_says(experiment, tmp_path, caplog):
    caplog.set_level("INFO", "greenlight.harness.session")
    searched = config(tmp_path)
    searched = searched.model_copy(update={"optuna": searched.optuna.model_copy(update={"n_trials": 1})})
    conduct(replace(experiment, told="dev {:.1f}!"), searched.model_copy(update={"mode": "full"}))
    rate = Job.made[0].config.rate
    told = [record.getMessage() for record in caplog.records if "search trial" in record.getMessage()]
    assert told == [f"search trial 0: {{'rate': {rate}}}", f"search trial 0: dev {rate**2:.1f}!"]


def test_a_search_that_cannot_go_on_leaves_the_configuration_open(experiment, tmp_path):
    narrow = {"rate": {"type": "uniform", "low": 0.95, "high": 1.0}}
    optuna = {"n_trials": 2, "direction": "minimize", "search_space": narrow}
    with pytest.raises(GreenlightError, match=r"only 0 with a finite value; narrow optuna\.search_space"):
        conduct(experiment, config(tmp_path, mode="full", optuna=optuna))
    narrow["rate"] |= {"low": 0.1, "high": 0.2}
    assert conduct(experiment, config(tmp_path, mode="full", optuna=optuna)) is not None


def test_a_finished_run_is_not_trained_again(experiment, tmp_path):
    assert conduct(experiment, config(tmp_path, mode="full")) is not None
    assert conduct(experiment, config(tmp_path, mode="full")) is None
    assert len(Job.made) == 1


@pytest.mark.parametrize("error", [GreenlightError("no data"), KeyError("no data")])
def test_a_run_that_could_not_begin_is_forgotten_and_may_come_back_with_another_configuration(
    experiment, tmp_path, monkeypatch, error
):
    def refuse(self):
        raise error

    with monkeypatch.context() as patch:
        patch.setattr(Job, "prepare", refuse)
        with pytest.raises(type(error)):
            conduct(experiment, config(tmp_path, mode="full"))
    assert conduct(experiment, config(tmp_path, mode="full", rate=0.25)) is not None


def test_a_run_that_began_refuses_another_configuration(experiment, tmp_path, monkeypatch):
    def stop(self, tracker):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(Job, "train", stop)
        with pytest.raises(KeyboardInterrupt):
            conduct(experiment, config(tmp_path, mode="full"))
    with pytest.raises(GreenlightError, match=r"rate was 0\.5, now 0\.25"):
        conduct(experiment, config(tmp_path, mode="full", rate=0.25))
