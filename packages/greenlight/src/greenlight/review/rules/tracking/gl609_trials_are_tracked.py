"""GL609: every trial of the search logs to W&B."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

from greenlight.review.criteria import Criterion
from greenlight.review.engines.flow import Flow
from greenlight.review.engines.training import Place, Training
from greenlight.review.finding import Finding, Severity
from greenlight.review.module import Module, parameters, walk
from greenlight.review.rule import NotApplicable, Rule
from greenlight.review.subject import Subject

_SWITCH = re.compile(
    r"(^|_)(use_?wandb|wandb|log|logs|logging|logger|track\w*|trial|final|report\w*|silent|search|tun\w+|quiet|online|offline)"
    r"(_|$)"
)
_TRIAL = re.compile("trial|final|track|search|tun")
_OFF = frozenset({"disabled", "offline", "dryrun", "trial", "WANDB_MODE", "WANDB_DISABLED"})
_FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)


def _may_be_off(flow: Flow, place: Place, reached: list[tuple[Module, ast.AST]], init: ast.AST) -> bool:
    """Return whether anything on the way to a run's start in a trial can be what keeps it out of W&B."""
    for where, function in reached[1:]:
        if not any(node is init for _, body in flow.reached(where, function) for node in walk(body)):
            continue
        if isinstance(function, _FUNCTIONS) and any(_SWITCH.search(a.arg.lower()) for a in parameters(function)):
            return True
    module, objective = reached[0]
    for where, function in reached:
        for n in walk(function):
            if not (isinstance(n, ast.Constant) and n.value in _OFF) or _compared(where, n):
                continue
            if function is objective or not _only_in_trial_mode(where, n):
                return True
    for node in walk(objective):
        # A switch handed on: fit(cfg, False), fit(cfg, track=False), fit(cfg, trial).
        if isinstance(node, ast.Call) and flow.target(module, node) is not None:
            if any(k.arg is not None and _SWITCH.search(k.arg.lower()) for k in node.keywords):
                return True
            if any(isinstance(a, ast.Constant) and (a.value is None or isinstance(a.value, bool)) for a in node.args):
                return True
    around = place.module.function_around(place.node) or place.module.tree
    return any(
        isinstance(n, ast.Constant)
        and n.value in _OFF
        and not _compared(place.module, n)
        and not _only_in_trial_mode(place.module, n)
        for n in walk(around)
    )


def _compared(module: Module, node: ast.AST) -> bool:
    return isinstance(module.parent(node), ast.Compare)


def _only_in_trial_mode(module: Module, node: ast.AST) -> bool:
    return any(isinstance(a, ast.If) and "mode" in ast.unparse(a.test) for a in module.ancestors(node))


def _is_conditional_on_trial(place: Place) -> bool:
    for around in place.module.ancestors(place.node):
        if isinstance(around, ast.If | ast.IfExp) and _TRIAL.search(ast.unparse(around.test)):
            return True
        if isinstance(around, _FUNCTIONS):
            break
    return False


class TrialsAreTracked(Rule):
    """Each trial of the search writes to W&B, so the recorded run is a mixture of trials."""

    id = "GL609"
    name = "trials-are-tracked"
    criterion = Criterion.TRACKING
    severity = Severity.MAJOR
    sentences = ("6.5",)
    summary = "Each trial of the search writes to W&B, so the recorded run is a mixture of trials."
    why = (
        "Seen in a real experiment: four trials started four W&B runs under one id, and their rows ended up "
        "in one history. Only the final run with the best parameters belongs into W&B."
    )
    remedy = (
        "Switch W&B off for trials, for instance with a parameter of the training function, and log the final "
        "run alone."
    )
    valid = (
        {
            "src/train.py": """
            import optuna
            import wandb

            def fit(cfg, lr, tracked):
                run = wandb.init(id=cfg.run_id, project=cfg.wandb.project) if tracked else None
                for step in range(10):
                    if run is not None:
                        run.log({"loss": lr / (step + 1)})
                return lr

            def search(cfg):
                study = optuna.create_study()
                study.optimize(lambda trial: fit(cfg, trial.suggest_float("lr", 1e-5, 1e-3), False), n_trials=8)
                fit(cfg, study.best_params["lr"], True)
        """,
        },
        {
            "src/train.py": """
            import copy
            import optuna
            import wandb

            def fit(cfg):
                wandb.init(id=cfg.run_id, project=cfg.wandb.project, mode=cfg.wandb.mode)
                wandb.log({"loss": cfg.training.lr})
                return cfg.training.lr

            def objective(trial, cfg):
                quiet = copy.deepcopy(cfg)
                quiet.wandb.mode = "disabled"
                quiet.training.lr = trial.suggest_float("lr", 1e-5, 1e-3)
                return fit(quiet)

            def search(cfg):
                study = optuna.create_study()
                study.optimize(lambda trial: objective(trial, cfg), n_trials=8)
                cfg.training.lr = study.best_params["lr"]
                fit(cfg)
        """,
        },
    )
    invalid = (
        {
            "src/train.py": """
            import optuna
            import wandb

            def fit(cfg):
                run = wandb.init(id=cfg.run_id, project=cfg.wandb.project)
                for step in range(10):
                    run.log({"loss": cfg.training.lr / (step + 1)})
                run.finish()
                return cfg.training.lr

            def objective(trial, cfg):
                cfg.training.lr = trial.suggest_float("lr", 1e-5, 1e-3)
                return fit(cfg)

            def search(cfg):
                study = optuna.create_study()
                study.optimize(lambda trial: objective(trial, cfg), n_trials=8)
                cfg.training.lr = study.best_params["lr"]
                fit(cfg)
        """,
        },
    )

    def check(self, subject: Subject) -> Iterator[Finding]:
        """Yield what is wrong."""
        training = subject.derived(Training)
        if not training.optimize:
            raise NotApplicable("there is no Optuna search")
        for place, module, objective in training.objectives:
            reached = training.flow.reached(module, objective)
            inside = {id(node) for _, function in reached for node in walk(function)}
            started = next((p for p in training.inits if id(p.node) in inside), None)
            if started is None or _is_conditional_on_trial(started):
                continue
            if _may_be_off(training.flow, place, reached, started.node):
                continue
            yield self.at(
                started.module,
                started.node,
                f"{module.source(place.node)} runs this wandb.init in each trial, and nothing switches W&B off there",
                "switch W&B off inside of the objective; track the final run with the best parameters alone",
            )
            return
