"""GL612: the objective of the search returns nothing, or always the same."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from greenlight.review.criteria import Criterion
from greenlight.review.engines.flow import returns
from greenlight.review.engines.training import Training
from greenlight.review.finding import Finding, Severity
from greenlight.review.module import walk
from greenlight.review.rule import NotApplicable, Rule
from greenlight.review.subject import Subject


class ObjectiveWithoutValue(Rule):
    """The objective of the search returns nothing or a constant, so the search has nothing to choose by."""

    id = "GL612"
    name = "objective-without-value"
    criterion = Criterion.TRACKING
    severity = Severity.BLOCKER
    sentences = ("7.4",)
    summary = "The objective of the search returns nothing or a constant, so the search has nothing to choose by."
    why = (
        "Optuna marks a trial whose objective returns None as failed; best_params then raises 'No trials are "
        "completed yet'. A constant makes every trial equal."
    )
    remedy = "Return the measured value of the trial."
    valid = (
        {
            "src/train.py": """
            import optuna

            def objective(trial):
                lr = trial.suggest_float("lr", 1e-5, 1e-2)
                if lr > 9e-3:
                    raise optuna.TrialPruned()
                return lr * 2

            def search():
                optuna.create_study().optimize(objective, n_trials=3)
        """,
        },
        {
            "src/train.py": """
            import optuna

            def objective(trial, fit):
                return fit(trial.suggest_int("layers", 1, 4))

            def search(fit):
                study = optuna.create_study()
                study.optimize(lambda trial: objective(trial, fit), n_trials=3)
        """,
        },
    )
    invalid = (
        {
            "src/train.py": """
            import optuna

            def objective(trial, fit):
                fit(lr=trial.suggest_float("lr", 1e-5, 1e-2))

            def search(fit):
                study = optuna.create_study()
                study.optimize(lambda trial: objective(trial, fit), n_trials=3)
        """,
        },
        {
            "src/train.py": """
            import optuna

            def objective(trial):
                trial.suggest_float("lr", 1e-5, 1e-2)
                return 0.0

            def search():
                study = optuna.create_study()
                study.optimize(objective, n_trials=3)
        """,
        },
    )

    def check(self, subject: Subject) -> Iterator[Finding]:
        """Yield what is wrong."""
        training = subject.derived(Training)
        if not training.objectives and not training.optimize:
            raise NotApplicable("there is no Optuna search")
        for _, module, objective in training.objectives:
            if not isinstance(objective, ast.FunctionDef) or objective.decorator_list:
                continue
            if any(isinstance(n, ast.Yield | ast.YieldFrom) for n in walk(objective)):
                continue
            given = list(returns(module, objective))
            values = [r.value for r in given]
            if all(v is None or (isinstance(v, ast.Constant) and v.value is None) for v in values):
                if not (objective.body and isinstance(objective.body[-1], ast.Raise)):
                    yield self.at(
                        module,
                        objective,
                        f"{objective.name}() returns no value: every trial of the search fails",
                        "return the metric that the search optimises",
                    )
            elif all(isinstance(v, ast.Constant) and isinstance(v.value, int | float) for v in values):
                told = ", ".join(module.source(v) for v in values if v is not None)
                yield self.at(
                    module,
                    given[0],
                    f"{objective.name}() always returns {told}: all trials are equal",
                    "return the metric that the search optimises",
                    severity=Severity.MAJOR,
                )
