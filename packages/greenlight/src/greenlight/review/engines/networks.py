"""The classes of an experiment that are torch modules, and what their attributes are."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from greenlight.review.module import Function, Module, walk
from greenlight.review.subject import Subject

_BASE = frozenset({"torch.nn.Module", "torch.nn.modules.module.Module"})
_WITH_PARAMETERS = frozenset(
    [
        "Linear",
        "Bilinear",
        "Conv1d",
        "Conv2d",
        "Conv3d",
        "ConvTranspose1d",
        "ConvTranspose2d",
        "ConvTranspose3d",
        "RNN",
        "LSTM",
        "GRU",
        "RNNCell",
        "LSTMCell",
        "GRUCell",
        "Embedding",
        "EmbeddingBag",
        "MultiheadAttention",
        "Transformer",
        "TransformerEncoderLayer",
        "TransformerDecoderLayer",
        "BatchNorm1d",
        "BatchNorm2d",
        "BatchNorm3d",
        "LayerNorm",
        "GroupNorm",
        "PReLU",
    ]
)


@dataclass
class Network:
    """One class derived from ``torch.nn.Module``.

    Attributes
    ----------
    module, node
        Where it stands.
    plain
        Whether all its bases are ``torch.nn.Module`` or networks of the experiment, so that nothing else reads it.
    attributes
        Every expression assigned to ``self.NAME``, with the method it stands in.
    parameters, layers, buffers
        Names of attributes by what they hold for sure: ``nn.Parameter``, another module, a registered buffer.
    """

    module: Module
    node: ast.ClassDef
    plain: bool
    methods: Mapping[str, Function]
    attributes: dict[str, list[tuple[Function, ast.expr, ast.stmt]]] = field(default_factory=dict)
    parameters: dict[str, ast.AST] = field(default_factory=dict)
    layers: dict[str, ast.AST] = field(default_factory=dict)
    buffers: dict[str, ast.AST] = field(default_factory=dict)
    learns: bool = False

    @property
    def dotted(self) -> str:
        """The full name of the class, ``src.model.Planner``."""
        return f"{self.module.name}.{self.node.name}"


class Networks:
    """All networks by full dotted name.

    Parameters
    ----------
    subject
        The experiment.
    """

    def __init__(self, subject: Subject) -> None:
        self.by_name: dict[str, Network] = {}
        candidates = [
            (module, node) for module in subject.code for node in module.classes if node in module.top_level.values()
        ]
        known = len(self.by_name) - 1
        while known != len(self.by_name):  # a network may derive from one that stands further down
            known = len(self.by_name)
            for module, node in candidates:
                bases = [module.dotted(base) for base in node.bases]
                own = [b for b in bases if b in _BASE or b in self.by_name]
                if own and f"{module.name}.{node.name}" not in self.by_name:
                    methods = {n.name: n for n in node.body if isinstance(n, ast.FunctionDef | ast.AsyncFunctionDef)}
                    network = Network(module, node, len(own) == len(bases) and not node.keywords, methods)
                    self.by_name[network.dotted] = network
        for network in self.by_name.values():
            self._read(network)
        for _ in self.by_name:  # learning is passed up from layers of the experiment's own
            for network in self.by_name.values():
                network.learns = network.learns or any(self._learns(network.module, n) for n in network.layers.values())

    def __iter__(self) -> Iterator[Network]:
        return iter(self.by_name.values())

    def built_by(self, module: Module, node: ast.AST | None) -> Network | None:
        """Return the network that an expression such as ``Planner(16)`` or ``Planner(16).to(device)`` makes."""
        while isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in _FLUENT:
            node = node.func.value
        return self.by_name.get(module.dotted(node.func) or "") if isinstance(node, ast.Call) else None

    def _read(self, network: Network) -> None:
        module = network.module
        for method in network.methods.values():
            for node in walk(method):
                if isinstance(node, ast.Assign | ast.AnnAssign) and node.value is not None:
                    targets = node.targets if isinstance(node, ast.Assign) else [node.target]
                    for target in targets:
                        name = own_attribute(target)
                        if name is not None:
                            network.attributes.setdefault(name, []).append((method, node.value, node))
                elif (
                    isinstance(node, ast.Call)
                    and own_attribute(node.func) in _REGISTERING
                    and node.args
                    and isinstance(node.args[0], ast.Constant)
                    and isinstance(node.args[0].value, str)
                ):
                    kind = own_attribute(node.func)
                    kept = network.buffers if kind == "register_buffer" else network.parameters
                    kept = network.layers if kind in ("add_module", "register_module") else kept
                    kept[node.args[0].value] = node
        for name, assigned in network.attributes.items():
            method, value, _ = assigned[0]
            if method.name != "__init__" or not isinstance(value, ast.Call):
                continue
            dotted = module.dotted(value.func) or ""
            if dotted in ("torch.nn.Parameter", "torch.nn.parameter.Parameter"):
                network.parameters[name] = value
            elif (dotted.startswith("torch.nn.") and dotted.rpartition(".")[2][:1].isupper()) or dotted in self.by_name:
                network.layers[name] = value
        network.learns = bool(network.parameters)

    def _learns(self, module: Module, node: ast.AST) -> bool:
        for call in walk(node):
            if isinstance(call, ast.Call):
                dotted = module.dotted(call.func) or ""
                if dotted.startswith("torch.nn.") and dotted.rpartition(".")[2] in _WITH_PARAMETERS:
                    return True
                if dotted in self.by_name and self.by_name[dotted].learns:
                    return True
        return False


_FLUENT = frozenset({"to", "cuda", "cpu", "float", "half", "bfloat16", "double", "train", "eval", "requires_grad_"})
_REGISTERING = frozenset({"register_buffer", "register_parameter", "add_module", "register_module"})


def own_attribute(node: ast.AST) -> str | None:
    """Return ``name`` for the expression ``self.name``; None for any other."""
    if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "self":
        return node.attr
    return None
