"""GL405: the gradient scaler is switched on exactly for bfloat16."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from greenlight.review.criteria import Criterion
from greenlight.review.finding import Finding, Severity
from greenlight.review.module import argument, walk
from greenlight.review.rule import NotApplicable, Rule
from greenlight.review.subject import Subject

SCALERS = ("torch.cuda.amp.GradScaler", "torch.amp.GradScaler", "torch.cuda.amp.grad_scaler.GradScaler")


class ScalerForBfloat16(Rule):
    """``GradScaler(enabled=dtype == "bf16")``."""

    id = "GL405"
    name = "scaler-for-bfloat16"
    criterion = Criterion.MODEL
    severity = Severity.MAJOR
    sentences = ("4.6",)
    summary = "The gradient scaler is enabled exactly for bfloat16, where it does harm, and not for float16."
    why = (
        "bfloat16 has the range of float32 and needs no loss scaling; for bfloat16 gradients CUDA has no unscale "
        "kernel "
        "(pytorch issue 127176), so the step raises on the GPU, while a CPU trial passes."
    )
    remedy = "Enable the scaler for float16 only."
    valid = (
        {"src/train.py": 'import torch\nscaler = torch.amp.GradScaler("cuda", enabled=cfg.dtype == "fp16")\n'},
        {
            "src/train.py": """
            from torch.cuda.amp import GradScaler

            def scaler(cfg):
                return GradScaler(enabled=cfg.training.mixed_precision != "bf16")
            """
        },
    )
    invalid = (
        {"src/train.py": 'import torch\nscaler = torch.cuda.amp.GradScaler(enabled=cfg.precision == "bf16")\n'},
        {
            "src/train.py": """
            from torch.amp import GradScaler

            def scaler(cfg):
                use_bf16 = cfg.training.dtype == "bfloat16"
                return GradScaler("cuda", enabled=use_bf16)
            """
        },
    )

    def check(self, subject: Subject) -> Iterator[Finding]:
        """Yield one finding for each scaler."""
        made = [(module, call) for module in subject.code for call in module.calls(*SCALERS)]
        if not made:
            raise NotApplicable("no GradScaler is made")
        for module, call in made:
            node = argument(call, "enabled")
            condition = module.assigned(node) if isinstance(node, ast.Name) else node
            if not isinstance(condition, ast.Compare) or len(condition.ops) != 1:
                continue
            if not isinstance(condition.ops[0], ast.Eq | ast.In):
                continue
            words = [n.value for n in walk(condition) if isinstance(n, ast.Constant) and isinstance(n.value, str)]
            is_dtype = "torch.bfloat16" in {module.dotted(n) for n in (condition.left, *condition.comparators)}
            if (words and all(word.lower() in ("bf16", "bfloat16", "bf16-mixed", "bf") for word in words)) or (
                is_dtype and not words
            ):
                yield self.at(
                    module,
                    call,
                    f"GradScaler is enabled where {module.source(condition)}: bfloat16 needs no loss scaling",
                    "enable it for float16 only, and leave bfloat16 unscaled",
                )
