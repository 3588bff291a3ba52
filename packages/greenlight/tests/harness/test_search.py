import math

import pytest

from greenlight.errors import GreenlightError
from greenlight.harness.search import check_names, search
from greenlight.harness.sections import Optuna

PATHS = {"lr": "training.lr", "width": "model.width", "kind": "model.kind"}
SPACE = {
    "lr": {"type": "loguniform", "low": 1e-4, "high": 1e-1},
    "width": {"type": "int", "low": 1, "high": 8},
    "kind": {"type": "categorical", "choices": ["a", "b"]},
}


def section(n_trials, space=SPACE, direction="maximize"):
    return Optuna(n_trials=n_trials, direction=direction, search_space=space)


def test_the_best_trial_is_found_and_its_names_are_configuration_paths(tmp_path):
    seen = []

    def objective(values, number):
        seen.append(values)
        return -abs(math.log10(values["training.lr"]) + 2) + (values["model.kind"] == "b")

    best = search(section(12), PATHS, objective, storage=tmp_path / "s.db", study="s", seed=0)
    assert len(seen) == 12
    assert best.values in seen
    assert best.objective == max(objective(values, 0) for values in list(seen))
    assert all(1e-4 <= values["training.lr"] <= 1e-1 and values["model.width"] in range(1, 9) for values in seen)
    assert set(best.values) == set(PATHS.values())


def test_the_direction_decides_which_trial_is_best(tmp_path):
    best = search(
        section(6, {"lr": SPACE["lr"]}, "minimize"),
        PATHS,
        lambda v, n: v["training.lr"],
        storage=tmp_path / "s.db",
        study="s",
        seed=0,
    )
    again = search(
        section(6, {"lr": SPACE["lr"]}),
        PATHS,
        lambda v, n: v["training.lr"],
        storage=tmp_path / "t.db",
        study="s",
        seed=0,
    )
    assert best.objective < again.objective


def test_an_interrupted_search_runs_only_the_trials_that_are_missing(tmp_path):
    numbers = []

    def interrupted(values, number):
        numbers.append(number)
        if number == 3:
            raise KeyboardInterrupt
        return 0.0

    with pytest.raises(KeyboardInterrupt):
        search(section(5), PATHS, interrupted, storage=tmp_path / "s.db", study="s", seed=0)
    completed = []
    best = search(
        section(5), PATHS, lambda v, n: completed.append(n) or 1.0, storage=tmp_path / "s.db", study="s", seed=0
    )
    assert numbers == [0, 1, 2, 3]
    assert len(completed) == 2
    assert (best.n_trials, best.objective) == (5, 1.0)


def test_an_unknown_parameter_name_is_an_error_with_the_nearest_valid_name():
    space = {"widht": {"type": "int", "low": 1, "high": 2}}
    with pytest.raises(GreenlightError, match=r"search_space.widht: no such parameter; did you mean 'width'"):
        check_names(section(0, space), PATHS)


def test_another_configuration_starts_a_search_of_its_own(tmp_path):
    for study in ("a", "b"):
        seen = []
        search(
            section(2),
            PATHS,
            lambda v, n, seen=seen: seen.append(n) or 0.0,
            storage=tmp_path / "s.db",
            study=study,
            seed=0,
        )
        assert len(seen) == 2


def test_no_trials_mean_no_study(tmp_path):
    assert search(section(0), PATHS, lambda v, n: 0.0, storage=tmp_path / "s.db", study="s", seed=0) is None
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("dimension", "message"),
    [
        ({"type": "uniform", "low": 2, "high": 1}, "low is below high"),
        ({"type": "loguniform", "low": 0, "high": 1}, "positive"),
        ({"type": "int", "low": 0.5, "high": 2}, "whole bounds"),
        ({"type": "categorical", "choices": []}, "at least 1 item"),
        ({"type": "normal", "low": 0, "high": 1}, "normal"),
    ],
)
def test_a_dimension_that_cannot_be_searched_is_refused(dimension, message):
    with pytest.raises(ValueError, match=message):
        section(1, {"lr": dimension})
