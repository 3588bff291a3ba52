"""GL402: a network with weights is fed with tensors of the device but is never moved there."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from greenlight.review.criteria import Criterion
from greenlight.review.engines.networks import Network, Networks, own_attribute
from greenlight.review.engines.value_flow import carries, derived_names
from greenlight.review.finding import Finding, Severity
from greenlight.review.module import Function, Module, parameters, walk
from greenlight.review.rule import NotApplicable, Rule
from greenlight.review.subject import Subject

_STOPS = frozenset({"item", "tolist", "numpy", "cpu"})
_MOVES = frozenset({"to", "cuda"})


class ModuleLeftOnCpu(Rule):
    """A second network next to the model stays on the CPU."""

    id = "GL402"
    name = "module-left-on-cpu"
    criterion = Criterion.MODEL
    severity = Severity.BLOCKER
    sentences = ("4.6",)
    summary = (
        "A network's weights stay on the CPU while its inputs are on the GPU, which raises at its first use there."
    )
    why = (
        "On a machine without a GPU everything is on the CPU and a trial passes; on the real one it ends in "
        "'Expected all "
        "tensors to be on the same device'. It happens to the small second network: planner, controller, probe."
    )
    remedy = "Move it where its inputs are, .to(device), before its optimizer is made."
    valid = (
        {
            "src/train.py": """
            import torch
            from torch import nn

            class Probe(nn.Module):
                def __init__(self):
                    super().__init__()
                    self.head = nn.Linear(8, 2)

                def forward(self, x):
                    return self.head(x)

            def train(model, loader):
                device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
                model.to(device)
                probe = Probe().to(device)
                for batch in loader:
                    hidden = model(batch["x"].to(device))
                    probe(hidden)
            """
        },
        {
            "src/train.py": """
            import torch
            from torch import nn

            class Probe(nn.Module):
                def __init__(self):
                    super().__init__()
                    self.head = nn.Linear(8, 2)

                def forward(self, x):
                    return self.head(x)

            def train(model, loader):
                device = torch.device("cuda")
                model.to(device)
                probe = Probe()
                for batch in loader:
                    hidden = model(batch["x"].to(device)).cpu()
                    probe(hidden)
            """
        },
    )
    invalid = (
        {
            "src/train.py": """
            import torch
            from torch import nn

            class Probe(nn.Module):
                def __init__(self):
                    super().__init__()
                    self.head = nn.Linear(8, 2)

                def forward(self, x):
                    return self.head(x)

            def train(model, loader):
                device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
                model.to(device)
                probe = Probe()
                optimizer = torch.optim.Adam(probe.parameters())
                for batch in loader:
                    hidden = model(batch["x"].to(device))
                    probe(hidden).sum().backward()
                    optimizer.step()
            """
        },
    )

    def check(self, subject: Subject) -> Iterator[Finding]:
        """Yield one finding for each network."""
        networks = subject.derived(Networks)
        if not any(network.learns for network in networks):
            raise NotApplicable("no network of the experiment's own has weights")
        if not any("cuda" in module.text for module in subject.code):
            return
        for module in subject.code:
            if any("default_device" in (dotted or "") for _, dotted in module._dotted_calls):
                return
            for function in module.functions:
                yield from self._in_function(subject, networks, module, function)

    def _in_function(
        self, subject: Subject, networks: Networks, module: Module, function: Function
    ) -> Iterator[Finding]:
        made: dict[str, tuple[Network, ast.Assign]] = {}
        for node in walk(function):
            if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
                network = networks.built_by(module, node.value)
                if network is not None and network.learns and module.function_around(node) is function:
                    made[node.targets[0].id] = (network, node)
        direct = self._moved(module, function) if made else set()
        if not direct:
            return
        moved = derived_names(module, function, direct, _STOPS) - made.keys()
        for name, (network, statement) in made.items():
            call = statement.value
            stays = isinstance(call, ast.Call) and networks.by_name.get(module.dotted(call.func) or "") is network
            if not stays or name in direct or self._minds_devices(network, call) or not network.plain:
                continue
            use = self._use_with(subject, module, function, name, network, moved)
            if use is not None:
                yield self.at(
                    module,
                    statement,
                    f"{network.node.name} is made on the CPU and never moved, but line {use.lineno} feeds it "
                    "tensors of "
                    "the device",
                    f"write {name} = {module.source(statement.value)}.to(device)",
                )

    @staticmethod
    def _moved(module: Module, function: Function) -> set[str]:
        """Return the names of a function that are moved to a device."""
        moved = set()
        for node in walk(function):
            if not (isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in _MOVES):
                continue
            given = ast.unparse(node.args[0]) if node.args else ""
            if node.func.attr == "to" and "device" not in given and "cuda" not in given:
                continue
            if isinstance(node.func.value, ast.Name):
                moved.add(node.func.value.id)
            statement = module.parent(node)
            if isinstance(statement, ast.Assign) and isinstance(statement.targets[0], ast.Name):
                moved.add(statement.targets[0].id)
        return moved

    @staticmethod
    def _minds_devices(network: Network, call: ast.AST) -> bool:
        """Return whether a class or the call that makes it says anything about devices."""
        for node in (*walk(network.node), *walk(call)):
            words = [
                w for w in (getattr(node, "attr", None), getattr(node, "id", None), getattr(node, "arg", None)) if w
            ]
            if any("device" in w or w in ("to", "cuda", "cpu", "to_empty") for w in words if isinstance(w, str)):
                return True
        return False

    def _use_with(
        self, subject: Subject, module: Module, function: Function, name: str, network: Network, moved: set[str]
    ) -> ast.Call | None:
        """Return a call that feeds a network with tensors of the device, unless its name goes elsewhere too."""
        use = None
        for node in walk(function):
            if not (isinstance(node, ast.Name) and node.id == name):
                continue
            around = module.parent(node)
            if isinstance(around, ast.Attribute):
                if around.attr in (*_MOVES, "load", "add_module", "prepare", "apply", "share_memory"):
                    return None
                call = module.parent(around)
                if isinstance(call, ast.Call) and call.func is around and use is None:
                    method = network.methods.get(around.attr)
                    if method is not None and self._mixes(subject, module, call, method, network, moved):
                        use = call
            elif isinstance(around, ast.Call) and around.func is node:
                method = network.methods.get("forward")
                if use is None and method is not None and self._mixes(subject, module, around, method, network, moved):
                    use = around
            elif isinstance(around, ast.Assign) and isinstance(node.ctx, ast.Store):
                if not (isinstance(around.value, ast.Constant) and around.value.value is None):
                    built = isinstance(around.value, ast.Call) and module.dotted(around.value.func) == network.dotted
                    if not built:
                        return None
            elif not isinstance(around, ast.Compare | ast.If):
                return None  # handed to someone who may move it
        return use

    def _mixes(
        self, subject: Subject, module: Module, call: ast.Call, method: Function, network: Network, moved: set[str]
    ) -> bool:
        """Return whether a method multiplies an argument that is on the device with the network's own weights."""
        names = [a.arg for a in method.args.args][1:]
        on_device = {
            name
            for name, given in zip(names, call.args, strict=False)
            if carries(given, moved, _STOPS) and self._stays_tensor(subject, module, given)
        }
        on_device |= {
            k.arg
            for k in call.keywords
            if k.arg is not None and carries(k.value, moved, _STOPS) and self._stays_tensor(subject, module, k.value)
        }
        inside = derived_names(network.module, method, on_device & {a.arg for a in parameters(method)}, _STOPS)
        return any(
            isinstance(n, ast.Call)
            and own_attribute(n.func) in network.layers
            and any(carries(a, inside, _STOPS) for a in n.args)
            for n in walk(method)
        )

    def _stays_tensor(self, subject: Subject, module: Module, node: ast.expr) -> bool:
        """Return whether the functions that an argument comes through hand on tensors where they are."""
        if isinstance(node, ast.Name):
            assigned = module.assigned(node)
            if assigned is None:
                return False
            node = assigned
        while (
            isinstance(node, ast.Call)
            and isinstance(node.func, ast.Attribute)
            and node.func.attr in ("detach", "float")
        ):
            node = node.func.value
        if isinstance(node, ast.Name | ast.Attribute | ast.Subscript):
            return True
        if not isinstance(node, ast.Call):
            return False
        dotted = module.dotted(node.func)
        found = subject.find(dotted) if dotted else None
        if found is None:
            return isinstance(node.func, ast.Name) or (isinstance(node.func, ast.Attribute) and node.func.attr == "to")
        words = {n.attr for n in walk(found[1]) if isinstance(n, ast.Attribute)}
        called = {n.func.id for n in walk(found[1]) if isinstance(n, ast.Call) and isinstance(n.func, ast.Name)}
        return not words & _STOPS and not called & {"float", "int"}
