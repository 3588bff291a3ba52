"""GL618: W&B is used before its run begins or after it has ended."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from greenlight.review.criteria import Criterion
from greenlight.review.engines.training import Training
from greenlight.review.finding import Finding, Severity
from greenlight.review.module import Module, walk
from greenlight.review.rule import Rule
from greenlight.review.subject import Subject


def _run(module: Module, node: ast.expr) -> str | None:
    """Return the name of a run's handle that was assigned once, by wandb.init."""
    if not isinstance(node, ast.Name):
        return None
    value = module.assigned(node)
    return node.id if isinstance(value, ast.Call) and module.dotted(value.func) == "wandb.init" else None


def _after(module: Module, node: ast.stmt) -> list[ast.stmt]:
    """Return the statements that follow one in its block, if nothing can have left the block in between."""
    around = module.parent(node)
    for field in ("body", "orelse", "finalbody"):
        block = getattr(around, field, None)
        if isinstance(block, list) and node in block:
            return block[block.index(node) + 1 :]
    return []


def _starts(module: Module, node: ast.AST, handle: str) -> bool:
    """Return whether something may start a run anew: wandb.init, or any call but that of W&B or of the handle."""
    if not isinstance(node, ast.Call):
        return False
    dotted = module.dotted(node.func) or ""
    if dotted == "wandb.init":
        return True
    return dotted.startswith("src.") or (
        isinstance(node.func, ast.Name)
        and node.func.id != handle
        and node.func.id not in ("print", "float", "int", "len", "max", "min", "sum")
    )


def _uses(module: Module, node: ast.AST, handle: str) -> bool:
    if not (isinstance(node, ast.Attribute) and node.attr in ("log", "summary")):
        return False
    if handle == "wandb":
        return module.dotted(node) in ("wandb.log", "wandb.summary", "wandb.run.summary", "wandb.run.log")
    return isinstance(node.value, ast.Name) and node.value.id == handle


class TrackingOutOfOrder(Rule):
    """A value is sent to W&B before wandb.init or after wandb.finish, which raises an error."""

    id = "GL618"
    name = "tracking-out-of-order"
    criterion = Criterion.TRACKING
    severity = Severity.BLOCKER
    sentences = ("6.1",)
    summary = "A value is sent to W&B before wandb.init or after wandb.finish, which raises an error."
    why = (
        "wandb 0.31 raises 'You must call wandb.init() before wandb.log()', and 'Run ... is finished' for the "
        "handle of a run that was finished."
    )
    remedy = "Move the call between wandb.init and wandb.finish."
    valid = (
        {
            "src/train.py": """
            import wandb

            def train(cfg, losses):
                run = wandb.init(id=cfg.run_id, project=cfg.wandb.project)
                for loss in losses:
                    wandb.log({"loss": loss})
                run.summary["final_loss"] = loss
                wandb.finish()
                run = wandb.init(project=cfg.wandb.project)
                run.log({"again": 1})
                run.finish()
        """,
        },
    )
    invalid = (
        {
            "src/train.py": """
            import wandb

            def train(cfg, losses):
                wandb.init(id=cfg.run_id, project=cfg.wandb.project)
                for loss in losses:
                    wandb.log({"loss": loss})
                wandb.finish()
                wandb.summary["final_loss"] = loss
        """,
        },
        {
            "src/train.py": """
            import wandb

            def train(cfg, losses):
                run = wandb.init(id=cfg.run_id, project=cfg.wandb.project)
                run.finish()
                run.log({"final_loss": losses[-1]})
        """,
        },
    )

    def check(self, subject: Subject) -> Iterator[Finding]:
        """Yield what is wrong."""
        for module in subject.derived(Training).modules:
            for node in module.nodes:
                if not (isinstance(node, ast.Expr) and isinstance(node.value, ast.Call)):
                    continue
                func = node.value.func
                if not (isinstance(func, ast.Attribute) and func.attr == "finish"):
                    continue
                handle = "wandb" if module.dotted(func) == "wandb.finish" else _run(module, func.value)
                if handle is None:
                    continue
                for later in _after(module, node):
                    if any(_starts(module, n, handle) for n in walk(later)):
                        break
                    if not isinstance(later, ast.Expr | ast.Assign | ast.AugAssign):
                        continue
                    used = next((n for n in walk(later) if _uses(module, n, handle)), None)
                    if used is not None:
                        yield self.at(
                            module,
                            used,
                            f"{module.source(later)} comes after {module.source(node)}: the run is over",
                            f"move it before {module.source(node)}",
                        )
                        break
