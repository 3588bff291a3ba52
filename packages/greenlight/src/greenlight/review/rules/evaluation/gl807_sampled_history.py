"""GL807: the history is a sample of 500 rows."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from greenlight.review.criteria import Criterion
from greenlight.review.engines.flow import Flow
from greenlight.review.engines.metrics import Metrics
from greenlight.review.finding import Finding, Severity
from greenlight.review.module import Module, argument, has_open_arguments, walk
from greenlight.review.rule import Rule
from greenlight.review.subject import Subject


def _each_step(flow: Flow, module: Module, node: ast.AST) -> bool:
    """Return whether a row is logged in a loop inside of a loop, whatever the number of the step."""
    loops = []
    for around in module.ancestors(node):
        if isinstance(around, ast.If) and any(isinstance(n, ast.Mod) for n in walk(around.test)):
            return False
        if isinstance(around, ast.For | ast.While):
            loops.append(around)
        if isinstance(around, ast.FunctionDef | ast.AsyncFunctionDef):
            break
    # A row a step is many rows only where a step is a step of training.
    return len(loops) >= 2 and any(
        isinstance(n, ast.Call) and isinstance(n.func, ast.Attribute) and n.func.attr == "backward"
        for _, body in flow.reached(module, loops[0])
        for n in walk(body)
    )


class SampledHistory(Rule):
    """run.history() returns 500 sampled rows, though the training logs a row at every step."""

    id = "GL807"
    name = "sampled-history"
    criterion = Criterion.EVALUATION
    severity = Severity.MAJOR
    sentences = ("8.4",)
    summary = "run.history() returns 500 sampled rows, though the training logs a row at every step."
    why = (
        "W&B samples the history unless told otherwise; rare rows such as evaluations are mostly lost, and a "
        "curve or a maximum read from the rest is wrong."
    )
    remedy = "Use scan_history(), or pass samples= with at least the number of rows."
    valid = (
        {
            "src/train.py": """
            import wandb

            def train(cfg, loader):
                wandb.init(id=cfg.run_id, project=cfg.wandb.project)
                for epoch in range(cfg.training.epochs):
                    for loss in loader:
                        loss.backward()
                        wandb.log({"loss": loss.item()})
        """,
            "src/evaluate.py": """
            import pandas as pd
            import wandb

            def read(path):
                return pd.DataFrame(wandb.Api().run(path).scan_history())
        """,
        },
        {
            "src/train.py": """
            import wandb

            def train(cfg, epochs):
                wandb.init(id=cfg.run_id, project=cfg.wandb.project)
                for loss in epochs:
                    wandb.log({"loss": loss})
        """,
            "src/evaluate.py": """
            import wandb

            def read(path):
                return wandb.Api().run(path).history()
        """,
        },
    )
    invalid = (
        {
            "src/train.py": """
            import wandb

            def train(cfg, loader):
                wandb.init(id=cfg.run_id, project=cfg.wandb.project)
                for epoch in range(cfg.training.epochs):
                    for loss in loader:
                        loss.backward()
                        wandb.log({"loss": loss.item()})
        """,
            "src/evaluate.py": """
            import wandb

            def read(path):
                return wandb.Api().run(path).history()
        """,
        },
    )

    def check(self, subject: Subject) -> Iterator[Finding]:
        """Yield what is wrong."""
        metrics = subject.derived(Metrics)
        readback = metrics.readback
        module = readback.module
        often = next((row for row in metrics.rows if _each_step(metrics.flow, row.module, row.node)), None)
        if module is None or often is None:
            return
        for call in module.method_calls("history"):
            if readback.kind(call) not in ("history", "rows") or has_open_arguments(call):
                continue
            if argument(call, "samples", 0) is None:
                yield self.at(
                    module,
                    call,
                    f"{module.source(call)} returns 500 sampled rows; {often.module.path} logs one at each step",
                    "write pd.DataFrame(run.scan_history()), or pass samples= with at least the number of rows",
                    confidence="likely",
                )
                return
