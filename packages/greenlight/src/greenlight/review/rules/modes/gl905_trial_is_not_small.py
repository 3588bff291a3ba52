"""GL905: a trial trains as long as a full run."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from typing import Any

from greenlight.review.criteria import Criterion
from greenlight.review.engines.config_events import Write
from greenlight.review.engines.config_flow import ConfigFlow
from greenlight.review.engines.config_values import dotted_key
from greenlight.review.engines.trial_settings import TrialSettings
from greenlight.review.finding import Finding, Severity
from greenlight.review.module import Module, walk
from greenlight.review.rule import NotApplicable, Rule
from greenlight.review.subject import Subject


def _is_mode(module: Module, node: ast.AST) -> bool:
    """Return whether an expression is the mode of the experiment: cfg.mode, cfg["mode"], mode."""
    if isinstance(node, ast.Attribute):
        owner = node.value
        return node.attr == "mode" and getattr(owner, "attr", getattr(owner, "id", "")) not in ("wandb", "tracking")
    if isinstance(node, ast.Name):
        return node.id in ("mode", "run_mode", "exp_mode")
    if isinstance(node, ast.Call):
        inner = node.func.value if isinstance(node.func, ast.Attribute) else (node.args[0] if node.args else None)
        return inner is not None and not isinstance(inner, ast.Call) and _is_mode(module, inner)
    return isinstance(node, ast.Subscript) and module.value(node.slice) == "mode"


def _names_mode(module: Module, node: ast.AST) -> bool:
    """Return whether a condition compares the mode with one of the two values."""
    for part in walk(node):
        if isinstance(part, ast.Compare) and any(_is_mode(module, p) for p in (part.left, *part.comparators)):
            return True
    return False


def _hints(node: ast.Name | ast.arg | ast.keyword) -> bool:
    """Return whether a name is about trial mode, such as is_trial or trial_mode."""
    name = node.id if isinstance(node, ast.Name) else node.arg or ""
    return ("trial" in name and name not in ("trial", "n_trials", "trials")) or name in ("max_batches", "smoke")


def _only_raises(module: Module, branch: ast.If) -> bool:
    """Return whether what else there is of a chain raises or is about tracking too."""
    rest = branch.orelse
    while len(rest) == 1 and isinstance(rest[0], ast.If):
        if not all(_is_about_tracking(module, s) for s in rest[0].body):
            return False
        rest = rest[0].orelse
    return all(isinstance(s, ast.Raise) or _is_about_tracking(module, s) for s in rest)


def _is_about_tracking(module: Module, statement: ast.stmt) -> bool:
    """Return whether a statement sets W&B's mode or the number of search trials, or says something."""
    if isinstance(statement, ast.Pass):
        return True
    if isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Call):
        name = ast.unparse(statement.value.func)
        return name == "print" or name.split(".")[-1] in ("info", "warning", "debug")
    if isinstance(statement, ast.Assign) and len(statement.targets) == 1:
        target = module.source(statement.targets[0]).replace("'", '"')
        return target.endswith(("wandb.mode", "n_trials", '["WANDB_MODE"]', '["n_trials"]', "wandb.enabled"))
    return False


def _shown(keys: dict[tuple[str, ...], Any]) -> str:
    return ", ".join(f"{dotted_key(path)} is {'null' if value is None else value}" for path, value in keys.items())


class TrialIsNotSmall(Rule):
    """A trial trains as long as a full run."""

    id = "GL905"
    name = "trial-is-not-small"
    criterion = Criterion.MODES
    severity = Severity.MAJOR
    sentences = ("9.2",)
    summary = "Trial mode changes nothing about the training itself: it takes as long as a full run."
    why = (
        "The branches for mode=trial switch W&B and the search off and nothing else: no epoch, step, "
        "batch or example is left out."
    )
    remedy = "For mode=trial set epochs to 1 and stop after one or two batches."
    valid = (
        {
            "src/main.py": """
                import hydra

                from src.train import train


                @hydra.main(version_base=None, config_path="../config", config_name="config")
                def main(cfg):
                    train(cfg)


                if __name__ == "__main__":
                    main()
            """,
            "src/train.py": """
                import wandb


                def train(cfg):
                    if cfg.mode == "trial":
                        cfg.wandb.mode = "disabled"
                        cfg.optuna.n_trials = 0
                        cfg.epochs = 1
                    elif cfg.mode == "full":
                        cfg.wandb.mode = "online"
                    else:
                        raise ValueError(f"mode {cfg.mode}: trial or full")
                    wandb.init(project=cfg.wandb.project, mode=cfg.wandb.mode)
                    for epoch in range(cfg.epochs):
                        fit(cfg.lr)
            """,
            "config/config.yaml": """
                run: ???
                results_dir: ???
                mode: ???
                run_id: a
                epochs: 3
                lr: 0.1
                wandb:
                  project: p
                  mode: online
                optuna:
                  n_trials: 20
            """,
            "config/runs/a.yaml": """
                run_id: a
                method: proposed
            """,
        },
        {
            "src/main.py": """
                import hydra

                from src.train import train


                @hydra.main(version_base=None, config_path="../config", config_name="config")
                def main(cfg):
                    train(cfg)


                if __name__ == "__main__":
                    main()
            """,
            "src/train.py": """
                import wandb


                def train(cfg):
                    if cfg.mode == "trial":
                        cfg.wandb.mode = "disabled"
                        cfg.optuna.n_trials = 0
                    elif cfg.mode == "full":
                        cfg.wandb.mode = "online"
                    else:
                        raise ValueError(f"mode {cfg.mode}: trial or full")
                    wandb.init(project=cfg.wandb.project, mode=cfg.wandb.mode)
                    for epoch in range(cfg.epochs):
                        fit(cfg.lr)
                        if cfg.mode == "trial":
                            break
            """,
            "config/config.yaml": """
                run: ???
                results_dir: ???
                mode: ???
                run_id: a
                epochs: 3
                lr: 0.1
                wandb:
                  project: p
                  mode: online
                optuna:
                  n_trials: 20
            """,
            "config/runs/a.yaml": """
                run_id: a
                method: proposed
            """,
        },
    )
    invalid = (
        {
            "src/main.py": """
                import hydra

                from src.train import train


                @hydra.main(version_base=None, config_path="../config", config_name="config")
                def main(cfg):
                    train(cfg)


                if __name__ == "__main__":
                    main()
            """,
            "src/train.py": """
                import wandb


                def train(cfg):
                    if cfg.mode == "trial":
                        cfg.wandb.mode = "disabled"
                        cfg.optuna.n_trials = 0
                    elif cfg.mode == "full":
                        cfg.wandb.mode = "online"
                    else:
                        raise ValueError(f"mode {cfg.mode}: trial or full")
                    wandb.init(project=cfg.wandb.project, mode=cfg.wandb.mode)
                    for epoch in range(cfg.epochs):
                        fit(cfg.lr)
            """,
            "config/config.yaml": """
                run: ???
                results_dir: ???
                mode: ???
                run_id: a
                epochs: 3
                lr: 0.1
                wandb:
                  project: p
                  mode: online
                optuna:
                  n_trials: 20
            """,
            "config/runs/a.yaml": """
                run_id: a
                method: proposed
            """,
        },
    )

    def check(self, subject: Subject) -> Iterator[Finding]:
        """Yield a finding where a trial leaves the training or the evaluation as long as it is."""
        settings = subject.derived(TrialSettings)
        place = settings.place
        told = list(self._left(settings, place)) if settings.known and place is not None else []
        yield from told or self._about_tracking_alone(subject)

    def _left(self, settings: TrialSettings, place: Write) -> Iterator[Finding]:
        length = {**settings.epochs, **settings.steps}
        if length and not (settings.sets_epochs or settings.sets_steps or settings.sets_others):
            text = f"with mode=trial the training is as long as with mode=full: {_shown(length)}"
            yield self.at(place.module, place.node, text)
        elif settings.steps and settings.sets_epochs and not (settings.sets_steps or settings.sets_others):
            text = f"with mode=trial a whole epoch is trained: {_shown(settings.steps)} as with mode=full"
            yield self.at(place.module, place.node, text, "set the number of steps to 1 or 2 in a trial")
        if settings.questions and not (settings.sets_questions or settings.sets_others):
            text = f"with mode=trial everything is evaluated: {_shown(settings.questions)} as with mode=full"
            yield self.at(place.module, place.node, text, "evaluate a few examples in a trial")

    def _about_tracking_alone(self, subject: Subject) -> Iterator[Finding]:
        """Yield a finding where every use of the trial mode is about tracking or the search."""
        flow = subject.derived(ConfigFlow)
        if not flow.known or any(module.error is not None for module in subject.code):
            raise NotApplicable("not all code can be read")
        branches: list[tuple[Module, ast.If]] = []
        for module in subject.code:
            if module.path == "src/evaluate.py":
                continue
            for node in module.nodes:
                if isinstance(node, ast.Name | ast.arg | ast.keyword) and _hints(node):
                    return
                if (
                    isinstance(node, ast.Attribute)
                    and "trial" in node.attr.replace("n_trials", "")
                    and node.attr != "trial"
                ):
                    return
                if not (isinstance(node, ast.Constant) and node.value == "trial"):
                    continue
                branch = next((a for a in module.ancestors(node) if isinstance(a, ast.stmt)), None)
                if isinstance(branch, ast.Raise):
                    continue
                if not isinstance(branch, ast.If) or not _names_mode(module, branch.test):
                    return
                if not all(_is_about_tracking(module, s) for s in branch.body):
                    return
                if not isinstance(branch.test, ast.Compare) or not isinstance(branch.test.ops[0], ast.Eq):
                    return
                if not _only_raises(module, branch):
                    return
                branches.append((module, branch))
        own = [b for b in branches if b[0].path != "src/main.py"] or branches
        if own:
            module, branch = own[0]
            yield self.at(module, branch.test, "with mode=trial the training is as long as with mode=full")
