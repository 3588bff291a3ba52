"""GL601: nothing starts a W&B run."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from greenlight.review.criteria import Criterion
from greenlight.review.engines.training import Training
from greenlight.review.finding import Finding, Severity
from greenlight.review.rule import Rule
from greenlight.review.subject import Subject


class RunNeverStarted(Rule):
    """No code of the training starts a W&B run, so there is nothing for the evaluation to read."""

    id = "GL601"
    name = "run-never-started"
    criterion = Criterion.TRACKING
    severity = Severity.BLOCKER
    sentences = ("6.1",)
    summary = "No code of the training starts a W&B run, so there is nothing for the evaluation to read."
    why = (
        "wandb.log raises 'You must call wandb.init() before wandb.log()' without a run, and evaluate.py "
        "finds no run under the run's id."
    )
    remedy = "Call wandb.init with entity, project and id of the configuration before the training loop."
    valid = (
        {
            "src/train.py": """
            import wandb

            def train(cfg):
                run = wandb.init(entity=cfg.wandb.entity, project=cfg.wandb.project, id=cfg.run_id)
                for step in range(cfg.training.steps):
                    run.log({"train/loss": 1.0 / (step + 1)})
        """,
        },
        {
            "src/train.py": """
            from transformers import Trainer, TrainingArguments

            def train(cfg, model, rows):
                Trainer(model, TrainingArguments(cfg.results_dir, report_to="wandb"), train_dataset=rows).train()
        """,
        },
    )
    invalid = (
        {
            "src/train.py": """
            import torch

            def train(cfg, model, loader):
                optimizer = torch.optim.SGD(model.parameters(), lr=cfg.training.lr)
                for x, y in loader:
                    loss = torch.nn.functional.mse_loss(model(x), y)
                    loss.backward()
                    optimizer.step()
                    print("loss", loss.item())
        """,
        },
    )

    def check(self, subject: Subject) -> Iterator[Finding]:
        """Yield what is wrong."""
        training = subject.derived(Training)
        if training.train is None or not training.is_seen or training.inits:
            return
        if any("wandb" in ast.unparse(c.func).lower() for m in training.modules for c in m.method_calls("init")):
            return
        yield self.on(
            training.train,
            1,
            "no wandb.init in src/train.py or in a file that it runs: the run leaves no trace in W&B",
            "call wandb.init(entity=cfg.wandb.entity, project=cfg.wandb.project, id=cfg.run_id, ...) before the loop",
        )
