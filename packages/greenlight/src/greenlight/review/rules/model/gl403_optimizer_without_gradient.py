"""GL403: an optimizer owns a network whose output never reaches a loss."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from greenlight.review.criteria import Criterion
from greenlight.review.engines.aliases import Aliases
from greenlight.review.engines.networks import Network, Networks
from greenlight.review.finding import Finding, Severity
from greenlight.review.module import Function, Module, walk
from greenlight.review.rule import NotApplicable, Rule
from greenlight.review.subject import Subject

_NUMBERS = frozenset({"item", "tolist", "numpy", "detach"})
_HARMLESS = frozenset(
    [
        "parameters",
        "named_parameters",
        "train",
        "eval",
        "to",
        "cuda",
        "state_dict",
        "load_state_dict",
        "zero_grad",
        "requires_grad_",
    ]
)

_WITHOUT_OUTPUT = ("torch.optim.", "torch.nn.utils.clip_grad")


class OptimizerWithoutGradient(Rule):
    """Everything a network returns is turned into a number before it is used."""

    id = "GL403"
    name = "optimizer-without-gradient"
    criterion = Criterion.MODEL
    severity = Severity.MAJOR
    sentences = ("4.6", "4.1")
    summary = "An optimizer steps a network whose only output is cut from the graph, so it never learns."
    why = (
        "A planner that returns eta.item() hands out a number; no loss can send a gradient back through it. Its "
        "optimizer "
        "then steps over parameters whose grad is None: after 50 steps nothing had changed, and no error was raised."
    )
    remedy = "Return the tensor and let it take part in a loss that is sent backward, or set the gradients by hand."
    valid = (
        {
            "src/train.py": """
            import torch
            from torch import nn

            class Gate(nn.Module):
                def __init__(self):
                    super().__init__()
                    self.w = nn.Linear(4, 1)

                def forward(self, x):
                    return self.w(x).exp()

            def train(model, data):
                gate = Gate()
                optimizer = torch.optim.Adam(gate.parameters())
                for x in data:
                    (gate(x) * model(x)).sum().backward()
                    optimizer.step()
            """
        },
        {
            "src/train.py": """
            import torch
            from torch import nn

            class Policy(nn.Module):
                def __init__(self):
                    super().__init__()
                    self.log_rate = nn.Parameter(torch.tensor(0.0))

                def rate(self, advantage):
                    self.log_rate.grad = torch.tensor(-advantage)
                    return self.log_rate.exp().item()

            def train(data):
                policy = Policy()
                optimizer = torch.optim.Adam(policy.parameters())
                for x in data:
                    policy.rate(x)
                    optimizer.step()
            """
        },
    )
    invalid = (
        {
            "src/train.py": """
            import torch
            from torch import nn

            class Gate(nn.Module):
                def __init__(self):
                    super().__init__()
                    self.w = nn.Linear(4, 1)

                def rate(self, x):
                    scale = torch.exp(self.w(x))
                    return scale.item()

            def train(model, data, optimizer):
                gate = Gate()
                gate_optimizer = torch.optim.Adam(gate.parameters())
                for x in data:
                    model(x).sum().backward()
                    optimizer.param_groups[0]["lr"] = gate.rate(x)
                    gate_optimizer.step()
            """
        },
    )

    def check(self, subject: Subject) -> Iterator[Finding]:
        """Yield one finding for each optimizer."""
        networks = subject.derived(Networks)
        if not any(network.learns for network in networks):
            raise NotApplicable("no network of the experiment's own has weights")
        for module in subject.code:
            for call in module.calls("torch.optim.*"):
                first = call.args[0] if call.args else next((k.value for k in call.keywords if k.arg == "params"), None)
                function = module.function_around(call)
                if function is None or not (
                    isinstance(first, ast.Call)
                    and isinstance(first.func, ast.Attribute)
                    and first.func.attr == "parameters"
                    and isinstance(first.func.value, ast.Name)
                ):
                    continue
                name = first.func.value.id
                network = self._network(networks, module, function, name)
                if network is None or not network.plain or self._sets_gradients(network):
                    continue
                leaving = self._only_numbers(subject, module, function, name, network)
                if leaving is not None:
                    yield self.at(
                        module,
                        call,
                        f"the optimizer of {name} never sees a gradient: {network.node.name}.{leaving.name} returns a "
                        f"number ({network.module.path}:{leaving.body[-1].lineno}), and nothing else uses {name}",
                        f"let {network.node.name}.{leaving.name} return the tensor and make a loss depend on it",
                    )

    @staticmethod
    def _network(networks: Networks, module: Module, function: Function, name: str) -> Network | None:
        found: set[str] = set()
        for node in walk(function):
            if isinstance(node, ast.Name) and node.id == name and isinstance(node.ctx, ast.Store):
                statement = module.parent(node)
                value = statement.value if isinstance(statement, ast.Assign) else None
                if isinstance(value, ast.Constant) and value.value is None:
                    continue
                network = networks.built_by(module, value)
                if network is None:
                    return None
                found.add(network.dotted)
        return networks.by_name[found.pop()] if len(found) == 1 else None

    @staticmethod
    def _sets_gradients(network: Network) -> bool:
        """Return whether a class deals with gradients itself."""
        return any(
            isinstance(n, ast.Attribute) and n.attr in ("grad", "backward", "autograd", "data", "hook", "register_hook")
            for n in walk(network.node)
        )

    def _only_numbers(
        self, subject: Subject, module: Module, function: Function, name: str, network: Network
    ) -> Function | None:
        """Return the method whose numbers are all that is ever taken from a network; None where anything else is."""
        life = subject.derived(Aliases).of(module, function, name)
        if life.escapes or any(not (to or "").startswith(_WITHOUT_OUTPUT) for _, _, to in life.given):
            return None
        asked = ["forward" for _ in life.calls]
        asked += [node.attr for _, node in life.attributes if node.attr not in _HARMLESS]
        methods = [network.methods.get(one) for one in asked]
        if not all(method is not None and self._returns_number(network.module, method) for method in methods):
            return None
        return methods[0] if methods else None

    @staticmethod
    def _returns_number(module: Module, method: Function) -> bool:
        returns = [n for n in walk(method) if isinstance(n, ast.Return) and module.function_around(n) is method]
        if not returns or any(isinstance(n, ast.Yield) for n in walk(method)):
            return False
        for found in returns:
            value: ast.AST | None = found.value
            if isinstance(value, ast.Name):
                value = module.assigned(value)
            number = isinstance(value, ast.Call) and (
                (isinstance(value.func, ast.Attribute) and value.func.attr in _NUMBERS)
                or (isinstance(value.func, ast.Name) and value.func.id in ("float", "int"))
            )
            if not number:
                return False
        # What it keeps on itself could be used in a loss.
        return not any(
            isinstance(n, ast.Attribute) and isinstance(n.ctx, ast.Store) and "loss" in n.attr.lower()
            for n in walk(method)
        )
