"""GL439: a tensor is moved to the device and the result is thrown away."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from greenlight.review.criteria import Criterion
from greenlight.review.finding import Finding, Severity
from greenlight.review.module import Module
from greenlight.review.rule import Rule
from greenlight.review.subject import Subject

_MAKES_TENSOR = frozenset(
    f"torch.{name}"
    for name in ("tensor", "zeros", "ones", "randn", "rand", "arange", "stack", "cat", "full", "randint")
)


class MoveThrownAway(Rule):
    """``x.to(device)`` as a statement of its own, where ``x`` is a tensor."""

    id = "GL439"
    name = "move-thrown-away"
    criterion = Criterion.MODEL
    severity = Severity.BLOCKER
    sentences = ("4.6",)
    summary = (
        "A tensor's .to(device) is not assigned, so the tensor stays where it was and the next step raises on a GPU."
    )
    why = (
        "A module moves in place; a tensor's .to() returns a new tensor and leaves the old one. On the CPU nothing "
        "happens, on a GPU it is 'Expected all tensors to be on the same device'."
    )
    remedy = "Assign it: x = x.to(device)."
    valid = (
        {
            "src/train.py": """
            import torch
            from torch.utils.data import DataLoader

            def train(model, data, device):
                model.to(device)
                weights = torch.ones(3).to(device)
                for x, y in DataLoader(data, shuffle=True):
                    x, y = x.to(device), y.to(device)
                    model(x, y, weights)
            """
        },
    )
    invalid = (
        {
            "src/train.py": """
            import torch

            def train(model, device):
                weights = torch.ones(3)
                weights.to(device)
                return model(weights)
            """
        },
        {
            "src/train.py": """
            from torch.utils.data import DataLoader, TensorDataset

            def train(model, a, b, device):
                loader = DataLoader(TensorDataset(a, b), shuffle=True)
                for x, y in loader:
                    x.to(device)
                    y.to(device)
                    model(x, y)
            """
        },
    )

    def check(self, subject: Subject) -> Iterator[Finding]:
        """Yield one finding for each statement."""
        for module in subject.code:
            for node in module.nodes:
                call = node.value if isinstance(node, ast.Expr) else None
                if not (
                    isinstance(call, ast.Call)
                    and isinstance(call.func, ast.Attribute)
                    and call.func.attr in ("to", "cuda")
                    and isinstance(call.func.value, ast.Name)
                ):
                    continue
                name = call.func.value
                if self._is_tensor(module, name):
                    source = module.source(call)
                    yield self.at(
                        module,
                        call,
                        f"{source} returns a new tensor, which is thrown away: {name.id} stays where it was",
                        f"write {name.id} = {source}",
                    )

    @staticmethod
    def _is_tensor(module: Module, name: ast.Name) -> bool:
        assigned = module.assigned(name)
        if isinstance(assigned, ast.Call) and module.dotted(assigned.func) in _MAKES_TENSOR:
            return True
        for around in module.ancestors(name):
            if not (isinstance(around, ast.For) and isinstance(around.target, ast.Tuple)):
                continue
            if not any(isinstance(e, ast.Name) and e.id == name.id for e in around.target.elts):
                continue
            loader = _made(module, around.iter)
            if loader is None or module.dotted(loader.func) != "torch.utils.data.DataLoader":
                return False
            data = _made(module, loader.args[0]) if loader.args else None
            return data is not None and module.dotted(data.func) == "torch.utils.data.TensorDataset"
        return False


def _made(module: Module, node: ast.expr) -> ast.Call | None:
    """Return the call that an expression is, or that its name was assigned."""
    found: ast.AST | None = module.assigned(node) if isinstance(node, ast.Name) else node
    return found if isinstance(found, ast.Call) else None
