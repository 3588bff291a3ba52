"""GL407: gradients are clipped while they are multiplied by the loss scale."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from greenlight.review.criteria import Criterion
from greenlight.review.finding import Finding, Severity
from greenlight.review.module import Module, argument, walk
from greenlight.review.rule import NotApplicable, Rule
from greenlight.review.rules.model.gl405_scaler_for_bfloat16 import SCALERS
from greenlight.review.rules.model.gl406_gradients_read_while_scaled import blocks, calls_method, is_scaled_backward
from greenlight.review.subject import Subject

_CLIPPING = ("torch.nn.utils.clip_grad_norm_", "torch.nn.utils.clip_grad_value_")


class ClippedWhileScaled(Rule):
    """``clip_grad_norm_`` between a scaled backward and ``scaler.step`` without ``scaler.unscale_``."""

    id = "GL407"
    name = "clipped-while-scaled"
    criterion = Criterion.MODEL
    severity = Severity.MAJOR
    sentences = ("4.6",)
    summary = (
        "Gradients are clipped without scaler.unscale_, so the limit is applied to gradients 65536 times too large."
    )
    why = (
        "With a GradScaler the gradients carry the loss scale until unscale_. A limit of 1.0 then cuts every "
        "step to about "
        "1/65536 of it, and training hardly moves. On the CPU the scaler is off and a trial does not show it."
    )
    remedy = "Call scaler.unscale_(optimizer) before clipping."
    valid = (
        {
            "src/train.py": """
            import torch

            def step(model, optimizer, loss, scaler):
                scaler = torch.amp.GradScaler("cuda")
                scaler.scale(loss).backward()
                scaler.unscale_(optimizer)
                torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
                scaler.step(optimizer)
            """
        },
        {
            "src/train.py": """
            import torch

            def advance(model, optimizer, scaler, batches):
                for batch in batches:
                    scaler.scale(model(batch)).backward()
                scaler.unscale_(optimizer)
                torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
                scaler.step(optimizer)
                scaler.update()

            def main(model, optimizer, groups):
                scaler = torch.amp.GradScaler("cuda")
                for group in groups:
                    advance(model, optimizer, scaler, group)
            """
        },
    )
    invalid = (
        {
            "src/train.py": """
            import torch

            def train(model, optimizer, batches):
                scaler = torch.cuda.amp.GradScaler()
                for batch in batches:
                    scaler.scale(model(batch)).backward()
                    torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
                    scaler.step(optimizer)
                    scaler.update()
            """
        },
        {
            "src/train.py": """
            import torch

            def advance(model, optimizer, scaler, batches):
                for batch in batches:
                    scaler.scale(model(batch)).backward()
                torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
                scaler.unscale_(optimizer)
                scaler.step(optimizer)
                scaler.update()

            def main(model, optimizer, groups):
                scaler = torch.amp.GradScaler("cuda")
                for group in groups:
                    advance(model, optimizer, scaler, group)
            """
        },
    )

    def check(self, subject: Subject) -> Iterator[Finding]:
        """Yield one finding for each call that clips."""
        made = [(module, call) for module in subject.code for call in module.calls(*SCALERS)]
        if not made:
            raise NotApplicable("no GradScaler is made")
        if all(module.value(argument(call, "enabled")) is False for module, call in made):
            return
        if any(True for module in subject.code for _ in module.method_calls("unscale_")):
            yield from self._before_unscale(subject)
            return
        for module in subject.code:
            for call in module.calls(*_CLIPPING):
                function = module.function_around(call)
                if function is None:
                    continue
                own = [n for n in walk(function) if isinstance(n, ast.Call) and isinstance(n.func, ast.Attribute)]
                scaled = [
                    n
                    for n in own
                    if isinstance(n.func, ast.Attribute)
                    and n.func.attr == "backward"
                    and isinstance(n.func.value, ast.Call)
                    and isinstance(n.func.value.func, ast.Attribute)
                    and n.func.value.func.attr == "scale"
                ]
                plain = [
                    n
                    for n in own
                    if isinstance(n.func, ast.Attribute) and n.func.attr == "backward" and n not in scaled
                ]
                if scaled and not plain and scaled[0].lineno < call.lineno:
                    yield self.at(
                        module,
                        call,
                        f"gradients are clipped while they are multiplied by the loss scale: {module.source(call)}",
                        "call scaler.unscale_(optimizer) before this line",
                    )

    def _before_unscale(self, subject: Subject) -> Iterator[Finding]:
        """Yield what clips between a scaled backward and the ``unscale_`` that follows it in the same block."""
        for module in subject.code:
            if not any(True for _ in module.calls(*_CLIPPING)):
                continue
            for function in module.functions:
                for block in blocks(function):
                    yield from self._in_block(module, block)

    def _in_block(self, module: Module, block: list[ast.stmt]) -> Iterator[Finding]:
        scaled = next((i for i, s in enumerate(block) if is_scaled_backward(s)), None)
        if scaled is None:
            return
        after = block[scaled + 1 :]
        until = next((i for i, s in enumerate(after) if calls_method(s, "unscale_")), None)
        if until is None or isinstance(after[until], ast.If):
            return
        for statement in after[:until]:
            for node in walk(statement):
                if isinstance(node, ast.Call) and module.dotted(node.func) in _CLIPPING:
                    yield self.at(
                        module,
                        node,
                        f"gradients are clipped before unscale_ (line {after[until].lineno}), while they are "
                        f"multiplied by the loss scale: {module.source(node)}",
                        f"move line {after[until].lineno} before this line",
                    )
