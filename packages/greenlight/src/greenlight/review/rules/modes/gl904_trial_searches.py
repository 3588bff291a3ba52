"""GL904: a trial runs the search."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from greenlight.review.criteria import Criterion
from greenlight.review.engines.config_flow import ConfigFlow
from greenlight.review.finding import Finding, Severity
from greenlight.review.rule import NotApplicable, Rule
from greenlight.review.subject import Subject


class TrialSearches(Rule):
    """A trial runs the search."""

    id = "GL904"
    name = "trial-searches"
    criterion = Criterion.MODES
    severity = Severity.MAJOR
    sentences = (
        "9.2",
        "2.7",
    )
    summary = "In trial mode the whole search is run."
    why = (
        "The program was followed with mode=trial: study.optimize is reached with the run file's number "
        "of trials, so the quick check takes as long as the search."
    )
    remedy = (
        "Set cfg.optuna.n_trials = 0 for mode=trial, after the run file is merged, and run the search "
        "only for n_trials > 0."
    )
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
                import optuna
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
                    if cfg.optuna.n_trials > 0:
                        optuna.create_study().optimize(lambda trial: fit(trial), n_trials=cfg.optuna.n_trials)
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
                import optuna
                import wandb


                def train(cfg):
                    if cfg.mode == "trial":
                        cfg.wandb.mode = "disabled"
                        cfg.epochs = 1
                    elif cfg.mode == "full":
                        cfg.wandb.mode = "online"
                    else:
                        raise ValueError(f"mode {cfg.mode}: trial or full")
                    wandb.init(project=cfg.wandb.project, mode=cfg.wandb.mode)
                    if cfg.optuna.n_trials > 0:
                        optuna.create_study().optimize(lambda trial: fit(trial), n_trials=cfg.optuna.n_trials)
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
        """Yield one finding for each search that a trial reaches."""
        flow = subject.derived(ConfigFlow)
        calls = [c for c in flow.calls if c.name == ".optimize" and "n_trials" in c.arguments]
        if not calls:
            raise NotApplicable("no search is reached, as far as the code can be followed")
        told: set[ast.AST] = set()
        for call in calls:
            if (
                call.guarded
                or call.node in told
                or not any(o.startswith("optuna") for o in call.module.imports.values())
            ):
                continue
            counts = {call.arguments["n_trials"][s] for s in call.scenarios if flow.scenarios[s].mode == "trial"}
            known = {n for n in counts if isinstance(n, int) and n > 0}
            if known and known == counts:
                told.add(call.node)
                yield self.at(call.module, call.node, f"with mode=trial the search runs {min(known)} trials")
