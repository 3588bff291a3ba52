"""GL907: no code looks at the mode."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from greenlight.review.criteria import Criterion
from greenlight.review.engines.config_flow import ConfigFlow
from greenlight.review.finding import Finding, Severity
from greenlight.review.module import Module
from greenlight.review.rule import NotApplicable, Rule
from greenlight.review.subject import Subject


def _is_idle(subject: Subject, module: Module) -> bool:
    """Return whether all that a file says about the mode stands in functions that nothing refers to."""
    for node in module.nodes:
        about = (isinstance(node, ast.Constant) and node.value == "trial") or (
            isinstance(node, ast.Attribute) and node.attr == "mode" and getattr(node.value, "attr", "") != "wandb"
        )
        if not about:
            continue
        function = module.function_around(node)
        if function is None:
            if isinstance(module.statement(node), ast.Assign | ast.AnnAssign):
                continue  # a constant such as MODES
            return False
        if function.decorator_list or not isinstance(module.parent(function), ast.Module):
            return False
        for other in subject.code:
            for name in other.nodes:
                if function.name in (getattr(name, "id", ""), getattr(name, "attr", "")):
                    return False
    return True


class ModeIsIgnored(Rule):
    """No code looks at the mode."""

    id = "GL907"
    name = "mode-is-ignored"
    criterion = Criterion.MODES
    severity = Severity.BLOCKER
    sentences = (
        "9.1",
        "9.2",
    )
    summary = "No code looks at mode: a trial and a full run are the same."
    why = (
        "mode=trial is accepted by Hydra because config.yaml has the key, and then trains for the full "
        "time with W&B and the search as config.yaml has them."
    )
    remedy = "Branch on cfg.mode before anything else: trial, full, and an error for every other value."
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
                def train(cfg):
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
        """Yield a finding where neither the key nor its values occur in the training code."""
        main, train, config = subject.module("src/main.py"), subject.module("src/train.py"), subject.config
        if main is None or train is None or config is None or "mode" not in config.data:
            raise NotApplicable("main.py, train.py or the key mode is missing")
        flow = subject.derived(ConfigFlow)
        if not flow.known or flow.gave_up or not flow.followed or flow.is_read(("mode",)) or "${mode}" in config.text:
            return
        for module in subject.code:
            if module.error is not None or (module.path != "src/evaluate.py" and not _is_idle(subject, module)):
                return
        yield self.on(config, config.line("mode"), "mode is accepted and read by no line of code")
