"""GL606: final and best values are not written to the summary."""

from __future__ import annotations

from collections.abc import Iterator

from greenlight.review.criteria import Criterion
from greenlight.review.engines.metrics import Metrics
from greenlight.review.finding import Finding, Severity
from greenlight.review.rule import Rule
from greenlight.review.subject import Subject


class NoSummary(Rule):
    """Nothing is written to the run's summary, so final and best values are not to be had."""

    id = "GL606"
    name = "no-summary"
    criterion = Criterion.TRACKING
    severity = Severity.MAJOR
    sentences = ("6.3",)
    summary = "Nothing is written to the run's summary, so final and best values are not to be had."
    why = (
        "W&B itself keeps only the last logged value of each key; the best one, its epoch, and the final test "
        "value exist only if the training writes them."
    )
    remedy = "Set wandb.summary[...] for the final and the best values after the loop."
    valid = (
        {
            "src/train.py": """
            import wandb

            def train(cfg, epochs):
                run = wandb.init(id=cfg.run_id, project=cfg.wandb.project)
                for loss in epochs:
                    run.log({"val/loss": loss})
                run.summary["best_val_loss"] = min(epochs)
        """,
        },
        {
            "src/train.py": """
            import wandb

            def train(cfg, epochs):
                run = wandb.init(id=cfg.run_id, project=cfg.wandb.project)
                run.define_metric("val/loss", summary="min")
                for loss in epochs:
                    run.log({"val/loss": loss})
        """,
        },
    )
    invalid = (
        {
            "src/train.py": """
            import wandb

            def train(cfg, epochs):
                run = wandb.init(id=cfg.run_id, project=cfg.wandb.project)
                for loss in epochs:
                    run.log({"val/loss": loss})
                run.finish()
        """,
        },
    )

    def check(self, subject: Subject) -> Iterator[Finding]:
        """Yield what is wrong."""
        metrics = subject.derived(Metrics)
        training = metrics.training
        if not metrics.is_complete or training.summaries:
            return
        if any(word in key.name.lower() for key in metrics.logged for word in ("best", "final", "test")):
            return
        if any(True for m in training.modules for _ in m.method_calls("define_metric")):
            return
        place = training.inits[0]
        yield self.at(
            place.module,
            place.node,
            "the run has no summary: neither a final nor a best value is written to it",
            'set run.summary["final_..."] and run.summary["best_..."] after the loop',
        )
