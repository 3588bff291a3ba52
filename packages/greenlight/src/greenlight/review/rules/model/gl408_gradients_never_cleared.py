"""GL408: an optimizer steps in a loop and nothing ever clears the gradients."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from greenlight.review.criteria import Criterion
from greenlight.review.finding import Finding, Severity
from greenlight.review.module import Function, Module, walk
from greenlight.review.rule import NotApplicable, Rule
from greenlight.review.subject import Subject


class GradientsNeverCleared(Rule):
    """``backward`` and ``step`` in a loop without ``zero_grad``."""

    id = "GL408"
    name = "gradients-never-cleared"
    criterion = Criterion.MODEL
    severity = Severity.MAJOR
    sentences = ("4.6",)
    summary = "Gradients are never set to zero, so every step uses the sum of all gradients since the start."
    why = (
        "backward() adds to .grad. Without zero_grad() the step of iteration n follows the sum over n batches: "
        "the first "
        "steps look right, then the loss diverges."
    )
    remedy = "Call optimizer.zero_grad(set_to_none=True) after each optimizer step."
    valid = (
        {
            "src/train.py": """
            import torch

            def train(model, batches):
                optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
                for batch in batches:
                    optimizer.zero_grad()
                    model(batch).backward()
                    optimizer.step()
            """
        },
        {
            "src/train.py": """
            import torch

            def train(model, batches):
                optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
                for batch in batches:
                    for p in model.parameters():
                        p.grad = None
                    model(batch).backward()
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
                    loss.backward()
                    optimizer.step()
            """
        },
    )

    def check(self, subject: Subject) -> Iterator[Finding]:
        """Yield one finding, at the first step in a loop."""
        optimizers = [
            (m, c) for m in subject.code for c in m.calls("torch.optim.*") if "lr_scheduler" not in ast.unparse(c.func)
        ]
        if not optimizers:
            raise NotApplicable("no torch optimizer is made")
        if any(self._clears(module) for module in subject.code):
            return
        yield from self._step_after_loop(subject)
        for module in subject.code:
            for backward in module.method_calls("backward"):
                loop = next((a for a in module.ancestors(backward) if isinstance(a, ast.For | ast.While)), None)
                for call in walk(loop) if loop is not None else ():
                    if (
                        isinstance(call, ast.Call)
                        and isinstance(call.func, ast.Attribute)
                        and call.func.attr == "step"
                        and isinstance(call.func.value, ast.Name)
                        and "opt" in call.func.value.id.lower()
                    ):
                        yield self.at(
                            module,
                            call,
                            f"{call.func.value.id}.step() follows backward() in a loop, and zero_grad() is called "
                            "nowhere",
                            f"call {call.func.value.id}.zero_grad(set_to_none=True) after it",
                        )
                        return

    def _step_after_loop(self, subject: Subject) -> Iterator[Finding]:
        """Yield a step in a function that sends losses backward and is called again and again."""
        for module in subject.code:
            for function in module.functions:
                backward = [n for n in walk(function) if isinstance(n, ast.Attribute) and n.attr == "backward"]
                if not backward or not isinstance(module.parent(function), ast.Module):
                    continue
                for call in walk(function):
                    if not (
                        isinstance(call, ast.Call)
                        and isinstance(call.func, ast.Attribute)
                        and call.func.attr == "step"
                        and isinstance(call.func.value, ast.Name)
                        and "opt" in call.func.value.id.lower()
                    ):
                        continue
                    if self._is_in_loop(module, call) or not self._is_repeated(subject, module, function):
                        continue
                    yield self.at(
                        module,
                        call,
                        f"{function.name} is called in a loop, {call.func.value.id}.step() follows backward(), and "
                        "zero_grad() is called nowhere",
                        f"call {call.func.value.id}.zero_grad(set_to_none=True) after it",
                    )
                    return

    @staticmethod
    def _is_in_loop(module: Module, node: ast.AST) -> bool:
        return any(isinstance(a, ast.For | ast.While) for a in module.ancestors(node))

    def _is_repeated(self, subject: Subject, module: Module, function: Function) -> bool:
        """Return whether some call of a function stands in a loop."""
        name = f"{module.name}.{function.name}"
        return any(self._is_in_loop(other, call) for other in subject.code for call in other.calls(name))

    @staticmethod
    def _clears(module: Module) -> bool:
        """Return whether a file clears gradients in any way, or leaves the loop to a framework."""
        for node in module.nodes:
            if isinstance(node, ast.Attribute):
                if node.attr in ("zero_grad", "autograd", "manual_backward") or (
                    node.attr == "grad" and isinstance(node.ctx, ast.Store)
                ):
                    return True
                if node.attr == "zero_" and "grad" in ast.unparse(node.value):
                    return True
            if isinstance(node, ast.Constant) and node.value == "zero_grad":
                return True
        return False
