"""GL435: a parameter's gradient is a reward, and knows of no action."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

from greenlight.review.criteria import Criterion
from greenlight.review.finding import Finding, Severity
from greenlight.review.module import Module, walk
from greenlight.review.rule import NotApplicable, Rule
from greenlight.review.subject import Subject

# What the value may be made of and still be a reward alone; with anything else in it the rule is silent.
_SIGNAL = re.compile(
    r"(?:^|_)(?:reward|advantage|loss|return|returns|baseline|cost|score|value|val|adv|r|mean|ema)(?:$|_)"
)
_WRAPPERS = frozenset({"tensor", "as_tensor", "float", "item", "clamp", "tanh", "full_like", "Tensor", "detach", "abs"})
_DRAWS = frozenset({
    "sample", "rsample", "randn", "rand", "randn_like", "rand_like", "normal", "normal_", "multinomial", "choice",
    "standard_normal", "uniform", "uniform_", "bernoulli", "log_prob", "randint", "gauss", "random", "Categorical",
    "Normal", "Bernoulli",
})  # fmt: skip
_SKIPPED = frozenset({"torch", "self", "np", "numpy", "math"})


class RewardAsGradient(Rule):
    """The value that is assigned to `.grad` is made of rewards alone, and its class draws nothing."""

    id = "GL435"
    name = "reward-as-gradient"
    criterion = Criterion.MODEL
    severity = Severity.MAJOR
    sentences = ("4.1",)
    summary = "A policy's gradient is set to the reward itself: it says whether it went well, and not what to do."
    why = (
        "REINFORCE multiplies an advantage with the derivative of the log-probability of the action that was drawn. A "
        "gradient that is the advantage alone is the same whatever was done: the parameter goes up after each good "
        "step and down after each bad one, and a rate that should rise can be driven to zero."
    )
    remedy = (
        "Draw an action from a distribution with the parameter in it, and send -advantage * log_prob(action) backward."
    )
    valid = (
        {
            "src/model.py": """
            import torch
            from torch import nn

            class Policy(nn.Module):
                def __init__(self):
                    super().__init__()
                    self.mean = nn.Parameter(torch.tensor(0.0))

                def step(self, reward, baseline):
                    draw = torch.distributions.Normal(self.mean, 0.1)
                    action = draw.sample()
                    advantage = reward - baseline
                    self.mean.grad = -advantage * (action - self.mean.detach()) / 0.01
                    return action.exp()
            """
        },
        {
            "src/model.py": """
            import torch
            from torch import nn

            class Rate(nn.Module):
                def __init__(self):
                    super().__init__()
                    self.log_rate = nn.Parameter(torch.tensor(0.0))

                def step(self, alignment, loss):
                    self.log_rate.grad = torch.tensor(-alignment)
            """
        },
    )
    invalid = (
        {
            "src/model.py": """
            import torch
            from torch import nn

            class Controller(nn.Module):
                def __init__(self):
                    super().__init__()
                    self.log_rate = nn.Parameter(torch.tensor(0.0))
                    self.mean_reward = 0.0

                def step(self, loss):
                    reward = -loss.item()
                    advantage = reward - self.mean_reward
                    self.mean_reward = 0.9 * self.mean_reward + 0.1 * reward
                    self.log_rate.grad = torch.tensor(-advantage)
                    return self.log_rate.exp().item()
            """
        },
    )

    def check(self, subject: Subject) -> Iterator[Finding]:
        """Yield each assignment of a reward to a gradient."""
        seen = False
        for module in subject.code:
            for node in module.nodes:
                if not isinstance(node, ast.ClassDef):
                    continue
                owned = _parameters(module, node)
                if not owned or any(_called(one) in _DRAWS for one in walk(node) if isinstance(one, ast.Call)):
                    continue
                for function in (one for one in node.body if isinstance(one, ast.FunctionDef)):
                    for target, value in _gradients(function, owned):
                        seen = True
                        if _is_reward(value, function):
                            said = (
                                f"the gradient of self.{target} is `{ast.unparse(value)[:60]}`, and no action is drawn"
                            )
                            yield self.at(module, value, said)
        if not seen:
            raise NotApplicable("no gradient of a parameter is set by hand in a class that draws nothing")


def _parameters(module: Module, node: ast.ClassDef) -> frozenset[str]:
    """Return the attributes of a class that are parameters."""
    return frozenset(
        target.attr
        for one in walk(node)
        if isinstance(one, ast.Assign) and isinstance(one.value, ast.Call)
        if (module.dotted(one.value.func) or "").endswith("nn.Parameter")
        for target in one.targets
        if isinstance(target, ast.Attribute) and isinstance(target.value, ast.Name) and target.value.id == "self"
    )


def _gradients(function: ast.FunctionDef, owned: frozenset[str]) -> Iterator[tuple[str, ast.expr]]:
    for node in walk(function):
        if isinstance(node, ast.Assign) and len(node.targets) == 1:
            target = node.targets[0]
            if (
                isinstance(target, ast.Attribute)
                and target.attr == "grad"
                and isinstance(target.value, ast.Attribute)
                and isinstance(target.value.value, ast.Name)
                and target.value.value.id == "self"
                and target.value.attr in owned
            ):
                yield target.value.attr, node.value


def _called(call: ast.Call) -> str:
    return call.func.attr if isinstance(call.func, ast.Attribute) else getattr(call.func, "id", "")


def _is_reward(value: ast.expr, function: ast.FunctionDef) -> bool:
    """Say whether a value is made of names of rewards and losses alone, through the function's own assignments."""
    given = {arg.arg for arg in (*function.args.args, *function.args.kwonlyargs)}
    assigned: dict[str, list[ast.expr]] = {}
    for node in walk(function):
        if isinstance(node, ast.Assign) and len(node.targets) == 1 and isinstance(node.targets[0], ast.Name):
            assigned.setdefault(node.targets[0].id, []).append(node.value)
    waiting, followed, names = [value], set[str](), set[str]()
    while waiting:
        for node in walk(waiting.pop()):
            if isinstance(node, ast.Call) and _called(node) not in _WRAPPERS:
                return False
            if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "self":
                names.add(node.attr)
            elif isinstance(node, ast.Name) and node.id not in _SKIPPED and node.id not in _WRAPPERS:
                if node.id in assigned and node.id not in given:
                    if node.id not in followed:
                        followed.add(node.id)
                        waiting += assigned[node.id]
                else:
                    names.add(node.id)
    return bool(names) and all(_SIGNAL.search(name.lower()) or name in ("decay", "beta", "gamma") for name in names)
