"""GL112: a function of the experiment is called with arguments that it does not take."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from greenlight.review.criteria import Criterion
from greenlight.review.engines.own_code import Callee, OwnCode, refusal
from greenlight.review.finding import Finding, Severity
from greenlight.review.module import Module
from greenlight.review.rule import Rule
from greenlight.review.subject import Subject


class WrongArguments(Rule):
    """A call does not fit the parameters of the experiment's own function, class or method."""

    id = "GL112"
    name = "wrong-arguments"
    criterion = Criterion.COMPLETE
    severity = Severity.BLOCKER
    sentences = ("1.2", "1.3")
    summary = (
        "A call passes too many arguments, an unknown one, or not all that are needed, to the experiment's own code."
    )
    why = (
        "Files that were generated one after the other disagree about signatures. The call is a TypeError when it is "
        "reached, which for an evaluation is after the training."
    )
    remedy = "Make the call fit the parameters, or the parameters fit the call."
    valid = (
        {
            "src/model.py": """
                from torch import nn

                class Head(nn.Module):
                    def __init__(self, width, *, bias=True):
                        super().__init__()
                        self.linear = nn.Linear(width, 1, bias=bias)

                    def forward(self, x, mask=None):
                        return self.linear(x)

                def build(width, **options):
                    return Head(width, **options)
            """,
            "src/train.py": """
                from src.model import Head, build

                def train(batch, sizes, options):
                    head = Head(8, bias=False)
                    build(*sizes, **options)
                    return head(batch, mask=None), build(8, depth=3)
            """,
        },
    )
    invalid = (
        {
            "src/model.py": "def build(name, rank):\n    return name, rank\n",
            "src/train.py": "from src.model import build\n\nnet = build('tiny', rank=4, dropout=0.1)\n",
        },
        {
            "src/train.py": """
                class Meter:
                    def __init__(self, name):
                        self.name = name

                    def update(self, value, weight):
                        return value * weight

                def run(values):
                    meter = Meter("loss")
                    for value in values:
                        meter.update(value)
            """
        },
    )

    def check(self, subject: Subject) -> Iterator[Finding]:
        """Yield one finding for each such call."""
        own = subject.derived(OwnCode)
        for module in subject.code:
            for node in module.nodes:
                if not isinstance(node, ast.Call):
                    continue
                callee = own.callee(module, node)
                reason = refusal(callee, node) if callee is not None else None
                if callee is not None and reason is not None and not _is_expected(module, node):
                    yield self.at(
                        module,
                        node,
                        f"{callee.name} {reason}",
                        f"call it as {callee.name}({_shown(callee)})",
                    )


def _shown(callee: Callee) -> str:
    parts = ast.unparse(callee.function.args).split(", ")
    return ", ".join(parts[callee.filled :])


def _is_expected(module: Module, node: ast.AST) -> bool:
    """Return whether a TypeError of the call is caught."""
    for around in module.ancestors(node):
        if isinstance(around, ast.Try):
            for handler in around.handlers:
                if handler.type is not None and "TypeError" in ast.unparse(handler.type):
                    return True
    return False
