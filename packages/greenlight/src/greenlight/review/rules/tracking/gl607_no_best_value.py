"""GL607: the summary has final values but no best one."""

from __future__ import annotations

import re
from collections.abc import Iterator

from greenlight.review.criteria import Criterion
from greenlight.review.engines.metrics import Metrics
from greenlight.review.finding import Finding, Severity
from greenlight.review.rule import Rule
from greenlight.review.subject import Subject

_BEST = re.compile(r"(^|[_/.\s-])(best|max|maximum|min|minimum|peak|highest|lowest|top)([_/.\s\d-]|$)|best")


class NoBestValue(Rule):
    """A metric is measured again and again, yet the summary has only its final value and no best one."""

    id = "GL607"
    name = "no-best-value"
    criterion = Criterion.TRACKING
    severity = Severity.MINOR
    sentences = ("6.3",)
    summary = "A metric is measured again and again, yet the summary has only its final value and no best one."
    why = (
        "Final and best value differ whenever training over-fits or is cut off; the best value and its step "
        "cannot be told from a summary of the last one."
    )
    remedy = "Keep the best value and its step, and write both to the summary."
    valid = (
        {
            "src/train.py": """
            import wandb

            def train(cfg, epochs):
                run = wandb.init(id=cfg.run_id, project=cfg.wandb.project)
                best = 0.0
                for accuracy in epochs:
                    run.log({"val_accuracy": accuracy})
                    best = max(best, accuracy)
                run.summary["final_val_accuracy"] = accuracy
                run.summary["best_val_accuracy"] = best
        """,
        },
        {
            "src/train.py": """
            import wandb

            def train(cfg, steps):
                run = wandb.init(id=cfg.run_id, project=cfg.wandb.project)
                for loss in steps:
                    run.log({"train_loss": loss})
                run.summary["final_test_accuracy"] = 0.5 + loss
        """,
        },
    )
    invalid = (
        {
            "src/train.py": """
            import wandb

            def train(cfg, epochs):
                run = wandb.init(id=cfg.run_id, project=cfg.wandb.project)
                for accuracy in epochs:
                    run.log({"val_accuracy": accuracy})
                run.summary["final_val_accuracy"] = accuracy
        """,
        },
    )

    def check(self, subject: Subject) -> Iterator[Finding]:
        """Yield what is wrong."""
        metrics = subject.derived(Metrics)
        if not metrics.is_complete or not metrics.summarised:
            return
        final = [key for key in metrics.summarised if re.search(r"(^|[_/.\s-])(final|last)", key.name.lower())]
        names = [key.name.lower() for key in (*metrics.summarised, *metrics.logged)]
        if not final or any(_BEST.search(name) for name in names):
            return
        if any(True for m in metrics.training.modules for _ in m.method_calls("define_metric")):
            return
        again = [
            key.name
            for row in metrics.rows
            if metrics.flow.loops_around(row.module, row.node) and "{}" not in "".join(k.name for k in row.keys)
            for key in row.keys
            if re.search(r"(^|[_/.-])(val|valid|validation|dev|eval|test)([_/.-]|$)", key.name.lower())
        ]
        if again:
            yield self.at(
                final[-1].module,
                final[-1].node,
                f"the summary has {final[-1].name!r} but no best value, though {again[0]!r} is logged again and again",
                f"also set the best {again[0]!r} and its step in the summary",
            )
