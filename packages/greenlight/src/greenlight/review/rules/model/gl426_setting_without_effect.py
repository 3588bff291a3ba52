"""GL426: a setting is read into an attribute that nothing reads."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from greenlight.review.criteria import Criterion
from greenlight.review.engines.networks import own_attribute
from greenlight.review.engines.run_values import RunValues
from greenlight.review.finding import Finding, Severity
from greenlight.review.module import Module, parameters, walk
from greenlight.review.rule import Rule
from greenlight.review.subject import Subject


class SettingWithoutEffect(Rule):
    """``self.dropout = cfg.model.dropout`` and no more."""

    id = "GL426"
    name = "setting-without-effect"
    criterion = Criterion.MODEL
    severity = Severity.MINOR
    sentences = ("4.5",)
    summary = "A setting of the run file is kept in an attribute that nothing reads, so changing it changes nothing."
    why = (
        "The run file promises an entropy bonus or a dropout rate, the class stores it, and no line uses it: the "
        "method "
        "that runs is another one than the method that is described."
    )
    remedy = "Use the setting where the method needs it, or remove it from the run file and the class."
    valid = (
        {
            "src/model.py": """
            class Schedule:
                def __init__(self, cfg):
                    self.decay = cfg.training.decay
                    self.cfg = cfg

                def rate(self, step):
                    return self.decay**step
            """
        },
        {
            "src/model.py": """
            class Schedule(Framework):
                def __init__(self, cfg):
                    self.decay = cfg.training.decay
            """
        },
    )
    invalid = (
        {
            "src/model.py": """
            import torch

            class Policy(torch.nn.Module):
                def __init__(self, cfg):
                    super().__init__()
                    self.rate = cfg.training.rate
                    self.temperature = cfg.training.temperature

                def forward(self, x):
                    return x * self.rate
            """
        },
    )

    def check(self, subject: Subject) -> Iterator[Finding]:
        """Yield one finding for each attribute."""
        values = subject.derived(RunValues)
        read = {word for module in subject.modules.values() for node in module.nodes for word in _words_read(node)}
        for module in subject.code:
            for owner in module.classes:
                if not self._is_own(subject, module, owner):
                    continue
                seen = set()
                for node in walk(owner):
                    if not (isinstance(node, ast.Assign) and len(node.targets) == 1):
                        continue
                    name, value = own_attribute(node.targets[0]), _bare(node.value)
                    if name is None or name in read or name in seen or own_attribute(value) is not None:
                        continue
                    path = values.path(module, value) or ()
                    if isinstance(value, ast.Name) and len(path) > 1 and self._is_only_kept(module, owner, value):
                        seen.add(name)
                        yield self.at(
                            module,
                            node,
                            f"self.{name} keeps {'.'.join(path)} and is never read: the setting has no effect on "
                            f"{owner.name}",
                            f"use self.{name} in {owner.name}, or remove the parameter {value.id}",
                        )
                    if isinstance(value, ast.Attribute) and len(path) > 1 and self._only_here(subject, value):
                        seen.add(name)
                        yield self.at(
                            module,
                            node,
                            f"self.{name} is set from {module.source(value)} and never read: the setting has no effect",
                            f"use self.{name} in {owner.name}, or remove the setting",
                        )

    @staticmethod
    def _is_only_kept(module: Module, owner: ast.ClassDef, value: ast.Name) -> bool:
        """Return whether a parameter of a constructor is assigned to an attribute and used for nothing else."""
        method = module.function_around(value)
        if method is None or method.name != "__init__" or module.parent(method) is not owner:
            return False
        uses = [n for n in walk(method) if isinstance(n, ast.Name) and n.id == value.id]
        return len(uses) == 1 and value.id in {a.arg for a in parameters(method)}

    @staticmethod
    def _only_here(subject: Subject, value: ast.Attribute) -> bool:
        """Return whether the setting's key stands nowhere else in the code."""
        return not any(
            node is not value
            and (
                (isinstance(node, ast.Attribute) and node.attr == value.attr and isinstance(node.ctx, ast.Load))
                or (isinstance(node, ast.Constant) and node.value == value.attr)
            )
            for module in subject.modules.values()
            for node in module.nodes
        )

    @staticmethod
    def _is_own(subject: Subject, module: Module, owner: ast.ClassDef) -> bool:
        """Return whether nothing but the experiment reads a class: it derives from nothing, Module, or its own."""
        if owner.decorator_list or owner.keywords:
            return False
        if any(isinstance(n, ast.Name) and n.id in ("vars", "getattr", "__dict__") for n in walk(owner)):
            return False
        for base in owner.bases:
            dotted = module.dotted(base) or ""
            if dotted != "torch.nn.Module" and subject.find(dotted) is None:
                return False
        return True


def _bare(node: ast.expr) -> ast.expr:
    """Return the argument of ``int(x)`` and the like."""
    if (
        isinstance(node, ast.Call)
        and isinstance(node.func, ast.Name)
        and node.func.id in ("int", "float", "bool", "str")
    ):
        return node.args[0] if len(node.args) == 1 else node
    return node


def _words_read(node: ast.AST) -> Iterator[str]:
    if isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Load):
        # cfg.model.rate reads a setting, obj.rate an attribute; a chain from the configuration does not count.
        root: ast.AST = node
        while isinstance(root, ast.Attribute):
            root = root.value
        if not (isinstance(root, ast.Name) and root.id in ("cfg", "config", "conf")):
            yield node.attr
    elif isinstance(node, ast.Constant) and isinstance(node.value, str):
        yield node.value
