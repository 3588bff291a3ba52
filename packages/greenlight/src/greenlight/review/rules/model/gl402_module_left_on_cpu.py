"""GL402: a network with weights is fed with tensors of the device but is never moved there."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from greenlight.review.criteria import Criterion
from greenlight.review.engines.aliases import Aliases
from greenlight.review.engines.checkpoints import Checkpoints
from greenlight.review.engines.devices import (
    LEAVES_DEVICE,
    is_made_there,
    minds_devices,
    moved_names,
    names_on_device,
    stays,
    stays_tensor,
)
from greenlight.review.engines.networks import Network, Networks, own_attribute
from greenlight.review.engines.value_flow import carries, derived_names
from greenlight.review.finding import Edit, Finding, Severity
from greenlight.review.module import Function, Module, has_open_arguments, parameters, walk
from greenlight.review.rule import NotApplicable, Rule
from greenlight.review.subject import Subject

_PLACING = frozenset({"device_map", "quantization_config", "load_in_8bit", "load_in_4bit", "device"})
_WRAPPING = ("peft.get_peft_model",)


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
        {
            "src/model.py": """
            from transformers import AutoModel

            def build(name):
                model = AutoModel.from_pretrained(name, cache_dir=".cache")
                model.train()
                return model.to("cuda")
            """,
            "src/train.py": """
            import torch
            from src.model import build

            def train(cfg, batches):
                device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
                model = build(cfg.model.name)
                for batch in batches:
                    inputs = {key: value.to(device) for key, value in batch.items()}
                    model(**inputs).loss.backward()
            """,
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
        {
            "src/model.py": """
            from transformers import AutoModel

            def build(name):
                model = AutoModel.from_pretrained(name, cache_dir=".cache")
                model.train()
                return model
            """,
            "src/train.py": """
            import torch
            from src.model import build

            def train(cfg, batches):
                device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
                model = build(cfg.model.name)
                for batch in batches:
                    inputs = {key: value.to(device) for key, value in batch.items()}
                    model(**inputs).loss.backward()
            """,
        },
    )

    def check(self, subject: Subject) -> Iterator[Finding]:
        """Yield one finding for each network."""
        networks = subject.derived(Networks)
        if not any(network.learns for network in networks) and not subject.derived(Checkpoints).models:
            raise NotApplicable("no network with weights is made or loaded")
        if not any("cuda" in module.text for module in subject.code):
            return
        for module in subject.code:
            if any("default_device" in (dotted or "") for _, dotted in module._dotted_calls):
                return
            if any(isinstance(module.parent(c), ast.withitem) for c in module.calls("torch.device")):
                return
        yield from self._pretrained(subject)
        for module in subject.code:
            for function in module.functions:
                yield from self._in_function(subject, networks, module, function)

    def _in_function(
        self, subject: Subject, networks: Networks, module: Module, function: Function
    ) -> Iterator[Finding]:
        for node in walk(function):
            if not (isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name)):
                continue
            call, name = node.value, node.targets[0].id
            network = networks.built_by(module, call)
            if network is None or not network.learns or module.function_around(node) is not function:
                continue
            stays = isinstance(call, ast.Call) and networks.by_name.get(module.dotted(call.func) or "") is network
            if not stays or minds_devices(network, call) or not network.plain:
                continue
            if not self._is_only_made(module, function, name, network):
                continue
            use = self._use_with(subject, module, function, name, network)
            if use is not None:
                where = f"line {use[1].lineno}" if use[0] is module else f"{use[0].path}:{use[1].lineno}"
                yield self.at(
                    module,
                    node,
                    f"{network.node.name} is made on the CPU and never moved, but {where} feeds it tensors of the "
                    "device",
                    f"write {name} = {module.source(call)}.to(device)",
                    edits=_moving(module, function, call),
                )

    @staticmethod
    def _is_only_made(module: Module, function: Function, name: str, network: Network) -> bool:
        """Return whether a name is assigned that network, or None, and nothing else."""
        for node in walk(function):
            if isinstance(node, ast.Name) and node.id == name and isinstance(node.ctx, ast.Store):
                statement = module.parent(node)
                value = statement.value if isinstance(statement, ast.Assign | ast.AnnAssign) else node
                empty = value is None or (isinstance(value, ast.Constant) and value.value is None)
                made = isinstance(value, ast.Call) and module.dotted(value.func) == network.dotted
                if not empty and not made:
                    return False
        return True

    def _pretrained(self, subject: Subject) -> Iterator[Finding]:
        """Yield each pretrained model that nothing places, where it is fed with tensors of the device."""
        for one in subject.derived(Checkpoints).models:
            module, function, statement = one.module, one.module.function_around(one.call), one.module.parent(one.call)
            target = statement.targets[0] if isinstance(statement, ast.Assign) else None
            placed = has_open_arguments(one.call) or any(k.arg in _PLACING for k in one.call.keywords)
            if placed or function is None or not isinstance(target, ast.Name):
                continue
            life = subject.derived(Aliases).of(
                module, function, target.id, same=_WRAPPING, fluent=("train", "eval", "requires_grad_")
            )
            if not stays(life):
                continue
            for other, call in life.calls:
                around = other.function_around(call)
                moved = names_on_device(around) if around is not None else set()
                given = [*call.args, *(k.value for k in call.keywords)]
                if moved and any(carries(node, moved, LEAVES_DEVICE) for node in given):
                    yield self.at(
                        module,
                        one.call,
                        f"{target.id} is loaded to the CPU and never moved, but {other.path}:{call.lineno} feeds it "
                        "tensors of the device",
                        "move it with .to(device) before it is trained",
                    )
                    break

    def _use_with(
        self, subject: Subject, module: Module, function: Function, name: str, network: Network
    ) -> tuple[Module, ast.Call] | None:
        """Return a call that feeds a network with tensors of the device, unless somebody may move the network."""
        life = subject.derived(Aliases).of(module, function, name)
        if not stays(life):
            return None
        asked = [(home, call, "forward") for home, call in life.calls]
        for home, node in life.attributes:
            call = home.parent(node)
            if isinstance(call, ast.Call) and call.func is node:
                asked.append((home, call, node.attr))
        for home, call, word in asked:
            method, around = network.methods.get(word), home.function_around(call)
            if method is None or around is None:
                continue
            own = {n.text for n in life.names if n.scope is around}
            moved = derived_names(home, around, moved_names(home, around), LEAVES_DEVICE) - own
            if self._mixes(subject, home, call, method, network, moved):
                return home, call
        return None

    def _mixes(
        self, subject: Subject, module: Module, call: ast.Call, method: Function, network: Network, moved: set[str]
    ) -> bool:
        """Return whether a method multiplies an argument that is on the device with the network's own weights."""
        names = [a.arg for a in method.args.args][1:]
        on_device = {
            name
            for name, given in zip(names, call.args, strict=False)
            if is_made_there(module, given)
            or (carries(given, moved, LEAVES_DEVICE) and stays_tensor(subject, module, given))
        }
        on_device |= {
            k.arg
            for k in call.keywords
            if k.arg is not None and carries(k.value, moved, LEAVES_DEVICE) and stays_tensor(subject, module, k.value)
        }
        inside = derived_names(network.module, method, on_device & {a.arg for a in parameters(method)}, LEAVES_DEVICE)
        return any(
            isinstance(n, ast.Call)
            and own_attribute(n.func) in network.layers
            and any(carries(a, inside, LEAVES_DEVICE) for a in n.args)
            for n in walk(method)
        )


def _moving(module: Module, function: Function, call: ast.expr) -> tuple[Edit, ...]:
    """Return the edit that moves what a call makes, where the function has a ``device`` by then."""
    line = module.lines[call.lineno - 1]
    known = [n.lineno for n in walk(function) if isinstance(n, ast.Name) and n.id == "device" and _is_stored(n)]
    is_given = any(a.arg == "device" for a in parameters(function))
    if not (is_given or any(number < call.lineno for number in known)):
        return ()
    if call.end_lineno != call.lineno or call.end_col_offset is None or not line.isascii():
        return ()
    moved = f"{line[: call.end_col_offset]}.to(device){line[call.end_col_offset :]}\n"
    return (Edit(module.path, call.lineno, call.lineno, moved),)


def _is_stored(name: ast.Name) -> bool:
    return isinstance(name.ctx, ast.Store)
