"""GL433: an optimizer steps and no loss is ever sent backward."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from greenlight.review.criteria import Criterion
from greenlight.review.engines.unseen import works_elsewhere
from greenlight.review.finding import Finding, Severity
from greenlight.review.module import Module
from greenlight.review.rule import NotApplicable, Rule
from greenlight.review.subject import Subject

_GRADIENTS = frozenset(
    [
        "backward",
        "manual_backward",
        "autograd",
        "grad",
        "_grad",
        "jvp",
        "vjp",
        "grad_and_value",
        "func",
        "functional_call",
    ]
)
_OF_OTHERS = frozenset(["Trainer", "SFTTrainer", "Seq2SeqTrainer", "LightningModule", "Engine"])


class NoBackward(Rule):
    """``optimizer.step()`` without ``loss.backward()``."""

    id = "GL433"
    name = "no-backward"
    criterion = Criterion.MODEL
    severity = Severity.BLOCKER
    sentences = ("4.6",)
    summary = "An optimizer steps, but no gradient is ever computed, so nothing is trained."
    why = (
        "Without backward() every .grad is None and the step passes over all parameters without a word. The loss curve "
        "then only shows the noise of the batches, and the reported score is that of the untrained model."
    )
    remedy = "Call loss.backward() before the optimizer's step."
    valid = (
        {
            "src/train.py": """
            import torch

            def train(model, batches):
                optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
                for batch in batches:
                    loss = model(batch)
                    loss.backward()
                    optimizer.step()
                    optimizer.zero_grad()
            """
        },
        {
            "src/train.py": """
            import torch

            def train(model, batches):
                optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
                weights = list(model.parameters())
                for batch in batches:
                    for weight, slope in zip(weights, torch.autograd.grad(model(batch), weights)):
                        weight.grad = slope
                    optimizer.step()
            """
        },
    )
    invalid = (
        {
            "src/train.py": """
            import torch

            def train(model, batches):
                optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
                for batch in batches:
                    loss = model(batch)
                    optimizer.step()
                    optimizer.zero_grad()
                    print(loss.item())
            """
        },
    )

    def check(self, subject: Subject) -> Iterator[Finding]:
        """Yield one finding, at the first step."""
        if not any("lr_scheduler" not in ast.unparse(c.func) for m in subject.code for c in m.calls("torch.optim.*")):
            raise NotApplicable("no torch optimizer is made")
        modules = tuple(subject.modules.values())
        if any(self._has_gradients(module) for module in modules) or works_elsewhere(subject, *modules):
            return
        for module in subject.code:
            for call in module.method_calls("step"):
                owner = call.func.value if isinstance(call.func, ast.Attribute) else None
                if isinstance(owner, ast.Name | ast.Attribute) and "opt" in ast.unparse(owner).lower():
                    yield self.at(
                        module,
                        call,
                        f"{module.source(call)} steps, and backward() is called nowhere: nothing is trained",
                        "call loss.backward() before it",
                    )
                    return

    @staticmethod
    def _has_gradients(module: Module) -> bool:
        """Return whether a file computes gradients in any way, or leaves that to somebody else."""
        if any(
            _GRADIENTS & set(name.split(".")) or name.rpartition(".")[2] in _OF_OTHERS
            for name in module.imports.values()
        ):
            return True
        return any(
            (isinstance(n, ast.Attribute) and n.attr in _GRADIENTS)
            or (isinstance(n, ast.Constant) and n.value in _GRADIENTS)
            for n in module.nodes
        )
