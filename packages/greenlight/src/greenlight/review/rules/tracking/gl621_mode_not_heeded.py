"""GL621: W&B's mode has no effect."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

from greenlight.review.criteria import Criterion
from greenlight.review.engines.flow import Flow
from greenlight.review.engines.training import Training
from greenlight.review.finding import Finding, Severity
from greenlight.review.module import Module, argument, has_open_arguments, walk
from greenlight.review.rule import Rule
from greenlight.review.subject import Subject

_OTHER = re.compile(r"WANDB_MODE|WANDB_DISABLED|WANDB_SILENT|wandb\.setup|wandb\.Settings|wandb (disabled|off)")


def _is_always_run(flow: Flow, module: Module, node: ast.AST, depth: int) -> bool:
    """Return whether no condition and no early return stands before a node, in any function that leads to it."""
    function: ast.FunctionDef | ast.AsyncFunctionDef | None = None
    for around in module.ancestors(node):
        if isinstance(around, ast.If) and _is_main_guard(around):
            continue
        if isinstance(around, ast.If | ast.IfExp | ast.Try | ast.Match | ast.BoolOp | ast.Lambda | ast.ClassDef):
            return False
        if isinstance(around, ast.FunctionDef | ast.AsyncFunctionDef):
            function = around
            break
    if function is None:
        return True
    line = getattr(node, "lineno", 0)
    if any(isinstance(n, ast.Return) and n.lineno < line for n in walk(function)):
        return False
    calls = flow.calls_of(function)
    if not calls:
        return bool(function.decorator_list) or function.name in ("main", "train")
    return depth > 0 and all(_is_always_run(flow, where, call, depth - 1) for where, call in calls)


def _is_main_guard(node: ast.If) -> bool:
    return "__name__" in ast.unparse(node.test)


class ModeNotHeeded(Rule):
    """wandb.init heeds no mode, so a trial run goes online although the configuration says disabled."""

    id = "GL621"
    name = "mode-not-heeded"
    criterion = Criterion.TRACKING
    severity = Severity.MAJOR
    sentences = ("6.6", "9.2")
    summary = "wandb.init heeds no mode, so a trial run goes online although the configuration says disabled."
    why = (
        "cfg.wandb.mode is a value like any other: W&B learns of it only by mode=, by WANDB_MODE, or by not "
        "being started at all."
    )
    remedy = "Pass mode=cfg.wandb.mode to wandb.init."
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
            import wandb

            def start(cfg):
                return wandb.init(id=cfg.run_id, project=cfg.wandb.project)

            def train(cfg):
                if cfg.wandb.mode != "disabled":
                    start(cfg)
        """,
        },
    )
    invalid = (
        {
            "src/train.py": """
            import wandb

            def train(cfg):
                if cfg.mode == "trial":
                    cfg.wandb.mode = "disabled"
                wandb.init(id=cfg.run_id, project=cfg.wandb.project)
                wandb.log({"loss": 1.0})
        """,
        },
    )

    def check(self, subject: Subject) -> Iterator[Finding]:
        """Yield what is wrong."""
        training = subject.derived(Training)
        if not training.is_seen or any(_OTHER.search(m.text) for m in training.modules):
            return
        for place in training.inits:
            call = place.node
            if not isinstance(call, ast.Call) or has_open_arguments(call):
                continue
            if argument(call, "mode") is not None or argument(call, "settings") is not None:
                continue
            if _is_always_run(training.flow, place.module, call, 4):
                yield self.at(
                    place.module,
                    call,
                    f"{place.module.source(call)} has no mode and is under no condition: trial runs go online too",
                    "add mode=cfg.wandb.mode",
                )
