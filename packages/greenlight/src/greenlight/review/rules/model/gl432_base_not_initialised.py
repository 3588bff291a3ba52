"""GL432: a module's __init__ does not call that of torch.nn.Module."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from greenlight.review.criteria import Criterion
from greenlight.review.engines.networks import Networks
from greenlight.review.finding import Finding, Severity
from greenlight.review.module import walk
from greenlight.review.rule import NotApplicable, Rule
from greenlight.review.subject import Subject


class BaseNotInitialised(Rule):
    """``super().__init__()`` is missing, or comes after the first layer."""

    id = "GL432"
    name = "base-not-initialised"
    criterion = Criterion.MODEL
    severity = Severity.BLOCKER
    sentences = ("4.6",)
    summary = "A module makes its first layer before super().__init__() is called, which raises AttributeError."
    why = "torch says 'cannot assign module before Module.__init__() call', and the class cannot be made at all."
    remedy = "Call super().__init__() in the first line of __init__."
    valid = (
        {
            "src/model.py": """
            from torch import nn

            class Head(nn.Module):
                def __init__(self):
                    super().__init__()
                    self.inner = nn.Linear(8, 8)

            class Other(nn.Module):
                def __init__(self):
                    nn.Module.__init__(self)
                    self.inner = nn.Linear(8, 8)
            """
        },
    )
    invalid = (
        {
            "src/model.py": """
            from torch import nn

            class Head(nn.Module):
                def __init__(self, size):
                    self.size = size
                    self.inner = nn.Linear(size, size)
            """
        },
        {
            "src/model.py": """
            from torch import nn

            class Head(nn.Module):
                def __init__(self, size):
                    self.inner = nn.Linear(size, size)
                    super().__init__()
            """
        },
    )

    def check(self, subject: Subject) -> Iterator[Finding]:
        """Yield one finding for each class."""
        networks = subject.derived(Networks)
        if not any(True for _ in networks):
            raise NotApplicable("no class derives from torch.nn.Module")
        for network in networks:
            method = network.methods.get("__init__")
            if method is None or method.decorator_list:
                continue
            first = min(
                (
                    statement.lineno
                    for name in (*network.layers, *network.parameters)
                    for where, _, statement in network.attributes.get(name, [])
                    if where is method
                ),
                default=None,
            )
            calls = [
                n.lineno
                for n in walk(method)
                if isinstance(n, ast.Call) and isinstance(n.func, ast.Attribute) and n.func.attr == "__init__"
            ]
            if first is not None and (not calls or min(calls) > first):
                yield self.on(
                    network.module,
                    first,
                    f"{network.node.name} makes a layer before super().__init__() is called",
                    "write super().__init__() as the first line of __init__",
                )
