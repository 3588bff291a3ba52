"""GL412: the optimizer is made before the model gets its adapters."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from greenlight.review.criteria import Criterion
from greenlight.review.finding import Finding, Severity
from greenlight.review.rule import NotApplicable, Rule
from greenlight.review.subject import Subject


class OptimizerBeforeAdapters(Rule):
    """``optimizer = AdamW(model.parameters())`` and then ``model = get_peft_model(model, ...)``."""

    id = "GL412"
    name = "optimizer-before-adapters"
    criterion = Criterion.MODEL
    severity = Severity.MAJOR
    sentences = ("4.6", "4.3")
    summary = "The optimizer is made before get_peft_model, so it holds frozen weights and none of the adapters."
    why = (
        "get_peft_model adds new parameters and freezes the old ones. An optimizer made before has only the old: its "
        "steps change nothing, and the adapters stay as they were initialised."
    )
    remedy = "Make the optimizer after get_peft_model, over the parameters that require gradients."
    valid = (
        {
            "src/train.py": """
            import torch
            from peft import get_peft_model

            def train(model, config):
                model = get_peft_model(model, config)
                return torch.optim.AdamW(model.parameters())
            """
        },
    )
    invalid = (
        {
            "src/train.py": """
            import torch
            from peft import get_peft_model

            def train(model, config):
                optimizer = torch.optim.AdamW(model.parameters(), lr=1e-4)
                model = get_peft_model(model, config)
                return model, optimizer
            """
        },
    )

    def check(self, subject: Subject) -> Iterator[Finding]:
        """Yield one finding for each optimizer."""
        adapted = [(m, c) for m in subject.code for c in m.calls("peft.get_peft_model")]
        if not adapted:
            raise NotApplicable("no adapters are added with get_peft_model")
        for module, call in adapted:
            function, given = module.function_around(call), call.args[0] if call.args else None
            statement = module.statement(call)
            around = module.parent(statement) if statement is not None else None
            if function is None or not isinstance(given, ast.Name):
                continue
            optimizers = [
                other
                for other in module.calls("torch.optim.*")
                if module.function_around(other) is function
                and other.args
                and ast.unparse(other.args[0]) == f"{given.id}.parameters()"
            ]
            after = [other for other in optimizers if other.lineno > call.lineno]
            for other in optimizers:
                same_block = module.parent(module.statement(other) or other) is around
                if other.lineno < call.lineno and same_block and not after:
                    yield self.at(
                        module,
                        other,
                        f"the optimizer takes {given.id}.parameters() before line {call.lineno} adds the adapters",
                        f"move it below line {call.lineno}",
                    )
