"""GL406: gradients are read between backward and unscale_, while they are multiplied by the loss scale."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from greenlight.review.criteria import Criterion
from greenlight.review.finding import Finding, Severity
from greenlight.review.module import Function, Module, walk
from greenlight.review.rule import NotApplicable, Rule
from greenlight.review.rules.model.gl405_scaler_for_bfloat16 import SCALERS
from greenlight.review.subject import Subject


class GradientsReadWhileScaled(Rule):
    """Statistics of gradients are taken before ``scaler.unscale_``."""

    id = "GL406"
    name = "gradients-read-while-scaled"
    criterion = Criterion.MODEL
    severity = Severity.MAJOR
    sentences = ("4.6",)
    summary = "Gradients are read before scaler.unscale_, so what is computed from them is off by the loss scale."
    why = (
        "After scaler.scale(loss).backward() every gradient is 65536 times too large, later another power of two. A "
        "curvature from squared gradients was 1.5e4 instead of 3.4e-6, and the learning rate made from it was 0."
    )
    remedy = "Call scaler.unscale_(optimizer) right after backward, before anything reads a gradient."
    valid = (
        {
            "src/train.py": """
            import torch

            def train(model, optimizer, loss):
                scaler = torch.amp.GradScaler("cuda")
                scaler.scale(loss).backward()
                scaler.unscale_(optimizer)
                norm = sum(p.grad.norm() for p in model.parameters())
                scaler.step(optimizer)
                return norm
            """
        },
        {
            "src/train.py": """
            import torch

            def advance(model, optimizer, scaler, batches):
                for batch in batches:
                    scaler.scale(model(batch)).backward()
                scaler.unscale_(optimizer)
                norms = [p.grad.norm() for p in model.parameters()]
                scaler.step(optimizer)
                scaler.update()

            def main(model, optimizer, groups):
                scaler = torch.amp.GradScaler("cuda")
                for group in groups:
                    advance(model, optimizer, scaler, group)
            """
        },
    )
    invalid = (
        {
            "src/train.py": """
            import torch

            def sizes(model):
                return [p.grad.detach().abs().mean() for p in model.parameters() if p.grad is not None]

            def train(model, optimizer, loss):
                scaler = torch.amp.GradScaler("cuda")
                scaler.scale(loss).backward()
                found = sizes(model)
                scaler.unscale_(optimizer)
                torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
                scaler.step(optimizer)
                return found
            """
        },
        {
            "src/train.py": """
            import torch

            def advance(model, optimizer, scaler, batches):
                for batch in batches:
                    scaler.scale(model(batch)).backward()
                norms = [p.grad.norm() for p in model.parameters()]
                scaler.unscale_(optimizer)
                scaler.step(optimizer)
                scaler.update()

            def main(model, optimizer, groups):
                scaler = torch.amp.GradScaler("cuda")
                for group in groups:
                    advance(model, optimizer, scaler, group)
            """
        },
    )

    def check(self, subject: Subject) -> Iterator[Finding]:
        """Yield one finding for each place that reads them too early."""
        if not any(True for module in subject.code for _ in module.calls(*SCALERS)):
            raise NotApplicable("no GradScaler is made")
        for module in subject.code:
            if "unscale_" not in module.text:
                continue
            for function in module.functions:
                for block in blocks(function):
                    yield from self._in_block(subject, module, block)

    def _in_block(self, subject: Subject, module: Module, block: list[ast.stmt]) -> Iterator[Finding]:
        scaled = next((i for i, s in enumerate(block) if is_scaled_backward(s)), None)
        if scaled is None:
            return
        after = block[scaled + 1 :]
        until = next((i for i, s in enumerate(after) if calls_method(s, "unscale_")), None)
        if until is None:
            return
        for statement in after[:until]:
            for node in walk(statement):
                if self._reads(subject, module, node):
                    yield self.at(
                        module,
                        node,
                        f"{module.source(node)} reads gradients before unscale_ (line {after[until].lineno}): they are "
                        "multiplied by the loss scale",
                        "move scaler.unscale_(optimizer) before it",
                    )
                    break

    @staticmethod
    def _reads(subject: Subject, module: Module, node: ast.AST) -> bool:
        """Return whether a call goes to a function of the experiment that computes with ``.grad``."""
        if isinstance(node, ast.Attribute) and node.attr == "grad" and isinstance(node.ctx, ast.Load):
            around = module.parent(node)
            return isinstance(around, ast.Attribute | ast.BinOp)
        if not isinstance(node, ast.Call):
            return False
        dotted = module.dotted(node.func)
        found = subject.find(dotted) if dotted else None
        if found is None or not isinstance(found[1], ast.FunctionDef):
            return False
        home: Module = found[0]
        scaled = any(isinstance(n, ast.Name | ast.arg) and "scale" in ast.unparse(n) for n in walk(found[1]))
        return not scaled and any(
            isinstance(n, ast.Attribute)
            and n.attr == "grad"
            and isinstance(n.ctx, ast.Load)
            and isinstance(home.parent(n), ast.Attribute | ast.BinOp)
            for n in walk(found[1])
        )


def blocks(function: Function) -> Iterator[list[ast.stmt]]:
    """Yield every list of statements of a function."""
    for node in walk(function):
        for name in ("body", "orelse", "finalbody"):
            block = getattr(node, name, None)
            if isinstance(block, list) and block and isinstance(block[0], ast.stmt):
                yield block


def calls_method(statement: ast.AST, name: str) -> bool:
    """Return whether a statement calls a method of that name on anything."""
    return any(
        isinstance(n, ast.Call) and isinstance(n.func, ast.Attribute) and n.func.attr == name for n in walk(statement)
    )


def is_scaled_backward(statement: ast.stmt) -> bool:
    """Return whether a statement is ``scaler.scale(...).backward()``, or a loop over micro-batches that ends in it."""
    if isinstance(statement, ast.For):
        return not calls_method(statement, "unscale_") and any(is_scaled_backward(s) for s in statement.body)
    if not (isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Call)):
        return False
    func = statement.value.func
    return (
        isinstance(func, ast.Attribute)
        and func.attr == "backward"
        and isinstance(func.value, ast.Call)
        and isinstance(func.value.func, ast.Attribute)
        and func.value.func.attr == "scale"
    )
