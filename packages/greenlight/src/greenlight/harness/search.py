"""Hyper-parameter search with Optuna: nothing of it is tracked, and it goes on where it was interrupted."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import optuna

from greenlight.errors import GreenlightError
from greenlight.harness.compose import nearest
from greenlight.harness.sections import Choices, Optuna

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class SearchResult:
    """The best trial: dotted configuration paths to values, its objective, and how many trials were completed."""

    values: dict[str, Any]
    objective: float
    n_trials: int


def search(
    section: Optuna,
    paths: Mapping[str, str],
    objective: Callable[[dict[str, Any], int], float],
    *,
    storage: Path,
    study: str,
    seed: int,
) -> SearchResult | None:
    """Run the trials that are still missing and return the best one.

    Parameters
    ----------
    section
        The run file's ``optuna`` section.
    paths
        The one table from parameter name to dotted configuration path.
    objective
        Called with ``{path: value}`` and the trial's number; returns the value that is optimised. It measures on a
        development split, never on what is reported.
    storage
        SQLite file of the studies.
    study
        Name of the study, one for one configuration; a study of this name found in `storage` is continued.
    seed
        Seed of the sampler. A continued study draws other values than an unbroken one would have drawn.

    Returns
    -------
    SearchResult or None
        None if no trial was asked for.

    Raises
    ------
    GreenlightError
        If a parameter name is not in the table, or no trial completed.
    """
    check_names(section, paths)
    if section.n_trials == 0:
        return None
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    storage.parent.mkdir(parents=True, exist_ok=True)
    trials = optuna.create_study(
        study_name=study,
        storage=f"sqlite:///{storage}",
        sampler=optuna.samplers.TPESampler(seed=seed),
        direction=section.direction,
        load_if_exists=True,
    )

    def trial_value(trial: optuna.Trial) -> float:
        return objective({paths[name]: suggest(trial, name, section) for name in section.search_space}, trial.number)

    done = _completed(trials)
    log.info("search: %d of %d trials are done", done, section.n_trials)
    while done < section.n_trials:
        trials.optimize(trial_value, n_trials=1, catch=(FloatingPointError,))
        if (now_done := _completed(trials)) == done and len(trials.trials) >= 2 * section.n_trials:
            raise GreenlightError(
                f"search: {len(trials.trials)} trials and only {done} with a finite value; narrow optuna.search_space"
            )
        done = now_done
    best = trials.best_trial
    assert best.value is not None
    return SearchResult({paths[name]: value for name, value in best.params.items()}, best.value, done)


def check_names(section: Optuna, paths: Mapping[str, str]) -> None:
    """Raise `GreenlightError` if the search space names a parameter that is not in the table."""
    for name in section.search_space:
        if name not in paths:
            raise GreenlightError(f"optuna.search_space.{name}: no such parameter; {nearest(name, paths)}")


def suggest(trial: optuna.Trial, name: str, section: Optuna) -> bool | int | float | str | None:
    """Draw the value of one dimension of the search space for a trial."""
    dimension = section.search_space[name]
    if isinstance(dimension, Choices):
        return trial.suggest_categorical(name, list(dimension.choices))
    if dimension.type == "int":
        return trial.suggest_int(name, int(dimension.low), int(dimension.high))
    return trial.suggest_float(name, dimension.low, dimension.high, log=dimension.type == "loguniform")


def _completed(study: optuna.Study) -> int:
    return sum(trial.state == optuna.trial.TrialState.COMPLETE for trial in study.trials)
