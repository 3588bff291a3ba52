"""GL611: the best parameters of the search are not used."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from greenlight.review.criteria import Criterion
from greenlight.review.engines.training import Training
from greenlight.review.finding import Finding, Severity
from greenlight.review.module import Module, walk
from greenlight.review.rule import NotApplicable, Rule
from greenlight.review.subject import Subject

_BEST = frozenset({"best_params", "best_trial", "best_trials", "trials", "trials_dataframe", "get_trials"})
_SHOW = frozenset({"print", "pprint", "info", "debug", "warning", "log", "rule", "echo", "dump", "dumps", "write"})


def _only_shown(module: Module, node: ast.AST) -> bool:
    """Return whether a value goes into a printed or logged text and nowhere else."""
    for around in module.ancestors(node):
        if isinstance(around, ast.Call):
            func = around.func
            name = func.attr if isinstance(func, ast.Attribute) else func.id if isinstance(func, ast.Name) else ""
            if name in _SHOW:
                return True
        if isinstance(around, ast.stmt):
            return False
    return False


def _drops(training: Training, module: Module, node: ast.AST) -> list[tuple[Module, ast.AST]] | None:
    """Return where a value is dropped: it is only printed, or its function's every call is printed or dropped."""
    if _only_shown(module, node):
        return [(module, node)]
    function = module.function_around(node)
    if not isinstance(module.statement(node), ast.Return) or function is None:
        return None
    calls = training.flow.calls_of(function)
    if not calls or not training.flow.is_only_called(module, function):
        return None
    dropped = all(isinstance(where.parent(call), ast.Expr) or _only_shown(where, call) for where, call in calls)
    return [(where, call) for where, call in calls] if dropped else None


def _handed_on(module: Module, study: ast.Name) -> bool:
    """Return whether a study is returned, stored or given to a call."""
    scope = module.scope(study)
    for node in walk(scope):
        if isinstance(node, ast.Name) and node.id == study.id and isinstance(node.ctx, ast.Load):
            around = module.parent(node)
            if not isinstance(around, ast.Attribute) and not _only_shown(module, node):
                return True
    return not isinstance(scope, ast.FunctionDef | ast.Module)


class SearchWithoutFinalRun(Rule):
    """The search's best parameters are never used, so what is recorded is the last trial, not the best one."""

    id = "GL611"
    name = "search-without-final-run"
    criterion = Criterion.TRACKING
    severity = Severity.MAJOR
    sentences = ("6.5", "7.4")
    summary = "The search's best parameters are never used, so what is recorded is the last trial, not the best one."
    why = "Seen in a real experiment: four trials, no fifth training; best_params was only printed."
    remedy = "Put study.best_params into the configuration after the search and train the final run with it."
    valid = (
        {
            "src/train.py": """
            import optuna

            def search(cfg, objective):
                study = optuna.create_study(direction=cfg.optuna.direction)
                study.optimize(objective, n_trials=cfg.optuna.n_trials)
                print(study.best_params)
                return study.best_params
        """,
        },
        {
            "src/train.py": """
            import optuna

            def search(cfg, objective, apply):
                study = optuna.create_study()
                study.optimize(objective, n_trials=cfg.optuna.n_trials)
                apply(cfg, study)
        """,
        },
    )
    invalid = (
        {
            "src/train.py": """
            import optuna

            def search(cfg, objective):
                study = optuna.create_study(direction="maximize")
                study.optimize(objective, n_trials=cfg.optuna.n_trials)
                return dict(study.best_params)

            def train(cfg, objective, fit):
                print("best:", search(cfg, objective))
                return fit(cfg)
        """,
        },
        {
            "src/train.py": """
            import optuna

            def main(cfg, objective):
                study = optuna.create_study()
                study.optimize(objective, n_trials=cfg.optuna.n_trials)
                print(f"best {study.best_value} with {study.best_params}")
        """,
        },
    )

    def check(self, subject: Subject) -> Iterator[Finding]:
        """Yield what is wrong."""
        training = subject.derived(Training)
        if not training.optimize:
            raise NotApplicable("there is no Optuna search")
        if not training.is_seen:
            return
        dropped: list[tuple[Module, ast.AST]] = []
        for module in training.modules:
            for node in module.nodes:
                if isinstance(node, ast.Attribute) and node.attr in _BEST:
                    places = _drops(training, module, node)
                    if places is None:
                        return
                    dropped += [(where, at) for where, at in places if isinstance(at, ast.Call)]
                if isinstance(node, ast.Constant) and node.value in _BEST:
                    return
        for place in training.optimize:
            call = place.node
            if not (isinstance(call, ast.Call) and isinstance(call.func, ast.Attribute)):
                return
            if not isinstance(call.func.value, ast.Name) or _handed_on(place.module, call.func.value):
                return
        place = training.optimize[0]
        where, at = dropped[0] if dropped else (place.module, place.node)
        yield self.at(
            where,
            at,
            f"after {place.module.source(place.node)} nothing uses the best parameters: there is no final run",
            "apply study.best_params to the configuration and train once more, with W&B on",
        )
