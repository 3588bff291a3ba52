"""GL419: a model that accelerate has placed is moved again."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from greenlight.review.criteria import Criterion
from greenlight.review.engines.aliases import Aliases
from greenlight.review.engines.checkpoints import Checkpoints
from greenlight.review.finding import Finding, Severity
from greenlight.review.module import UNKNOWN, Module, argument
from greenlight.review.rule import NotApplicable, Rule
from greenlight.review.subject import Subject

_MAPS = frozenset({"auto", "balanced", "balanced_low_0", "sequential"})
_WRAPPING = ("peft.get_peft_model", "peft.prepare_model_for_kbit_training")


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
            life = subject.derived(Aliases).of(
                one.module, function, target.id, same=_WRAPPING, fluent=("eval", "train", "requires_grad_")
            )
            found = [
                (module, move)
                for module, node in life.reads("to", "cuda")
                if (move := self._move(module, node)) is not None
                and (module is not one.module or move.lineno > statement.lineno)
            ]
            for module, move in found[:1]:
                yield self.at(
                    module,
                    move,
                    f"{module.source(move)} moves the model that device_map={value!r} placed "
                    f"({one.module.path}:{one.call.lineno})",
                    "leave out device_map, or leave out the move",
                )

    @staticmethod
    def _move(module: Module, node: ast.Attribute) -> ast.Call | None:
        """Return the call that moves to a device whatever happens."""
        call = module.parent(node)
        if not isinstance(call, ast.Call) or call.func is not node:
            return None
        if any(isinstance(a, ast.If | ast.IfExp | ast.ExceptHandler) for a in module.ancestors(call)):
            return None
        given = ast.unparse(call.args[0]) if call.args else ""
        return call if node.attr == "cuda" or "device" in given or "cuda" in given else None
