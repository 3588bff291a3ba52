"""GL604: the training writes W&B's project or entity into the code."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from greenlight.review.criteria import Criterion
from greenlight.review.engines.training import Training
from greenlight.review.finding import Finding, Severity
from greenlight.review.module import argument
from greenlight.review.rule import Rule
from greenlight.review.subject import Subject


class FixedTrackingPlace(Rule):
    """The training names a W&B project or entity in the code instead of reading it from the configuration."""

    id = "GL604"
    name = "fixed-tracking-place"
    criterion = Criterion.TRACKING
    severity = Severity.MAJOR
    sentences = ("6.9", "8.3")
    summary = "The training names a W&B project or entity in the code instead of reading it from the configuration."
    why = (
        "evaluate.py and the command line use config/config.yaml; a place in the code keeps sending runs to "
        "the old project when the configuration changes."
    )
    remedy = "Read entity and project from cfg.wandb."
    valid = (
        {
            "src/train.py": """
            import wandb

            def start(cfg):
                place = cfg.wandb
                return wandb.init(entity=place.entity, project=place.project, id=cfg.run_id)
        """,
        },
    )
    invalid = (
        {
            "src/train.py": """
            import wandb

            PROJECT = "pruning-study"

            def start(cfg):
                return wandb.init(entity=cfg.wandb.entity, project=PROJECT, id=cfg.run_id)
        """,
        },
    )

    def check(self, subject: Subject) -> Iterator[Finding]:
        """Yield what is wrong."""
        for place in subject.derived(Training).inits:
            call = place.node
            if not isinstance(call, ast.Call):
                continue
            for word in ("project", "entity"):
                given = place.module.value(argument(call, word))
                if isinstance(given, str) and given:
                    yield self.at(
                        place.module,
                        call,
                        f"wandb.init has the {word} {given!r} in the code, not that of config/config.yaml",
                        f"write {word}=cfg.wandb.{word}",
                    )
                    break
