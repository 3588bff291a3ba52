"""GL434: an optimizer is made and never stepped."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from greenlight.review.criteria import Criterion
from greenlight.review.engines.aliases import Aliases, Life
from greenlight.review.finding import Finding, Severity
from greenlight.review.rule import NotApplicable, Rule
from greenlight.review.subject import Subject

_NO_STEP = frozenset(
    ["zero_grad", "param_groups", "state_dict", "load_state_dict", "state", "add_param_group", "defaults"]
)
_READERS = (
    "torch.optim.lr_scheduler.",
    "torch.save",
    "transformers.get_",
    "transformers.optimization.get_",
)


class OptimizerNeverStepped(Rule):
    """``optimizer = AdamW(...)`` and never ``optimizer.step()``."""

    id = "GL434"
    name = "optimizer-never-stepped"
    criterion = Criterion.MODEL
    severity = Severity.BLOCKER
    sentences = ("4.6",)
    summary = "An optimizer is made over a model's weights and never steps, so they stay as they were."
    why = (
        "backward() only computes gradients; without step() no weight changes. Everything that is logged looks like "
        "training, and the reported score is that of the untrained model."
    )
    remedy = "Call optimizer.step() after backward(), or remove the optimizer."
    valid = (
        {
            "src/train.py": """
            import torch

            def advance(optimizer, loss):
                optimizer.zero_grad()
                loss.backward()
                optimizer.step()

            def train(model, batches):
                optimizer = torch.optim.AdamW(model.parameters(), lr=1e-4)
                for batch in batches:
                    advance(optimizer, model(batch))
            """
        },
        {
            "src/train.py": """
            import torch

            def train(model, batches, scaler):
                optimizer = torch.optim.AdamW(model.parameters(), lr=1e-4)
                for batch in batches:
                    scaler.scale(model(batch)).backward()
                    scaler.step(optimizer)
                    scaler.update()
                    optimizer.zero_grad()
            """
        },
    )
    invalid = (
        {
            "src/train.py": """
            import torch

            def train(model, batches):
                optimizer = torch.optim.AdamW(model.parameters(), lr=1e-4)
                for batch in batches:
                    optimizer.zero_grad()
                    model(batch).backward()
            """
        },
        {
            "src/train.py": """
            import torch

            def advance(optimizer, loss):
                loss.backward()
                optimizer.zero_grad()

            def train(model, batches):
                optimizer = torch.optim.AdamW(model.parameters(), lr=1e-4)
                for batch in batches:
                    advance(optimizer, model(batch))
            """
        },
    )

    def check(self, subject: Subject) -> Iterator[Finding]:
        """Yield one finding for each optimizer."""
        aliases = subject.derived(Aliases)
        made = 0
        for module in subject.code:
            for call in module.calls("torch.optim.*"):
                if "lr_scheduler" in (module.dotted(call.func) or ""):
                    continue
                made += 1
                statement, function = module.parent(call), module.function_around(call)
                target = statement.targets[0] if isinstance(statement, ast.Assign) else None
                if function is None or not isinstance(target, ast.Name):
                    continue
                life = aliases.of(module, function, target.id)
                if self._never_steps(life):
                    yield self.at(
                        module,
                        call,
                        f"{target.id} is made and {target.id}.step() is called nowhere: the weights stay as they were",
                        f"call {target.id}.step() after backward()",
                    )
        if not made:
            raise NotApplicable("no torch optimizer is made")

    @staticmethod
    def _never_steps(life: Life) -> bool:
        used = {node.attr for _, node in life.attributes}
        return (
            bool(life.attributes or life.given)
            and not life.escapes
            and not life.calls
            and used <= _NO_STEP
            and all((to or "").startswith(_READERS) for _, _, to in life.given)
        )
