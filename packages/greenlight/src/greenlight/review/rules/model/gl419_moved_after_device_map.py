"""GL419: a model that accelerate has placed is moved again."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from greenlight.review.criteria import Criterion
from greenlight.review.engines.checkpoints import Checkpoints
from greenlight.review.finding import Finding, Severity
from greenlight.review.module import UNKNOWN, Function, Module, argument, walk
from greenlight.review.rule import NotApplicable, Rule
from greenlight.review.subject import Subject

_MAPS = frozenset({"auto", "balanced", "balanced_low_0", "sequential"})


class MovedAfterDeviceMap(Rule):
    """``from_pretrained(device_map="auto")`` and then ``.to(device)``."""

    id = "GL419"
    name = "moved-after-device-map"
    criterion = Criterion.MODEL
    severity = Severity.MINOR
    sentences = ("4.6", "4.3")
    summary = "A model placed by device_map is moved with .to(device), which undoes the placement or raises."
    why = (
        "device_map spreads the layers over all GPUs and, where they do not fit, the CPU. Moving such a model pulls "
        "everything onto one device, and with offloaded layers it raises; on a single GPU it does nothing."
    )
    remedy = "Use one of the two: device_map, or .to(device)."
    valid = (
        {
            "src/model.py": """
            import torch
            from transformers import AutoModel

            def build(name, device):
                model = AutoModel.from_pretrained(name, cache_dir=".cache")
                return model.to(device)

            def spread(name):
                model = AutoModel.from_pretrained(name, cache_dir=".cache", device_map="auto")
                return model.to(torch.bfloat16)
            """
        },
    )
    invalid = (
        {
            "src/model.py": """
            from transformers import AutoModel

            def build(name, device):
                model = AutoModel.from_pretrained(name, cache_dir=".cache", device_map="auto")
                model.to(device)
                return model
            """
        },
        {
            "src/model.py": """
            from transformers import AutoModel, AutoTokenizer

            def build(name):
                tokenizer = AutoTokenizer.from_pretrained(name, cache_dir=".cache")
                model = AutoModel.from_pretrained(name, cache_dir=".cache", device_map="balanced")
                return model, tokenizer
            """,
            "src/train.py": """
            from src.model import build

            def train(name):
                model, tokenizer = build(name)
                model = model.to("cuda")
            """,
        },
    )

    def check(self, subject: Subject) -> Iterator[Finding]:
        """Yield one finding for each move."""
        models = subject.derived(Checkpoints).models
        if not models:
            raise NotApplicable("no pretrained model is loaded")
        for one in models:
            placed = argument(one.call, "device_map")
            value = one.module.value(placed) if placed is not None else UNKNOWN
            statement = one.module.parent(one.call)
            function = one.module.function_around(one.call)
            if (
                not isinstance(value, str)
                or value not in _MAPS
                or function is None
                or not isinstance(statement, ast.Assign)
            ):
                continue
            target = statement.targets[0]
            if not isinstance(target, ast.Name):
                continue
            moves = list(self._moves(one.module, function, target.id, statement.lineno))
            found: list[tuple[Module, ast.Call]] = [(one.module, move) for move in moves]
            found = found or self._after_return(subject, one.module, function, target.id)
            for module, move in found[:1]:
                yield self.at(
                    module,
                    move,
                    f"{module.source(move)} moves the model that device_map={value!r} placed "
                    f"({one.module.path}:{one.call.lineno})",
                    "leave out device_map, or leave out the move",
                )

    def _after_return(
        self, subject: Subject, module: Module, function: Function, name: str
    ) -> list[tuple[Module, ast.Call]]:
        """Return the moves of what a function returns, where it is called."""
        returns = [n for n in walk(function) if isinstance(n, ast.Return)]
        if len(returns) != 1 or not isinstance(module.parent(function), ast.Module):
            return []
        value = returns[0].value
        items = value.elts if isinstance(value, ast.Tuple) else [value]
        position = next((i for i, v in enumerate(items) if isinstance(v, ast.Name) and v.id == name), None)
        if position is None:
            return []
        found = []
        for other in subject.code:
            for call in other.calls(f"{module.name}.{function.name}"):
                statement, around = other.parent(call), other.function_around(call)
                if not isinstance(statement, ast.Assign) or around is None:
                    continue
                target: ast.expr | None = statement.targets[0]
                if isinstance(target, ast.Tuple) and isinstance(value, ast.Tuple):
                    target = target.elts[position] if position < len(target.elts) else None
                if isinstance(target, ast.Name):
                    found += [(other, m) for m in self._moves(other, around, target.id, statement.lineno)]
        return found

    @staticmethod
    def _moves(module: Module, function: Function, name: str, line: int) -> Iterator[ast.Call]:
        for node in walk(function):
            if (
                isinstance(node, ast.Call)
                and isinstance(node.func, ast.Attribute)
                and node.func.attr in ("to", "cuda")
                and isinstance(node.func.value, ast.Name)
                and node.func.value.id == name
                and node.lineno > line
                and not any(isinstance(a, ast.If) for a in module.ancestors(node))
            ):
                given = ast.unparse(node.args[0]) if node.args else ""
                if node.func.attr == "cuda" or "device" in given or "cuda" in given:
                    yield node
