"""GL427: a layer, parameter or buffer is registered and never used."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from greenlight.review.criteria import Criterion
from greenlight.review.engines.networks import Network, Networks, own_attribute
from greenlight.review.finding import Finding, Severity
from greenlight.review.module import walk
from greenlight.review.rule import NotApplicable, Rule
from greenlight.review.subject import Subject

_WALKS = frozenset(
    [
        "children",
        "modules",
        "named_children",
        "named_modules",
        "_modules",
        "_parameters",
        "_buffers",
        "__dict__",
        "get_submodule",
        "get_parameter",
        "get_buffer",
        "named_parameters",
        "named_buffers",
        "buffers",
    ]
)


class LayerNeverUsed(Rule):
    """A part of a network takes no part in what it computes."""

    id = "GL427"
    name = "layer-never-used"
    criterion = Criterion.MODEL
    severity = Severity.MINOR
    sentences = ("4.6", "4.2")
    summary = "A layer, parameter or buffer is made and never used, so the network is not the one described."
    why = (
        "It counts as weights, is saved and moved, and gets no gradient (DistributedDataParallel raises over "
        "that). Mostly "
        "it is what is left of a part of the method that was never written."
    )
    remedy = "Use it in the forward pass, or remove it."
    valid = (
        {
            "src/model.py": """
            import torch
            from torch import nn

            class Head(nn.Module):
                def __init__(self):
                    super().__init__()
                    self.inner = nn.Linear(8, 8)
                    self.register_buffer("scale", torch.ones(8))

                def forward(self, x):
                    return self.inner(x) * self.scale
            """
        },
        {
            "src/model.py": """
            from torch import nn

            class Stack(nn.Module):
                def __init__(self):
                    super().__init__()
                    self.a = nn.Linear(8, 8)
                    self.b = nn.Linear(8, 8)

                def forward(self, x):
                    for layer in self.children():
                        x = layer(x)
                    return x
            """
        },
    )
    invalid = (
        {
            "src/model.py": """
            from torch import nn

            class Head(nn.Module):
                def __init__(self):
                    super().__init__()
                    self.inner = nn.Linear(8, 8)
                    self.gate = nn.Linear(8, 1)

                def forward(self, x):
                    return self.inner(x)
            """
        },
        {
            "src/model.py": """
            import torch
            from torch import nn

            class Planner(nn.Module):
                def __init__(self):
                    super().__init__()
                    self.head = nn.Linear(4, 1)
                    self.register_buffer("peak", torch.tensor(1.0))

                def forward(self, x):
                    return self.head(x)
            """
        },
    )

    def check(self, subject: Subject) -> Iterator[Finding]:
        """Yield one finding for each part."""
        networks = subject.derived(Networks)
        if not any(True for _ in networks):
            raise NotApplicable("no class derives from torch.nn.Module")
        read: set[str] = set()
        for module in subject.modules.values():
            for node in module.nodes:
                if isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Load):
                    read.add(node.attr)
                elif isinstance(node, ast.Constant) and isinstance(node.value, str):
                    around = module.parent(node)
                    registering = isinstance(around, ast.Call) and getattr(around.func, "attr", "").startswith(
                        "register_"
                    )
                    if not registering:
                        read.add(node.value)
        for network in networks:
            if not network.plain or self._walks(network):
                continue
            for kind, parts in (
                ("layer", network.layers),
                ("parameter", network.parameters),
                ("buffer", network.buffers),
            ):
                for name, node in parts.items():
                    if name not in read:
                        yield self.at(
                            network.module,
                            node,
                            f"{kind} {network.node.name}.{name} is made and never used",
                            f"use self.{name} in {network.node.name}, or remove it",
                        )

    @staticmethod
    def _walks(network: Network) -> bool:
        """Return whether a class reaches its parts in another way than by name."""
        for node in walk(network.node):
            if own_attribute(node) in _WALKS:
                return True
            if isinstance(node, ast.Name) and node.id in ("getattr", "vars", "setattr"):
                return True
        return False
