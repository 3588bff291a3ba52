"""GL608: metrics are logged only once."""

from __future__ import annotations

from collections.abc import Iterator

from greenlight.review.criteria import Criterion
from greenlight.review.engines.metrics import Metrics
from greenlight.review.finding import Finding, Severity
from greenlight.review.rule import Rule
from greenlight.review.subject import Subject


class NothingOverTime(Rule):
    """Metrics are logged only outside of every loop, so there is no course of training to look at."""

    id = "GL608"
    name = "nothing-over-time"
    criterion = Criterion.TRACKING
    severity = Severity.MAJOR
    sentences = ("6.2",)
    summary = "Metrics are logged only outside of every loop, so there is no course of training to look at."
    why = "A learning curve needs a row per step, batch or epoch; one row at the end draws a single point."
    remedy = "Log inside of the training loop, at each step or epoch."
    valid = (
        {
            "src/train.py": """
            import wandb

            def train(cfg, batches):
                wandb.init(id=cfg.run_id, project=cfg.wandb.project)
                for loss in batches:
                    wandb.log({"train_loss": loss})
                wandb.log({"test_loss": loss})
        """,
        },
        {
            "src/train.py": """
            import wandb

            def one_epoch(epoch):
                wandb.log({"epoch": epoch, "train_loss": 1 / (epoch + 1)})

            def train(cfg):
                wandb.init(id=cfg.run_id, project=cfg.wandb.project)
                for epoch in range(cfg.training.epochs):
                    one_epoch(epoch)
        """,
        },
    )
    invalid = (
        {
            "src/train.py": """
            import wandb

            def train(cfg, batches):
                wandb.init(id=cfg.run_id, project=cfg.wandb.project)
                total = 0.0
                for loss in batches:
                    total += loss
                wandb.log({"train_loss": total / len(batches)})
        """,
        },
    )

    def check(self, subject: Subject) -> Iterator[Finding]:
        """Yield what is wrong."""
        metrics = subject.derived(Metrics)
        if not metrics.is_complete:
            return
        if all(metrics.flow.loops_around(row.module, row.node) == 0 for row in metrics.rows):
            row = metrics.rows[0]
            yield self.at(
                row.module,
                row.node,
                f"{row.module.source(row.node)} is outside of every loop, as is all other logging: no course is kept",
                "log at each step or epoch inside of the training loop",
            )
