"""GL617: W&B is switched off in every mode."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from typing import TypeGuard

from greenlight.review.criteria import Criterion
from greenlight.review.engines.training import Training
from greenlight.review.finding import Finding, Severity
from greenlight.review.module import Module, argument, has_open_arguments, walk
from greenlight.review.rule import Rule
from greenlight.review.subject import Subject

_OFF = ("disabled", "offline", "dryrun")


def _environment(module: Module) -> Iterator[tuple[Module, ast.AST, object]]:
    """Yield where a file sets WANDB_MODE, and to what."""
    for node in module.nodes:
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Subscript):
            if module.value(node.targets[0].slice) == "WANDB_MODE":
                yield module, node, module.value(node.value)
        elif isinstance(node, ast.Call) and module.dotted(node.func) == "os.environ.setdefault" and len(node.args) == 2:
            if module.value(node.args[0]) == "WANDB_MODE":
                yield module, node, module.value(node.args[1])
        elif isinstance(node, ast.Constant) and node.value == "WANDB_MODE" and not _is_plain(module, node):
            yield module, node, None


def _is_plain(module: Module, node: ast.AST) -> bool:
    around = module.parent(node)
    if isinstance(around, ast.Subscript):
        return True
    return isinstance(around, ast.Call) and module.dotted(around.func) in (
        "os.environ.setdefault",
        "os.environ.get",
        "os.getenv",
    )


def _is_start(node: ast.AST, module: Module) -> TypeGuard[ast.Call]:
    return isinstance(node, ast.Call) and module.dotted(node.func) == "wandb.init"


def _always(module: Module, node: ast.AST) -> bool:
    """Return whether a statement runs whenever its file or function does."""
    for around in module.ancestors(node):
        if isinstance(around, ast.If | ast.IfExp | ast.Try | ast.Match | ast.While | ast.For | ast.Lambda | ast.BoolOp):
            return False
        if isinstance(around, ast.FunctionDef | ast.AsyncFunctionDef):
            early = any(isinstance(n, ast.Return) and n.lineno < getattr(node, "lineno", 0) for n in walk(around))
            starts = [n.lineno for n in walk(around) if _is_start(n, module)]
            return not early and (isinstance(node, ast.Call) or max(starts, default=0) > getattr(node, "lineno", 0))
    return True


class TrackingForcedOff(Rule):
    """W&B is switched off or offline in every mode, so a full run leaves nothing for evaluate.py to read."""

    id = "GL617"
    name = "tracking-forced-off"
    criterion = Criterion.TRACKING
    severity = Severity.BLOCKER
    sentences = ("6.7",)
    summary = "W&B is switched off or offline in every mode, so a full run leaves nothing for evaluate.py to read."
    why = (
        "A mode that stands in the code, outside of any condition, holds in full mode too; runs that are "
        "offline reach the server only by a later wandb sync."
    )
    remedy = "Take the mode from the configuration: online in full mode, disabled in trial mode."
    valid = (
        {
            "src/train.py": """
            import wandb

            def start(cfg):
                return wandb.init(id=cfg.run_id, project=cfg.wandb.project, mode=cfg.wandb.mode)
        """,
        },
        {
            "src/train.py": """
            import os
            import wandb

            def start(cfg):
                if cfg.mode == "trial":
                    os.environ["WANDB_MODE"] = "disabled"
                return wandb.init(id=cfg.run_id, project=cfg.wandb.project)
        """,
        },
    )
    invalid = (
        {
            "src/train.py": """
            import wandb

            def start(cfg):
                return wandb.init(id=cfg.run_id, project=cfg.wandb.project, mode="offline")
        """,
        },
        {
            "src/train.py": """
            import os
            import wandb

            os.environ["WANDB_MODE"] = "disabled"

            def start(cfg):
                return wandb.init(id=cfg.run_id, project=cfg.wandb.project)
        """,
        },
    )

    def check(self, subject: Subject) -> Iterator[Finding]:
        """Yield what is wrong."""
        training = subject.derived(Training)
        if not training.inits:
            return
        modes = [argument(p.node, "mode") for p in training.inits if isinstance(p.node, ast.Call)]
        if len(modes) == 1 and modes[0] is not None:
            place = training.inits[0]
            value = place.module.value(modes[0])
            if value in _OFF and _always(place.module, place.node):
                yield self.at(
                    place.module,
                    place.node,
                    f"wandb.init(mode={value!r}) whatever the mode of the experiment: full runs are not tracked",
                    "write mode=cfg.wandb.mode",
                )
            return
        if any(mode is not None for mode in modes) or any(
            has_open_arguments(p.node) for p in training.inits if isinstance(p.node, ast.Call)
        ):
            return
        places = [found for m in training.modules for found in _environment(m)]
        if len({(id(module), id(node)) for module, node, _ in places}) != 1:
            return  # set twice: what holds is a question of order
        module, node, value = places[0]
        if value in _OFF and _always(module, node):
            yield self.at(
                module,
                node,
                f"WANDB_MODE is {value!r} whatever the mode of the experiment: full runs are not tracked",
                "set it only where the mode is trial",
            )
