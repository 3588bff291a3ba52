"""GL417: evaluation builds the graph for gradients."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from greenlight.review.criteria import Criterion
from greenlight.review.finding import Finding, Severity
from greenlight.review.module import Function, Module, walk
from greenlight.review.rule import NotApplicable, Rule
from greenlight.review.subject import Subject

_OFF = frozenset(
    {"no_grad", "inference_mode", "set_grad_enabled", "grad", "backward", "autograd", "requires_grad_", "generate"}
)


class EvaluationKeepsGradients(Rule):
    """``model.eval()`` without ``torch.no_grad()``."""

    id = "GL417"
    name = "evaluation-keeps-gradients"
    criterion = Criterion.MODEL
    severity = Severity.MINOR
    sentences = ("4.6",)
    summary = (
        "Evaluation runs without torch.no_grad(), so it keeps every activation for gradients that nobody asks for."
    )
    why = (
        "eval() changes dropout and batch norm, not autograd. Without no_grad() an evaluation needs as much memory as "
        "training; with the larger batches of evaluation it is where a run ends out of memory."
    )
    remedy = "Put the loop under torch.no_grad() or torch.inference_mode()."
    valid = (
        {
            "src/train.py": """
            import torch

            def score(model, loader):
                model.eval()
                with torch.no_grad():
                    return [model(batch).mean().item() for batch in loader]

            @torch.inference_mode()
            def other(model, loader):
                model.eval()
                return [model(batch).mean().item() for batch in loader]
            """
        },
        {
            "src/train.py": """
            import torch

            def score(model, loader):
                model.eval()
                return [model(batch).mean().item() for batch in loader]

            def train(model, loader):
                with torch.no_grad():
                    return score(model, loader)
            """
        },
    )
    invalid = (
        {
            "src/train.py": """
            import torch

            def score(model, loader):
                model.eval()
                right = 0
                for x, y in loader:
                    right += (model(x).argmax(-1) == y).sum().item()
                return right

            def train(model, loader, held_out):
                model.train()
                for x, y in loader:
                    torch.nn.functional.cross_entropy(model(x), y).backward()
                return score(model, held_out)
            """
        },
    )

    def check(self, subject: Subject) -> Iterator[Finding]:
        """Yield one finding for each function that only evaluates."""
        if not any(True for module in subject.code for _ in module.method_calls("eval")):
            raise NotApplicable("no model is put into eval mode")
        for module in subject.code:
            if any(True for _ in module.calls("torch.set_grad_enabled")):
                return
        for module in subject.code:
            if "torch" not in module.imports.values() and not any(
                v.startswith("torch.") for v in module.imports.values()
            ):
                continue
            for function in module.functions:
                found = self._evaluates(function)
                if found is not None and not self._called_without(subject, module, function):
                    yield self.at(
                        module,
                        found,
                        f"{function.name} evaluates the model without torch.no_grad(): {module.source(found)}",
                    )

    @staticmethod
    def _evaluates(function: Function) -> ast.Call | None:
        """Return the call of a model in a loop over a loader, in a function that has put it into eval mode."""
        nodes = list(walk(function))
        if any(isinstance(n, ast.Attribute) and n.attr in _OFF for n in nodes):
            return None
        if any(isinstance(n, ast.Name) and n.id in _OFF for n in nodes):
            return None
        if any(isinstance(n, ast.Attribute) and n.attr == "train" for n in nodes) or function.decorator_list:
            return None
        models = {
            n.func.value.id: n.lineno
            for n in nodes
            if isinstance(n, ast.Call)
            and isinstance(n.func, ast.Attribute)
            and n.func.attr == "eval"
            and isinstance(n.func.value, ast.Name)
            and not n.args
        }
        for loop in nodes:
            if isinstance(loop, ast.For) and "loader" in ast.unparse(loop.iter):
                for n in walk(loop):
                    if isinstance(n, ast.Call) and isinstance(n.func, ast.Name) and n.func.id in models:
                        return n if n.lineno > models[n.func.id] else None
        return None

    @staticmethod
    def _called_without(subject: Subject, module: Module, function: Function) -> bool:
        """Return whether a caller may have switched gradients off already, or is not known."""
        if not isinstance(module.parent(function), ast.Module):
            return True
        name = f"{module.name}.{function.name}"
        calls = [(m, c) for m in subject.code for c in m.calls(name)]
        for other, call in calls:
            for around in other.ancestors(call):
                if isinstance(around, ast.With) and any(
                    "grad" in ast.unparse(i) or "inference" in ast.unparse(i) for i in around.items
                ):
                    return True
                if isinstance(around, ast.FunctionDef) and around.decorator_list:
                    return True
        return not calls
