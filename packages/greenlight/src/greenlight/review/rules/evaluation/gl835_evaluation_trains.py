"""GL835: evaluate.py trains, or imports the training."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from greenlight.review.criteria import Criterion
from greenlight.review.engines.readback import Readback
from greenlight.review.finding import Finding, Severity
from greenlight.review.rule import Rule
from greenlight.review.subject import Subject


class EvaluationTrains(Rule):
    """evaluate.py trains a model or imports the training, though it only has to read finished runs."""

    id = "GL835"
    name = "evaluation-trains"
    criterion = Criterion.EVALUATION
    severity = Severity.MAJOR
    sentences = ("8.1",)
    summary = "evaluate.py trains a model or imports the training, though it only has to read finished runs."
    why = (
        "Imported, train.py brings the whole training stack and its side effects with it; a model that is "
        "trained again is not the one whose run is reported."
    )
    remedy = "Read what is needed from W&B."
    valid = (
        {
            "src/evaluate.py": """
            import wandb

            def read(cfg, run_id):
                return wandb.Api().run(f"{cfg.wandb.entity}/{cfg.wandb.project}/{run_id}")
        """,
        },
    )
    invalid = (
        {
            "src/evaluate.py": """
            from src.train import build_and_test

            def main(cfg):
                return build_and_test(cfg)
        """,
        },
        {
            "src/evaluate.py": """
            import torch

            def main(model, rows):
                optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
                for row in rows:
                    model(row).sum().backward()
                    optimizer.step()
        """,
        },
    )

    def check(self, subject: Subject) -> Iterator[Finding]:
        """Yield what is wrong."""
        readback = subject.derived(Readback)
        module = readback.module
        if module is None:
            return

        for node in module.nodes:
            if isinstance(node, ast.ImportFrom | ast.Import):
                names = [module.source_of(node)] if isinstance(node, ast.ImportFrom) else [a.name for a in node.names]
                if isinstance(node, ast.ImportFrom) and names == ["src"]:
                    names = [f"src.{alias.name}" for alias in node.names]
                for name in names:
                    if name in ("src.train", "src.main"):
                        yield self.at(
                            module, node, f"evaluate.py imports {name}", "read what is needed from W&B instead"
                        )
        if any(name.partition(".")[0] == "torch" for name in module.imports.values()):
            for call in module.method_calls("backward"):
                yield self.at(
                    module,
                    call,
                    f"{module.source(call)}: evaluate.py trains a model",
                    "read the finished run from W&B instead",
                )
                return
