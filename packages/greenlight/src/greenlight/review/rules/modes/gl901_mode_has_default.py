"""GL901: mode has a default."""

from __future__ import annotations

from collections.abc import Iterator

from greenlight.contract.experiment import MODES
from greenlight.review.criteria import Criterion
from greenlight.review.finding import Finding, Severity
from greenlight.review.rule import NotApplicable, Rule
from greenlight.review.subject import Subject


class ModeHasDefault(Rule):
    """Mode has a default."""

    id = "GL901"
    name = "mode-has-default"
    criterion = Criterion.MODES
    severity = Severity.MINOR
    sentences = ("9.1",)
    summary = "mode has a default, so a command without it runs in that mode instead of being refused."
    why = (
        "A forgotten mode= starts the full training, W&B and search included, or passes a trial off as "
        "the run. The contract has mode required."
    )
    remedy = "Write mode: ??? in config.yaml."
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
                    wandb.init(project=cfg.wandb.project, mode=cfg.wandb.mode)
                    for epoch in range(cfg.epochs):
                        fit(cfg.lr)
            """,
            "config/config.yaml": """
                run: ???
                results_dir: ???
                mode: null
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
                mode: full
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
        """Yield a finding where config.yaml chooses a mode."""
        config = subject.config
        if config is None or "mode" not in config.data:
            raise NotApplicable("config/config.yaml has no mode")
        if config.get("mode") in MODES:
            text = f"mode defaults to {config.get('mode')}: the command without mode= is not refused"
            yield self.on(config, config.line("mode"), text, "write mode: ???")
