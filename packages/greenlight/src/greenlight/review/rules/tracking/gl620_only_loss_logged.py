"""GL620: nothing but the training loss is logged."""

from __future__ import annotations

import re
from collections.abc import Iterator

from greenlight.review.criteria import Criterion
from greenlight.review.engines.metrics import Metrics
from greenlight.review.finding import Finding, Severity
from greenlight.review.rule import Rule
from greenlight.review.subject import Subject

_WORDS = "train training loss lr learning rate step steps global epoch epochs iter iteration batch time elapsed sec s"
_COUNTERS = frozenset([*_WORDS.split(), "running", "avg", "mean", "total", "grad", "norm", "tokens"])


class OnlyLossLogged(Rule):
    """Only the training loss and counters are logged, so how good the model is cannot be seen over time."""

    id = "GL620"
    name = "only-loss-logged"
    criterion = Criterion.TRACKING
    severity = Severity.MAJOR
    sentences = ("6.2",)
    summary = "Only the training loss and counters are logged, so how good the model is cannot be seen over time."
    why = (
        "Methods are compared by what they reach on held-out data; a history of the training loss alone cannot show it."
    )
    remedy = "Measure on held-out data during training and log it beside the loss."
    valid = (
        {
            "src/train.py": """
            import wandb

            def train(cfg, batches, measure):
                wandb.init(id=cfg.run_id, project=cfg.wandb.project)
                for step, loss in enumerate(batches):
                    wandb.log({"train_loss": loss, "step": step})
                wandb.log({"val_accuracy": measure()})
        """,
        },
    )
    invalid = (
        {
            "src/train.py": """
            import wandb

            def train(cfg, batches):
                wandb.init(id=cfg.run_id, project=cfg.wandb.project)
                for step, loss in enumerate(batches):
                    wandb.log({"train_loss": loss, "lr": 1e-3, "step": step})
        """,
        },
    )

    def check(self, subject: Subject) -> Iterator[Finding]:
        """Yield what is wrong."""
        metrics = subject.derived(Metrics)
        if not metrics.is_complete or not metrics.logged:
            return
        names = sorted({key.name for key in metrics.logged})
        if all(set(re.split(r"[^a-z]+", name.lower())) - {""} <= _COUNTERS for name in names) and any(
            "loss" in n for n in names
        ):
            row = metrics.rows[0]
            yield self.at(
                row.module,
                row.node,
                f"only {', '.join(names)} {'is' if len(names) == 1 else 'are'} logged: no metric on held-out data",
                "log the validation metric at each epoch or every so many steps",
            )
