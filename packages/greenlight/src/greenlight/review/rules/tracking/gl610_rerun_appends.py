"""GL610: a second execution appends to the history of the first."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

from greenlight.review.criteria import Criterion
from greenlight.review.engines.training import Training
from greenlight.review.engines.unseen import words
from greenlight.review.finding import Finding, Severity
from greenlight.review.module import argument
from greenlight.review.rule import Rule
from greenlight.review.subject import Subject

_CHECKPOINT = frozenset({"load_state_dict", "resumed", "load_state", "starting_step", "restore", "load_weights"})
_SAVED = re.compile(r"(?<!gradient_)checkpoint(?!ing)|resume_from", re.IGNORECASE)


class RerunAppends(Rule):
    """A second execution of the same command is appended to the first one's history, though training starts anew."""

    id = "GL610"
    name = "rerun-appends"
    criterion = Criterion.TRACKING
    severity = Severity.MINOR
    sentences = ("6.1",)
    summary = (
        "A second execution of the same command is appended to the first one's history, though training starts anew."
    )
    why = (
        "With a fixed id and resume='allow' W&B continues the old run; training that loads no checkpoint "
        "begins at step 0 again, so the history holds two courses, and rows with a step that is over already "
        "are dropped."
    )
    remedy = "Resume only where a checkpoint is loaded; otherwise use resume='never', or delete the old run."
    valid = (
        {
            "src/train.py": """
            import torch
            import wandb

            def train(cfg, model, path):
                run = wandb.init(id=cfg.run_id, project=cfg.wandb.project, resume="allow")
                if run.resumed:
                    model.load_state_dict(torch.load(path))
                run.log({"loss": 1.0})
        """,
        },
        {
            "src/train.py": """
            import wandb

            def train(cfg):
                run = wandb.init(id=cfg.run_id, project=cfg.wandb.project, resume="never")
                run.log({"loss": 1.0})
        """,
        },
    )
    invalid = (
        {
            "src/train.py": """
            import wandb

            def train(cfg):
                run = wandb.init(id=cfg.run_id, project=cfg.wandb.project, resume="allow")
                for step in range(100):
                    run.log({"loss": 1.0 / (step + 1)})
        """,
        },
    )

    def check(self, subject: Subject) -> Iterator[Finding]:
        """Yield what is wrong."""
        subject.require_whole()
        training = subject.derived(Training)
        if not training.is_seen or any(words(m) & _CHECKPOINT or _SAVED.search(m.text) for m in training.modules):
            return
        for place in training.inits:
            call = place.node
            if not isinstance(call, ast.Call) or argument(call, "id") is None:
                continue
            resume = place.module.value(argument(call, "resume"))
            if resume in ("allow", True, "auto"):
                yield self.at(
                    place.module,
                    call,
                    f"resume={resume!r} under a fixed id, but no checkpoint is loaded: a rerun goes on in the old run",
                    'load a checkpoint when run.resumed, or pass resume="never"',
                )
