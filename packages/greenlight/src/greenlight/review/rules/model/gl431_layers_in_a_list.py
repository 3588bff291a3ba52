"""GL431: layers are kept in a plain list or dictionary."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from greenlight.review.criteria import Criterion
from greenlight.review.engines.networks import Networks
from greenlight.review.finding import Finding, Severity
from greenlight.review.module import Module, walk
from greenlight.review.rule import NotApplicable, Rule
from greenlight.review.subject import Subject


class LayersInAList(Rule):
    """``self.layers = [nn.Linear(...) for ...]``."""

    id = "GL431"
    name = "layers-in-a-list"
    criterion = Criterion.MODEL
    severity = Severity.MAJOR
    sentences = ("4.6",)
    summary = "Layers stand in a plain list or dictionary, so the module does not know them and they are never trained."
    why = (
        "torch registers modules that are attributes, not what a list holds: parameters() leaves them out, the "
        "optimizer "
        "never sees them, .to(device) leaves them on the CPU, and state_dict does not save them."
    )
    remedy = "Use nn.ModuleList or nn.ModuleDict (nn.ParameterList for parameters)."
    valid = (
        {
            "src/model.py": """
            from torch import nn

            class Stack(nn.Module):
                def __init__(self, depth):
                    super().__init__()
                    self.layers = nn.ModuleList([nn.Linear(8, 8) for _ in range(depth)])
                    layers = [nn.Linear(8, 8), nn.ReLU()]
                    self.net = nn.Sequential(*layers)
            """
        },
        {
            "src/model.py": """
            from torch import nn

            class Stack(nn.Module):
                def __init__(self, depth):
                    super().__init__()
                    self.parts = [nn.Linear(8, 8) for _ in range(depth)]
                    self.net = nn.Sequential(*self.parts)
            """
        },
    )
    invalid = (
        {
            "src/model.py": """
            from torch import nn

            class Stack(nn.Module):
                def __init__(self, depth):
                    super().__init__()
                    self.layers = [nn.Linear(8, 8) for _ in range(depth)]

                def forward(self, x):
                    for layer in self.layers:
                        x = layer(x)
                    return x
            """
        },
    )

    def check(self, subject: Subject) -> Iterator[Finding]:
        """Yield one finding for each attribute."""
        networks = subject.derived(Networks)
        if not any(True for _ in networks):
            raise NotApplicable("no class derives from torch.nn.Module")
        for network in networks:
            for name, assigned in network.attributes.items():
                _, value, statement = assigned[0]
                if len(assigned) != 1 or not self._holds_layers(network.module, networks, value):
                    continue
                if self._handed_on(network.module, network.node, name):
                    continue
                keyed = isinstance(value, ast.Dict | ast.DictComp)
                kind, plain = ("ModuleDict", "dict") if keyed else ("ModuleList", "list")
                yield self.at(
                    network.module,
                    statement,
                    f"self.{name} of {network.node.name} is a plain {plain} of layers: they are not "
                    "registered and never trained",
                    f"write self.{name} = nn.{kind}(...)",
                )

    @staticmethod
    def _holds_layers(module: Module, networks: Networks, value: ast.expr) -> bool:
        if isinstance(value, ast.ListComp):
            items: list[ast.expr] = [value.elt]
        elif isinstance(value, ast.DictComp):
            items = [value.value]
        elif isinstance(value, ast.List | ast.Tuple):
            items = list(value.elts)
        elif isinstance(value, ast.Dict):
            items = list(value.values)
        else:
            return False
        for item in items:
            if isinstance(item, ast.Call):
                dotted = module.dotted(item.func) or ""
                network = networks.by_name.get(dotted)
                if (network is not None and network.learns) or dotted in (
                    "torch.nn.Linear",
                    "torch.nn.Conv1d",
                    "torch.nn.Conv2d",
                    "torch.nn.Embedding",
                    "torch.nn.LSTM",
                    "torch.nn.GRU",
                    "torch.nn.LayerNorm",
                    "torch.nn.Sequential",
                ):
                    return True
        return False

    @staticmethod
    def _handed_on(module: Module, owner: ast.ClassDef, name: str) -> bool:
        """Return whether the list is given to a call that may register what it holds."""
        for node in walk(owner):
            if isinstance(node, ast.Attribute) and node.attr == name and isinstance(node.ctx, ast.Load):
                around = module.parent(node)
                if isinstance(around, ast.Starred | ast.Call):
                    return not (
                        isinstance(around, ast.Call)
                        and isinstance(around.func, ast.Name)
                        and around.func.id in ("enumerate", "zip", "len", "reversed")
                    )
            if isinstance(node, ast.Attribute) and node.attr in ("add_module", "register_module", "register_parameter"):
                return True
        return False
