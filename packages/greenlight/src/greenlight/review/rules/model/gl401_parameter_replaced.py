"""GL401: an attribute that is an nn.Parameter is assigned a plain tensor."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from greenlight.review.criteria import Criterion
from greenlight.review.engines.networks import Network, Networks, own_attribute
from greenlight.review.finding import Finding, Severity
from greenlight.review.module import walk
from greenlight.review.rule import NotApplicable, Rule
from greenlight.review.subject import Subject

_TENSOR_METHODS = frozenset(
    [
        "detach",
        "clone",
        "mean",
        "sum",
        "add",
        "mul",
        "matmul",
        "view",
        "reshape",
        "clamp",
        "squeeze",
        "unsqueeze",
        "softmax",
    ]
)


class ParameterReplaced(Rule):
    """``self.state = self.cell(self.state)`` where ``self.state`` was registered as a parameter."""

    id = "GL401"
    name = "parameter-replaced"
    criterion = Criterion.MODEL
    severity = Severity.BLOCKER
    sentences = ("4.6",)
    summary = "A module attribute that is an nn.Parameter is assigned a plain tensor, which raises TypeError."
    why = (
        "torch.nn.Module refuses it: \"cannot assign 'torch.FloatTensor' as parameter 'h' (torch.nn.Parameter or None "
        'expected)". A state that changes from step to step is no parameter.'
    )
    remedy = "Register the state as a buffer, or write into the parameter under torch.no_grad() with copy_."
    valid = (
        {
            "src/model.py": """
            import torch
            from torch import nn

            class Memory(nn.Module):
                def __init__(self, size):
                    super().__init__()
                    self.scale = nn.Parameter(torch.ones(size))
                    self.register_buffer("state", torch.zeros(size))
                    self.cell = nn.Linear(size, size)

                def forward(self, x):
                    self.state = self.cell(self.state + x * self.scale).detach()
                    with torch.no_grad():
                        self.scale.copy_(self.scale.clamp(min=0))
                    return self.state
            """
        },
        {
            "src/model.py": """
            import torch
            from torch import nn

            class Growing(nn.Module):
                def __init__(self):
                    super().__init__()
                    self.atoms = nn.Parameter(torch.zeros(4, 8))

                def grow(self, more):
                    self.atoms = nn.Parameter(torch.cat([self.atoms.detach(), more]))
            """
        },
    )
    invalid = (
        {
            "src/model.py": """
            import torch
            from torch import nn

            class Memory(nn.Module):
                def __init__(self, size):
                    super().__init__()
                    self.state = nn.Parameter(torch.zeros(size))
                    self.cell = nn.Linear(size, size)

                def forward(self, x):
                    self.state = self.cell(self.state + x)
                    return self.state
            """
        },
        {
            "src/model.py": """
            import torch

            class Scale(torch.nn.Module):
                def __init__(self):
                    super().__init__()
                    self.log_scale = torch.nn.Parameter(torch.tensor(0.0))

                def decay(self, rate):
                    self.log_scale = self.log_scale * rate
            """
        },
    )

    def check(self, subject: Subject) -> Iterator[Finding]:
        """Yield one finding for each assignment."""
        networks = subject.derived(Networks)
        if not any(True for _ in networks):
            raise NotApplicable("no class derives from torch.nn.Module")
        for network in networks:
            for name in network.parameters:
                for method, value, statement in network.attributes.get(name, []):
                    if (
                        method.name != "__init__"
                        and self._is_tensor(network, value)
                        and not self._deleted(method, name)
                    ):
                        yield self.at(
                            network.module,
                            statement,
                            f"self.{name} is an nn.Parameter of {network.node.name} and is assigned a plain tensor: "
                            f"{network.module.source(value)}",
                            f'make it a buffer, self.register_buffer("{name}", ...), or change it in place with copy_',
                        )

    @staticmethod
    def _is_tensor(network: Network, value: ast.expr) -> bool:
        """Return whether an expression is a tensor that is no parameter, for sure."""
        if isinstance(value, ast.Name):
            assigned = network.module.assigned(value)
            return (
                assigned is not None
                and not isinstance(assigned, ast.Name)
                and ParameterReplaced._is_tensor(network, assigned)
            )
        if isinstance(value, ast.BinOp):
            return any(
                own_attribute(side) in network.parameters or ParameterReplaced._is_tensor(network, side)
                for side in (value.left, value.right)
            )
        if not isinstance(value, ast.Call):
            return False
        if own_attribute(value.func) in network.layers:
            return True
        dotted = network.module.dotted(value.func) or ""
        if dotted.startswith("torch.") and not dotted.startswith("torch.nn.") and dotted.count(".") == 1:
            return dotted.rpartition(".")[2][:1].islower()
        if isinstance(value.func, ast.Attribute) and value.func.attr in _TENSOR_METHODS:
            return own_attribute(value.func.value) in network.parameters
        return False

    @staticmethod
    def _deleted(method: ast.AST, name: str) -> bool:
        return any(isinstance(n, ast.Attribute) and n.attr == name and isinstance(n.ctx, ast.Del) for n in walk(method))
