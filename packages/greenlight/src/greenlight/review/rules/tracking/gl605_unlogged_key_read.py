"""GL605: evaluate.py reads a key that training never logs."""

from __future__ import annotations

import ast
import difflib
import re
from collections.abc import Iterator
from dataclasses import dataclass

from greenlight.review.criteria import Criterion
from greenlight.review.engines.metrics import Metrics
from greenlight.review.engines.readback import HISTORIES, Readback
from greenlight.review.finding import Finding, Severity
from greenlight.review.module import Module, argument, walk
from greenlight.review.rule import Rule
from greenlight.review.subject import Subject


@dataclass(frozen=True)
class _Read:
    """A read of one key, or of several where one stands in for another."""

    node: ast.AST
    names: tuple[str, ...]
    place: str
    effect: str = ""


def _reads(readback: Readback, module: Module) -> Iterator[_Read]:
    """Yield the reads that have to succeed: not those that a test, a try or a fallback protects."""
    tested = {
        module.value(n.left)
        for n in module.nodes
        if isinstance(n, ast.Compare) and isinstance(n.ops[0], ast.In | ast.NotIn)
    }
    made = {
        module.value(n.slice) for n in module.nodes if isinstance(n, ast.Subscript) and isinstance(n.ctx, ast.Store)
    }
    renamed = any(True for _ in module.method_calls("rename", "set_axis", "assign", "add_prefix", "insert"))
    for node in module.nodes:
        if isinstance(node, ast.Subscript) and isinstance(node.ctx, ast.Load):
            kind = readback.kind(node.value)
            place = "history" if kind in HISTORIES else "summary" if readback.is_summary(node.value) else None
            if place is None or (renamed and place == "history"):
                continue
            given = module.value(node.slice)
            names = [given] if isinstance(given, str) else given if isinstance(given, list) else []
            for name in names:
                if isinstance(name, str) and name not in tested and name not in made and not _in_try(module, node):
                    yield _Read(node, (name,), place, ": this raises KeyError")
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "get":
            if not readback.is_summary(node.func.value) or not _alone(module, node):
                continue
            names = _alternatives(readback, module, node)
            if names and not any(name in tested for name in names):
                yield _Read(node, tuple(names), "summary")


def _alternatives(readback: Readback, module: Module, node: ast.expr) -> list[str]:
    """Return the keys of ``get(a, get(b))``; none where one of them is not known."""
    if not (isinstance(node, ast.Call) and node.args):
        return []
    first = module.value(node.args[0])
    if not isinstance(first, str):
        return []
    if len(node.args) < 2 or isinstance(node.args[1], ast.Constant):
        return [first]
    more = (
        _alternatives(readback, module, node.args[1])
        if readback.is_summary(getattr(getattr(node.args[1], "func", None), "value", ast.Pass()))
        else []
    )
    return [first, *more] if more else []


def _alone(module: Module, node: ast.Call) -> bool:
    """Return whether nothing else stands in for a missing value: an ``or``, a condition, a later assignment."""
    for around in module.ancestors(node):
        if isinstance(around, ast.BoolOp | ast.IfExp | ast.Try | ast.If | ast.comprehension | ast.Compare):
            return False
        if isinstance(around, ast.Call) and isinstance(around.func, ast.Attribute) and around.func.attr == "get":
            return False
        if isinstance(around, ast.Assign | ast.AnnAssign):
            target = around.targets[0] if isinstance(around, ast.Assign) else around.target
            return isinstance(target, ast.Name) and module.assigned(target) is not None and not _tested(module, target)
        if isinstance(around, ast.stmt):
            break
    return True


def _tested(module: Module, name: ast.Name) -> bool:
    scope = module.scope(name)
    return any(
        isinstance(n, ast.If | ast.IfExp | ast.BoolOp)
        and any(
            isinstance(i, ast.Name) and i.id == name.id for i in walk(n.test if not isinstance(n, ast.BoolOp) else n)
        )
        for n in walk(scope)
    )


def _letters(name: str) -> str:
    return re.sub(r"[^a-z0-9]", "", name.lower())


def _in_try(module: Module, node: ast.AST) -> bool:
    return any(isinstance(a, ast.Try) for a in module.ancestors(node))


class UnloggedKeyRead(Rule):
    """evaluate.py reads a column or summary entry that the training never writes, so it fails or goes on without it."""

    id = "GL605"
    name = "unlogged-key-read"
    criterion = Criterion.TRACKING
    severity = Severity.MAJOR
    sentences = ("6.4", "8.4")
    summary = (
        "evaluate.py reads a column or summary entry that the training never writes, so it fails or goes on without it."
    )
    why = (
        "A name that differs by one character is another name: history['val_acc'] raises KeyError where "
        "train.py logs 'val/acc', and summary.get gives None for every run."
    )
    remedy = "Use the same name in train.py and evaluate.py."
    valid = (
        {
            "src/train.py": """
            import wandb

            def train(cfg, epochs):
                run = wandb.init(id=cfg.run_id, project=cfg.wandb.project)
                for loss, accuracy in epochs:
                    run.log({"loss": loss, "val/acc": accuracy})
        """,
            "src/evaluate.py": """
            import wandb

            def curve(path, axes):
                history = wandb.Api().run(path).history(samples=100000)
                for name in ("accuracy", "val/acc"):
                    if name in history.columns:
                        axes.plot(history[name])
        """,
        },
        {
            "src/train.py": """
            import wandb

            def train(cfg, epochs):
                run = wandb.init(id=cfg.run_id, project=cfg.wandb.project)
                for loss, accuracy in epochs:
                    run.log({"loss": loss, **{f"val/{name}": value for name, value in accuracy.items()}})
                run.summary["best_accuracy"] = 0.9
        """,
            "src/evaluate.py": """
            import wandb

            def read(path):
                run = wandb.Api().run(path)
                history = run.history(samples=100000)
                summary = run.summary._json_dict
                value = summary.get("best_accuracy") or summary.get("final_accuracy")
                return history["loss"], history["val/accuracy"], value
        """,
        },
    )
    invalid = (
        {
            "src/train.py": """
            import wandb

            def train(cfg, epochs):
                run = wandb.init(id=cfg.run_id, project=cfg.wandb.project)
                for loss, accuracy in epochs:
                    run.log({"loss": loss, "val/acc": accuracy})
        """,
            "src/evaluate.py": """
            import wandb

            def curve(path, axes):
                history = wandb.Api().run(path).history(samples=100000)
                if "val_acc" in history.columns:
                    axes.plot(history["val_acc"])
        """,
        },
        {
            "src/train.py": """
            import wandb

            def train(cfg, epochs):
                run = wandb.init(id=cfg.run_id, project=cfg.wandb.project)
                for loss, accuracy in epochs:
                    run.log({"loss": loss, "val/acc": accuracy})
        """,
            "src/evaluate.py": """
            import wandb

            def read(path):
                history = wandb.Api().run(path).history(samples=100000)
                return history["val_acc"].max()
        """,
        },
        {
            "src/train.py": """
            import wandb

            def train(cfg, epochs):
                run = wandb.init(id=cfg.run_id, project=cfg.wandb.project)
                for loss in epochs:
                    run.log({"loss": loss})
                run.summary["final_loss"] = loss
        """,
            "src/evaluate.py": """
            import wandb

            def read(path):
                run = wandb.Api().run(path)
                return run.summary.get("final_test_loss")
        """,
        },
    )

    def check(self, subject: Subject) -> Iterator[Finding]:
        """Yield what is wrong."""
        metrics = subject.derived(Metrics)
        module = metrics.readback.module
        if module is None or not metrics.is_complete:
            return
        seen: set[str] = set()
        for read in _reads(metrics.readback, module):
            known = metrics.may_be_in_summary if read.place == "summary" else metrics.may_be_logged
            if read.names[0] in seen or any(known(name) for name in read.names):
                continue
            seen.add(read.names[0])
            everything = {key.name for key in metrics.logged}
            if read.place == "summary":
                everything |= {key.name for key in metrics.summarised}
            near = difflib.get_close_matches(read.names[0], sorted(everything), 1, 0.6)
            what = " and ".join(repr(name) for name in read.names)
            yield self.at(
                module,
                read.node,
                f"evaluate.py reads {what} from the {read.place}, but training never writes it" + read.effect,
                f"read {near[0]!r}, which training writes"
                if near
                else f"log {read.names[0]!r} in src/train.py, or drop it here",
                severity=Severity.BLOCKER if read.effect else Severity.MAJOR,
            )
        yield from self._asked_for(metrics, module)

    def _asked_for(self, metrics: Metrics, module: Module) -> Iterator[Finding]:
        """Yield the columns that are asked for under another spelling than training logs them."""
        if any(True for _ in module.method_calls("rename", "replace", "sub", "translate", "set_axis")):
            return  # names are made over
        if any(module.value(argument(c, "sep", 0)) == "/" for c in module.method_calls("split", "rsplit", "partition")):
            return
        texts = {n.value for n in module.nodes if isinstance(n, ast.Constant) and isinstance(n.value, str)}
        spelt = {_letters(key.name): key.name for key in metrics.logged if "{}" not in key.name}
        for node in module.nodes:
            if not (isinstance(node, ast.Compare) and len(node.ops) == 1 and isinstance(node.ops[0], ast.In)):
                continue
            place = node.comparators[0]
            if isinstance(place, ast.Attribute) and place.attr == "columns":
                place = place.value
            name = module.value(node.left)
            if metrics.readback.kind(place) not in HISTORIES or not isinstance(name, str):
                continue
            near = spelt.get(_letters(name))
            if near is not None and near not in texts and not metrics.may_be_logged(name):
                yield self.at(
                    module,
                    node,
                    f"evaluate.py asks whether the history has {name!r}; training logs {near!r}, so it never has",
                    f"use one name in both files: {near!r}",
                )
                return
