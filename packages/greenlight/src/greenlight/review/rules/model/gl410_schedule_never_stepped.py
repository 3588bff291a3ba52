"""GL410: a learning-rate scheduler is made and never stepped."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from greenlight.review.criteria import Criterion
from greenlight.review.finding import Finding, Severity
from greenlight.review.module import Module, walk
from greenlight.review.rule import NotApplicable, Rule
from greenlight.review.subject import Subject

_MAKERS = frozenset(
    [
        "get_scheduler",
        "get_linear_schedule_with_warmup",
        "get_cosine_schedule_with_warmup",
        "get_constant_schedule_with_warmup",
        "get_polynomial_decay_schedule_with_warmup",
        "get_cosine_with_hard_restarts_schedule_with_warmup",
    ]
)


class ScheduleNeverStepped(Rule):
    """The schedule of a run has no effect."""

    id = "GL410"
    name = "schedule-never-stepped"
    criterion = Criterion.MODEL
    severity = Severity.MAJOR
    sentences = ("4.6", "4.5")
    summary = "A learning-rate scheduler is made and never stepped, so the learning rate stays where it starts."
    why = (
        "A scheduler changes the optimizer only in step(). With warm-up the rate even stays at 0, and the run that is "
        "called 'cosine' or 'linear' is none."
    )
    remedy = "Call scheduler.step() after each optimizer step (or each epoch, if its length is given in epochs)."
    valid = (
        {
            "src/train.py": """
            from torch.optim.lr_scheduler import CosineAnnealingLR

            def train(optimizer, batches):
                schedule = CosineAnnealingLR(optimizer, 100)
                for batch in batches:
                    optimizer.step()
                    schedule.step()
            """
        },
        {
            "src/train.py": """
            from transformers import Trainer, get_linear_schedule_with_warmup

            def train(model, optimizer):
                schedule = get_linear_schedule_with_warmup(optimizer, 10, 100)
                Trainer(model=model, optimizers=(optimizer, schedule)).train()
            """
        },
    )
    invalid = (
        {
            "src/train.py": """
            from transformers import get_linear_schedule_with_warmup

            def train(optimizer, batches):
                schedule = get_linear_schedule_with_warmup(optimizer, 10, 100)
                for batch in batches:
                    optimizer.step()
                    print(schedule.get_last_lr())
            """
        },
    )

    def check(self, subject: Subject) -> Iterator[Finding]:
        """Yield one finding for each scheduler."""
        made = []
        for module in subject.code:
            for call in module.calls("torch.optim.lr_scheduler.*", "transformers.*"):
                dotted = module.dotted(call.func) or ""
                if dotted.startswith("torch.optim.lr_scheduler.") or dotted.rpartition(".")[2] in _MAKERS:
                    made.append((module, call))
        if not made:
            raise NotApplicable("no learning-rate scheduler is made")
        for module, call in made:
            around = module.parent(call)
            function = module.function_around(call)
            if not (isinstance(around, ast.Assign) and isinstance(around.targets[0], ast.Name)) or function is None:
                continue
            name = around.targets[0].id
            if self._only_read(module, function, name):
                yield self.at(
                    module, call, f"{name} is made and never stepped: the learning rate stays where it starts",
                    f"call {name}.step() after each optimizer step",
                )  # fmt: skip

    @staticmethod
    def _only_read(module: Module, function: ast.AST, name: str) -> bool:
        """Return whether a name is nowhere stepped and nowhere handed on."""
        for node in walk(function):
            if isinstance(node, ast.Name) and node.id == name and isinstance(node.ctx, ast.Load):
                around = module.parent(node)
                if not (isinstance(around, ast.Attribute) and around.attr in ("get_last_lr", "get_lr", "last_epoch")):
                    return False
        return True
