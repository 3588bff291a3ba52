"""GL903: a trial starts W&B online."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from greenlight.review.criteria import Criterion
from greenlight.review.engines.config_flow import ConfigFlow
from greenlight.review.engines.config_values import known_text
from greenlight.review.finding import Finding, Severity
from greenlight.review.rule import NotApplicable, Rule
from greenlight.review.subject import Subject


class TrialIsTracked(Rule):
    """A trial starts W&B online."""

    id = "GL903"
    name = "trial-is-tracked"
    criterion = Criterion.MODES
    severity = Severity.MAJOR
    sentences = (
        "6.6",
        "2.7",
    )
    summary = "In trial mode wandb.init still starts an online run."
    why = (
        "The program was followed with mode=trial: where wandb.init is reached its mode is online. A "
        "trial then needs a key and a network, and its two batches stand among the results."
    )
    remedy = 'Set cfg.wandb.mode = "disabled" for mode=trial, before wandb.init, in the process that calls it.'
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
                        cfg.epochs = 1
                    elif cfg.mode == "full":
                        cfg.wandb.mode = "online"
                    else:
                        raise ValueError(f"mode {cfg.mode}: trial or full")
                    if cfg.mode == "full":
                        wandb.init(project=cfg.wandb.project, mode="online")
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
                import wandb


                def train(cfg):
                    if cfg.mode == "trial":
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
                    wandb.init(project=cfg.wandb.project, mode=cfg.wandb.mode)
                    if cfg.mode == "trial":
                        cfg.wandb.mode = "disabled"
                        cfg.optuna.n_trials = 0
                        cfg.epochs = 1
                    elif cfg.mode == "full":
                        cfg.wandb.mode = "online"
                    else:
                        raise ValueError(f"mode {cfg.mode}: trial or full")
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
        """Yield one finding for each wandb.init that a trial reaches online."""
        flow = subject.derived(ConfigFlow)
        calls = [c for c in flow.calls if c.name == "wandb.init" and c.module.path != "src/evaluate.py"]
        if not calls:
            raise NotApplicable("wandb.init is not reached, as far as the code can be followed")
        told: set[ast.AST] = set()
        for call in calls:
            trials = [s for s in call.scenarios if flow.scenarios[s].mode == "trial"]
            if not trials or call.guarded or call.open_arguments or call.node in told:
                continue
            given = call.arguments.get("mode", ())
            modes = {given[s] if known_text(given[s]) else None for s in trials} if given else set()
            if modes == {"online"}:
                text = "with mode=trial wandb.init is called with mode online"
            else:
                continue
            told.add(call.node)
            yield self.at(call.module, call.node, text)
