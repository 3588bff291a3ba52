"""GL413: probabilities are given to a loss that wants logits."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from greenlight.review.criteria import Criterion
from greenlight.review.finding import Finding, Severity
from greenlight.review.module import Module
from greenlight.review.rule import Rule
from greenlight.review.subject import Subject

# What a loss wants, by its function and class, and which function before it makes it wrong.
_LOSSES = {
    "torch.nn.functional.cross_entropy": "softmax",
    "torch.nn.CrossEntropyLoss": "softmax",
    "torch.nn.functional.binary_cross_entropy_with_logits": "sigmoid",
    "torch.nn.BCEWithLogitsLoss": "sigmoid",
}

_RESHAPING = frozenset(
    ["flatten", "view", "reshape", "transpose", "permute", "squeeze", "unsqueeze", "contiguous", "float", "to"]
)


class SoftmaxBeforeCrossEntropy(Rule):
    """Softmax (or sigmoid) is applied twice: once in the code, once inside of the loss."""

    id = "GL413"
    name = "softmax-before-cross-entropy"
    criterion = Criterion.MODEL
    severity = Severity.MAJOR
    sentences = ("4.6",)
    summary = "A loss that takes logits is given probabilities, so softmax or sigmoid is applied twice."
    why = (
        "cross_entropy applies log_softmax itself. On probabilities in [0, 1] it can hardly tell classes apart: "
        "its loss "
        "stays near log(classes), gradients are small, and the model trains slowly and badly without an error."
    )
    remedy = "Give the loss the logits, and apply softmax only where probabilities are reported."
    valid = (
        {
            "src/train.py": """
            import torch.nn.functional as F

            def step(model, x, y):
                logits = model(x)
                return F.cross_entropy(logits, y), F.softmax(logits, dim=-1)
            """
        },
        {
            "src/train.py": """
            import torch.nn.functional as F

            def distil(student, teacher, x):
                return F.cross_entropy(student(x), F.softmax(teacher(x), dim=-1))
            """
        },
    )
    invalid = (
        {
            "src/train.py": """
            import torch
            import torch.nn.functional as F

            def step(model, x, y):
                probabilities = torch.softmax(model(x), dim=-1)
                return F.cross_entropy(probabilities, y)
            """
        },
        {
            "src/train.py": """
            import torch
            from torch import nn

            def train(model, batches):
                criterion = nn.BCEWithLogitsLoss()
                for x, y in batches:
                    criterion(torch.sigmoid(model(x)), y).backward()
            """
        },
    )

    def check(self, subject: Subject) -> Iterator[Finding]:
        """Yield one finding for each loss."""
        for module in subject.code:
            for node in module.nodes:
                if not isinstance(node, ast.Call) or not node.args:
                    continue
                wrong = self._wants_logits(module, node.func)
                if wrong is None:
                    continue
                before = self._origin(module, node.args[0])
                if self._is_call_of(module, before, wrong):
                    yield self.at(
                        module,
                        node,
                        f"{module.source(node.func)} takes logits and is given {wrong} of them: "
                        f"{module.source(before)}",
                        f"give it the logits, without {wrong}",
                    )

    @staticmethod
    def _origin(module: Module, node: ast.expr) -> ast.expr:
        """Return what a tensor is before it was only reshaped, cut or given a name."""
        for _ in range(12):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in _RESHAPING:
                node = node.func.value
            elif isinstance(node, ast.Subscript):
                node = node.value
            elif isinstance(node, ast.Name) and (assigned := module.assigned(node)) is not None:
                node = assigned
            else:
                break
        return node

    @staticmethod
    def _wants_logits(module: Module, func: ast.expr) -> str | None:
        dotted = module.dotted(func) or ""
        if dotted in _LOSSES and dotted.rpartition(".")[2][:1].islower():
            return _LOSSES[dotted]
        made: ast.AST | None = func
        if isinstance(func, ast.Name):
            made = module.assigned(func)
        if isinstance(made, ast.Call):
            return _LOSSES.get(module.dotted(made.func) or "")
        return None

    @staticmethod
    def _is_call_of(module: Module, node: ast.AST, name: str) -> bool:
        if not isinstance(node, ast.Call):
            return False
        dotted = module.dotted(node.func) or ""
        if dotted in (f"torch.{name}", f"torch.nn.functional.{name}"):
            return True
        return isinstance(node.func, ast.Attribute) and node.func.attr == name and not dotted
