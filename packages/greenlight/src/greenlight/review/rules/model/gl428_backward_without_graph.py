"""GL428: backward is called on a value that has left the graph."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from greenlight.review.criteria import Criterion
from greenlight.review.finding import Finding, Severity
from greenlight.review.module import Module, walk
from greenlight.review.rule import Rule
from greenlight.review.subject import Subject

_DETACHING = frozenset({"detach", "item", "tolist", "numpy"})


class BackwardWithoutGraph(Rule):
    """``torch.tensor(loss).backward()``, ``loss.detach().backward()``, or backward under ``no_grad``."""

    id = "GL428"
    name = "backward-without-graph"
    criterion = Criterion.MODEL
    severity = Severity.BLOCKER
    sentences = ("4.6",)
    summary = "backward() is called on a value that has no graph, which raises at the first step."
    why = (
        "A tensor made anew, detached, or computed under no_grad() depends on nothing: 'element 0 of tensors does not "
        "require grad and does not have a grad_fn'."
    )
    remedy = "Call backward() on the loss that the model's output was used for."
    valid = (
        {
            "src/train.py": """
            import torch

            def step(model, x):
                loss = model(x).mean()
                loss.backward()
                penalty = torch.tensor(0.0, requires_grad=True)
                penalty.backward()
                return loss.detach()
            """
        },
    )
    invalid = (
        {
            "src/train.py": """
            import torch

            def step(model, x):
                value = model(x).mean().item()
                loss = torch.tensor(value)
                loss.backward()
            """
        },
        {
            "src/train.py": """
            import torch

            def step(model, x):
                with torch.no_grad():
                    loss = model(x).mean()
                    loss.backward()
            """
        },
    )

    def check(self, subject: Subject) -> Iterator[Finding]:
        """Yield one finding for each call of backward."""
        for module in subject.code:
            for call in module.method_calls("backward"):
                if not isinstance(call.func, ast.Attribute) or module.dotted(call.func) is not None:
                    continue
                value: ast.AST | None = call.func.value
                if isinstance(value, ast.Name):
                    value = module.assigned(value)
                reason = self._reason(module, value) or self._under_no_grad(module, call, value)
                if reason is not None:
                    name = module.source(call.func.value)
                    yield self.at(module, call, f"{name} has no graph to go backward through: {reason}")

    @staticmethod
    def _reason(module: Module, value: ast.AST | None) -> str | None:
        if not isinstance(value, ast.Call):
            return None
        if module.dotted(value.func) == "torch.tensor" and not any(
            k.arg in ("requires_grad", None) for k in value.keywords
        ):
            return module.source(value)
        if isinstance(value.func, ast.Attribute) and value.func.attr in _DETACHING and not value.args:
            return module.source(value)
        return None

    @staticmethod
    def _under_no_grad(module: Module, call: ast.Call, value: ast.AST | None) -> str | None:
        """Return why not, where both the loss and its backward stand in the same ``with torch.no_grad()``."""
        if not isinstance(value, ast.Call):
            return None
        inside = list(module.ancestors(value))
        for around in module.ancestors(call):
            if isinstance(around, ast.FunctionDef):
                return None
            if isinstance(around, ast.With) and around in inside:
                for item in around.items:
                    given = item.context_expr
                    dotted = module.dotted(given.func) if isinstance(given, ast.Call) else None
                    if dotted in ("torch.no_grad", "torch.inference_mode"):
                        nested = any(
                            isinstance(n, ast.Attribute) and n.attr in ("enable_grad", "set_grad_enabled")
                            for n in walk(around)
                        )
                        return None if nested else f"it is computed under {dotted}()"
        return None
