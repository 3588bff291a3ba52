"""GL603: wandb.init is not told the project or the entity."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from greenlight.review.criteria import Criterion
from greenlight.review.engines.training import Training
from greenlight.review.finding import Finding, Severity
from greenlight.review.module import argument, has_open_arguments
from greenlight.review.rule import Rule
from greenlight.review.subject import Subject


class NoTrackingPlace(Rule):
    """wandb.init is called without project or entity, so the run goes elsewhere than where evaluate.py looks."""

    id = "GL603"
    name = "no-tracking-place"
    criterion = Criterion.TRACKING
    severity = Severity.BLOCKER
    sentences = ("6.1", "8.3")
    summary = "wandb.init is called without project or entity, so the run goes elsewhere than where evaluate.py looks."
    why = (
        "Without project= W&B files the run under 'uncategorized', without entity= under whatever team the "
        "key belongs to; evaluate.py reads both from config/config.yaml."
    )
    remedy = "Pass entity=cfg.wandb.entity and project=cfg.wandb.project."
    valid = (
        {
            "src/train.py": """
            import wandb

            def start(cfg):
                return wandb.init(entity=cfg.wandb.entity, project=cfg.wandb.project, id=cfg.run_id)
        """,
        },
        {
            "src/train.py": """
            import wandb

            def start(cfg, **options):
                return wandb.init(id=cfg.run_id, **options)
        """,
        },
        {
            "src/main.py": """
            import os

            def start(cfg):
                os.environ["WANDB_PROJECT"], os.environ["WANDB_ENTITY"] = cfg.wandb.project, cfg.wandb.entity
        """,
            "src/train.py": """
            import wandb

            def start(cfg):
                return wandb.init(id=cfg.run_id)
        """,
        },
    )
    invalid = (
        {
            "src/train.py": """
            import wandb

            def start(cfg):
                return wandb.init(id=cfg.run_id, config=dict(cfg))
        """,
        },
        {
            "src/train.py": """
            import wandb

            def start(cfg):
                return wandb.init(project=cfg.wandb.project, id=cfg.run_id)
        """,
        },
    )

    def check(self, subject: Subject) -> Iterator[Finding]:
        """Yield what is wrong."""
        training = subject.derived(Training)
        text = "".join(m.text for m in training.modules)
        for place in training.inits:
            call = place.node
            if not isinstance(call, ast.Call) or has_open_arguments(call) or argument(call, "settings") is not None:
                continue
            if place.module.value(argument(call, "mode")) == "disabled":
                continue
            missing = [
                word
                for word, position in (("project", 1), ("entity", 0))
                if argument(call, word, position) is None and f"WANDB_{word.upper()}" not in text
            ]
            if missing:
                yield self.at(
                    place.module,
                    call,
                    f"wandb.init without {' and '.join(missing)}: the run does not go where config/config.yaml says",
                    "add " + " and ".join(f"{word}=cfg.wandb.{word}" for word in missing),
                    severity=Severity.BLOCKER if "project" in missing else Severity.MAJOR,
                )
