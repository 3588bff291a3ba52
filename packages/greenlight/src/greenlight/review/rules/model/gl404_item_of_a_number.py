"""GL404: .item() is called on what may be a plain number."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from greenlight.review.criteria import Criterion
from greenlight.review.engines.value_flow import is_number, statements_of
from greenlight.review.finding import Finding, Severity
from greenlight.review.module import Function, Module, walk
from greenlight.review.rule import Rule
from greenlight.review.subject import Subject

_TENSOR_METHODS = frozenset({"item", "detach", "backward", "cpu"})


class ItemOfANumber(Rule):
    """One branch makes a name a float, and the code after it treats it as a tensor."""

    id = "GL404"
    name = "item-of-a-number"
    criterion = Criterion.MODEL
    severity = Severity.BLOCKER
    sentences = ("4.6",)
    summary = "A branch turns a tensor into a plain number and .item() follows, which raises as soon as it is taken."
    why = (
        "A guard such as 'if rate > limit: rate = limit / peak' is seldom taken in a short trial. When it is, "
        "the float "
        "has no .item(): \"AttributeError: 'float' object has no attribute 'item'\" ends the run in the middle."
    )
    remedy = "Keep it a tensor in every branch (torch.clamp, torch.full_like), or use float(...) instead of .item()."
    valid = (
        {
            "src/train.py": """
            import torch

            def rate(x, limit):
                value = torch.exp(x)
                peak = x.max().item()
                if value * peak > 1.9:
                    value = torch.full_like(value, 1.9 / peak)
                return value.item()
            """
        },
        {
            "src/train.py": """
            import torch

            def rate(x):
                value = x.mean()
                if len(x) == 0:
                    value = 0.0
                return float(value)
            """
        },
    )
    invalid = (
        {
            "src/train.py": """
            import torch

            def rate(x, cfg):
                value = torch.exp(x)
                peak = x.max().item()
                if value * peak > cfg.limit:
                    value = cfg.limit / max(peak, 1e-6)
                return value.item()
            """
        },
    )

    def check(self, subject: Subject) -> Iterator[Finding]:
        """Yield one finding for each name and function."""
        for module in subject.code:
            for function in module.functions:
                yield from self._in_function(module, function)

    def _in_function(self, module: Module, function: Function) -> Iterator[Finding]:
        told: set[str] = set()
        for node in walk(function):
            if not (
                isinstance(node, ast.Call)
                and isinstance(node.func, ast.Attribute)
                and node.func.attr in _TENSOR_METHODS
                and isinstance(node.func.value, ast.Name)
                and module.function_around(node) is function
                and node.func.value.id not in told
            ):
                continue
            name = node.func.value.id
            made = self._number_before(module, name, node)
            if made is not None and not self._asks(function, name):
                told.add(name)
                yield self.at(
                    module,
                    node,
                    f"{name}.{node.func.attr}() fails where line {made.lineno} made {name} a plain number: "
                    f"{module.source(made)}",
                    f"keep {name} a tensor in line {made.lineno}, or write float({name})",
                )

    @staticmethod
    def _number_before(module: Module, name: str, use: ast.Call) -> ast.Assign | None:
        """Return an assignment in a branch, directly before the statements of the use, that makes a name a number."""
        statement = module.statement(use)
        if statement is None:
            return None
        block = statements_of(module, statement)
        before = block[: block.index(statement)] if statement in block else []
        for earlier in reversed(before):
            if isinstance(earlier, ast.Assign) and any(
                isinstance(t, ast.Name) and t.id == name for t in earlier.targets
            ):
                return None
            if isinstance(earlier, ast.If):
                last = earlier.body[-1] if earlier.body else None
                if isinstance(last, ast.Return | ast.Raise | ast.Continue | ast.Break):
                    continue
                found = None
                for inner in earlier.body:
                    if isinstance(inner, ast.Assign) and any(
                        isinstance(t, ast.Name) and t.id == name for t in inner.targets
                    ):
                        found = inner if is_number(module, inner.value) else None
                if found is not None:
                    return found
            if any(isinstance(n, ast.Name) and n.id == name and isinstance(n.ctx, ast.Store) for n in walk(earlier)):
                return None
        return None

    @staticmethod
    def _asks(function: Function, name: str) -> bool:
        """Return whether a function asks what a name is."""
        for node in walk(function):
            if isinstance(node, ast.Call) and any(isinstance(a, ast.Name) and a.id == name for a in node.args):
                called = ast.unparse(node.func)
                if called.endswith(("isinstance", "is_tensor", "hasattr")):
                    return True
        return False
