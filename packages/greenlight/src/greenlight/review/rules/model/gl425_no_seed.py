"""GL425: nothing sets a seed."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from greenlight.review.criteria import Criterion
from greenlight.review.finding import Finding, Severity
from greenlight.review.module import Module, walk
from greenlight.review.rule import NotApplicable, Rule
from greenlight.review.subject import Subject

_SEEDING = ("seed", "random_state", "randomstate", "rng", "deterministic", "generator")
_LEFT_TO_OTHERS = ("Trainer", "TrainingArguments", "SFTTrainer", "LightningModule", "greenlight.harness")


class NoSeed(Rule):
    """Training is torch code, and no file says anything about a seed."""

    id = "GL425"
    name = "no-seed"
    criterion = Criterion.MODEL
    severity = Severity.MAJOR
    sentences = ("4.6",)
    summary = "No file sets a seed, so no run can be repeated and a difference between methods may be chance."
    why = (
        "Initial weights, dropout and the order of the data differ from run to run. Without a seed neither the "
        "proposed "
        "method nor the baseline can be run again, and the spread over seeds cannot be measured."
    )
    remedy = "Read a seed from the run file and call torch.manual_seed(seed) before the model is made."
    valid = (
        {"src/train.py": "import torch\ntorch.manual_seed(1)\noptimizer = torch.optim.SGD(p, lr=1)\nloss.backward()\n"},
        {"src/train.py": "from transformers import Trainer\nTrainer(model=m).train()\n"},
    )
    invalid = (
        {
            "src/train.py": """
            import torch

            def train(model, batches):
                optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
                for batch in batches:
                    optimizer.zero_grad()
                    model(batch).backward()
                    optimizer.step()
            """
        },
    )

    def check(self, subject: Subject) -> Iterator[Finding]:
        """Yield one finding, at the first optimizer."""
        train = subject.module("src/train.py")
        optimizers = list(train.calls("torch.optim.*")) if train is not None else []
        if train is None or not optimizers or not any(True for _ in train.method_calls("backward")):
            raise NotApplicable("src/train.py has no training loop of torch's")
        if any(module.error is not None or self._seeds(module) for module in subject.modules.values()):
            return
        yield self.at(
            train, optimizers[0], "training starts from random weights and data, and no file sets a seed for it"
        )

    @staticmethod
    def _seeds(module: Module) -> bool:
        searching = {n for call in module.calls("optuna.*") for k in call.keywords for n in walk(k)}
        for node in module.nodes:
            if node in searching:
                continue  # the seed of a search is none of training
            words: list[str | None] = []
            if isinstance(node, ast.Name):
                words = [node.id]
            elif isinstance(node, ast.Attribute):
                words = [node.attr]
            elif isinstance(node, ast.arg | ast.keyword):
                words = [node.arg]
            elif isinstance(node, ast.FunctionDef | ast.ClassDef):
                words = [node.name]
            elif isinstance(node, ast.ImportFrom):
                words = [node.module, *(a.name for a in node.names)]
            elif isinstance(node, ast.Constant) and isinstance(node.value, str) and len(node.value) < 40:
                words = [node.value]
            for word in words:
                if word and any(part in word.lower() for part in _SEEDING):
                    return True
        return any(left in name for name in module.imports.values() for left in _LEFT_TO_OTHERS)
