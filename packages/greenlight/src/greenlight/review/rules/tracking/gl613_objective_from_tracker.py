"""GL613: the objective of the search asks W&B for its value."""

from __future__ import annotations

from collections.abc import Iterator

from greenlight.review.criteria import Criterion
from greenlight.review.engines.training import Training
from greenlight.review.finding import Finding, Severity
from greenlight.review.module import walk
from greenlight.review.rule import NotApplicable, Rule
from greenlight.review.subject import Subject


class ObjectiveFromTracker(Rule):
    """The objective of the search reads its value back from W&B instead of taking it from the training."""

    id = "GL613"
    name = "objective-from-tracker"
    criterion = Criterion.TRACKING
    severity = Severity.MAJOR
    sentences = ("6.5", "7.4", "8.16")
    summary = "The objective of the search reads its value back from W&B instead of taking it from the training."
    why = (
        "The value comes late or from another trial when all share one run id, and not at all where W&B is "
        "off; with a default such as 0.0 every trial then scores the same without an error."
    )
    remedy = "Return the value from the training function and use that."
    valid = (
        {
            "src/train.py": """
            import optuna
            import wandb

            def objective(trial, fit):
                return fit(trial.suggest_float("lr", 1e-5, 1e-2))["val_accuracy"]

            def search(fit):
                study = optuna.create_study(direction="maximize")
                study.optimize(lambda trial: objective(trial, fit), n_trials=3)
                return wandb.Api()
        """,
        },
    )
    invalid = (
        {
            "src/train.py": """
            import optuna
            import wandb

            def objective(trial, cfg, fit):
                fit(cfg, trial.suggest_float("lr", 1e-5, 1e-2))
                finished = wandb.Api().run(f"{cfg.wandb.entity}/{cfg.wandb.project}/{cfg.run_id}")
                return finished.summary["val_accuracy"]

            def search(cfg, fit):
                study = optuna.create_study(direction="maximize")
                study.optimize(lambda trial: objective(trial, cfg, fit), n_trials=3)
        """,
        },
    )

    def check(self, subject: Subject) -> Iterator[Finding]:
        """Yield what is wrong."""
        training = subject.derived(Training)
        if not training.optimize:
            raise NotApplicable("there is no Optuna search")
        for _, module, objective in training.objectives:
            inside = {id(n): where for where, f in training.flow.reached(module, objective) for n in walk(f)}
            for where in training.modules:
                for call in where.calls("wandb.Api", "wandb.apis.public.Api"):
                    if id(call) in inside:
                        name = getattr(objective, "name", "the objective")
                        yield self.at(
                            where,
                            call,
                            f"{name}() asks W&B for the value of its own trial: it can be another trial's, or missing",
                            "let the training function return the metric, and return that",
                        )
                        return
