"""GL843: a curve has gaps at every point."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from greenlight.review.criteria import Criterion
from greenlight.review.engines.metrics import Metrics
from greenlight.review.finding import Finding, Severity
from greenlight.review.module import Module, argument, walk
from greenlight.review.rule import Rule
from greenlight.review.subject import Subject


def _asked_for_keys(module: Module) -> bool:
    return any(k.arg == "keys" for call in module.method_calls("history", "scan_history") for k in call.keywords)


def _more_often(module: Module, frequent: ast.AST, rare: ast.AST) -> bool:
    """Return whether a row is logged at each turn of a loop in or after which another one is logged rarely."""
    loop = next((a for a in module.ancestors(frequent) if isinstance(a, ast.For | ast.While)), None)
    if loop is None:
        return False
    if loop in module.ancestors(rare):
        return any(
            isinstance(a, ast.If) and any(isinstance(n, ast.Mod) for n in walk(a.test)) for a in module.ancestors(rare)
        )
    outer = next((a for a in module.ancestors(loop) if isinstance(a, ast.For | ast.While)), None)
    return outer is not None and outer in module.ancestors(rare)


class InvisibleCurve(Rule):
    """A metric that is logged in rows of its own is drawn with the gaps between them, so no line appears at all."""

    id = "GL843"
    name = "invisible-curve"
    criterion = Criterion.EVALUATION
    severity = Severity.MAJOR
    sentences = ("8.6",)
    summary = (
        "A metric that is logged in rows of its own is drawn with the gaps between them, so no line appears at all."
    )
    why = (
        "Each wandb.log without a common step makes its own row, and other columns are NaN there; matplotlib "
        "breaks a line at NaN, so single points without a marker stay invisible."
    )
    remedy = "Drop the missing values first: history[[x, y]].dropna()."
    valid = (
        {
            "src/train.py": """
            import wandb

            def train(cfg, epochs):
                wandb.init(id=cfg.run_id, project=cfg.wandb.project)
                for epoch in epochs:
                    for step, loss in enumerate(epoch):
                        wandb.log({"loss": loss, "step": step})
                    wandb.log({"accuracy": 1 - loss, "step": step})
        """,
            "src/evaluate.py": """
            import wandb

            def draw(path, ax):
                history = wandb.Api().run(path).history(samples=10000)
                history[["step", "accuracy"]].dropna().plot(x="step", y="accuracy", ax=ax)
        """,
        },
    )
    invalid = (
        {
            "src/train.py": """
            import wandb

            def train(cfg, epochs):
                wandb.init(id=cfg.run_id, project=cfg.wandb.project)
                for epoch in epochs:
                    for step, loss in enumerate(epoch):
                        wandb.log({"loss": loss, "step": step})
                    wandb.log({"accuracy": 1 - loss, "step": step})
        """,
            "src/evaluate.py": """
            import wandb

            def draw(path, ax):
                history = wandb.Api().run(path).history(samples=10000)
                history.plot(x="step", y="accuracy", ax=ax)
        """,
        },
    )

    def check(self, subject: Subject) -> Iterator[Finding]:
        """Yield what is wrong."""
        metrics = subject.derived(Metrics)
        readback = metrics.readback
        module = readback.module
        if (
            module is None
            or not metrics.is_complete
            or readback.words & {"dropna", "notna", "notnull", "isna", "interpolate", "ffill"}
        ):
            return
        if any(
            isinstance(row.node, ast.Call) and len([*row.node.args, *row.node.keywords]) > 1 for row in metrics.rows
        ):
            return  # a step in common: one row
        for call in module.method_calls("plot"):
            if not (isinstance(call.func, ast.Attribute) and readback.kind(call.func.value) == "history"):
                continue
            if any(k.arg in ("marker", "style", "kind", None) for k in call.keywords) or _asked_for_keys(module):
                continue
            name = module.value(argument(call, "y"))
            if not isinstance(name, str):
                continue
            having = [row for row in metrics.rows if any(key.may_be(name) for key in row.keys)]
            others = [row for row in metrics.rows if row not in having]
            if len(having) == 1 and any(
                _more_often(module_of, row.node, having[0].node)
                for row in others
                if (module_of := row.module) is having[0].module
            ):
                yield self.at(
                    module,
                    call,
                    f"{name!r} is logged in rows of its own, so this line has a gap at every point and is not drawn",
                    f"draw history[[x, {name!r}]].dropna()",
                )
