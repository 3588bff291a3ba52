"""GL409: gradients are cleared between backward and the optimizer's step."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from greenlight.review.criteria import Criterion
from greenlight.review.finding import Finding, Severity
from greenlight.review.module import Module, walk
from greenlight.review.rule import Rule
from greenlight.review.rules.model.gl406_gradients_read_while_scaled import blocks
from greenlight.review.subject import Subject


class GradientsClearedBeforeStep(Rule):
    """``loss.backward(); optimizer.zero_grad(); optimizer.step()``."""

    id = "GL409"
    name = "gradients-cleared-before-step"
    criterion = Criterion.MODEL
    severity = Severity.MAJOR
    sentences = ("4.6",)
    summary = "Gradients are cleared after backward and before the step, so the step changes nothing."
    why = (
        "zero_grad() between backward() and step() throws away what was just computed: the model never learns, "
        "silently."
    )
    remedy = "Clear the gradients before backward or after the step."
    valid = (
        {
            "src/train.py": """
            def train(model, optimizer, batches):
                for batch in batches:
                    optimizer.zero_grad()
                    model(batch).loss.backward()
                    optimizer.step()
            """
        },
    )
    invalid = (
        {
            "src/train.py": """
            def train(model, optimizer, batches):
                for batch in batches:
                    model(batch).loss.backward()
                    optimizer.zero_grad()
                    optimizer.step()
            """
        },
    )

    def check(self, subject: Subject) -> Iterator[Finding]:
        """Yield one finding for each block."""
        for module in subject.code:
            if "zero_grad" not in module.text or "backward" not in module.text:
                continue
            for function in module.functions:
                for block in blocks(function):
                    yield from self._in_block(module, block)

    def _in_block(self, module: Module, block: list[ast.stmt]) -> Iterator[Finding]:
        has_gradients = False
        cleared: dict[str, ast.Call] = {}
        for statement in block:
            call = statement.value if isinstance(statement, ast.Expr) else None
            if not (isinstance(call, ast.Call) and isinstance(call.func, ast.Attribute)):
                if any(isinstance(n, ast.Attribute) and n.attr == "backward" for n in walk(statement)):
                    has_gradients, cleared = True, {}
                continue
            name, owner = call.func.attr, ast.unparse(call.func.value)
            if name == "backward":
                has_gradients, cleared = True, {}
            elif name == "zero_grad" and has_gradients:
                cleared[owner] = call
            elif name == "step" and owner in cleared:
                yield self.at(
                    module,
                    cleared[owner],
                    f"{owner}.zero_grad() stands between backward() and {owner}.step(): the step changes nothing",
                    f"move it behind {owner}.step()",
                )
                cleared = {}
            elif name == "step":
                has_gradients = has_gradients and bool(cleared)
