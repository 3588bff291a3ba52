"""GL113: an attribute or method of an own class is used that nothing gives it."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

from greenlight.review.criteria import Criterion
from greenlight.review.engines.library import Library
from greenlight.review.engines.own_code import OwnCode
from greenlight.review.finding import Finding, Severity
from greenlight.review.module import Module
from greenlight.review.rule import Rule
from greenlight.review.subject import Subject


class MissingOwnAttribute(Rule):
    """``self.name``, or an own object's ``name``, that no class body and no assignment has."""

    id = "GL113"
    name = "missing-own-attribute"
    criterion = Criterion.COMPLETE
    severity = Severity.BLOCKER
    sentences = ("1.2", "1.3")
    summary = "A method or attribute of one of the experiment's own classes is used that does not exist."
    why = "It is an AttributeError when the line is reached; classes and their users are generated apart and disagree."
    remedy = "Define the method or assign the attribute, or use the one that is there."
    valid = (
        {
            "src/model.py": """
                from torch import nn
                from other import Base

                class Head(nn.Module):
                    width: int = 3

                    def __init__(self):
                        super().__init__()
                        self.register_buffer("scale", None)
                        self.depth = 1

                    def forward(self, x):
                        return x * self.scale * self.width * self.depth + self.extra_repr().count(self.training)

                class Grown(Base):
                    def size(self):
                        return self.whatever
            """,
        },
    )
    invalid = (
        {
            "src/train.py": """
                class Clock:
                    def __init__(self, budget):
                        self.budget = budget

                    def is_over(self, now):
                        return now - self.started > self.budget
            """
        },
        {
            "src/preprocess.py": """
                class Accuracy:
                    def update(self, right):
                        return right
            """,
            "src/train.py": """
                from src.preprocess import Accuracy

                def evaluate(rows):
                    meter = Accuracy()
                    meter.update(rows)
                    return meter.result()
            """,
        },
    )

    def check(self, subject: Subject) -> Iterator[Finding]:
        """Yield one finding for each attribute and class."""
        own = subject.derived(OwnCode)
        if own.has_dynamic_attributes:
            return
        module_attributes = subject.derived(Library).attributes("torch.nn.Module") | {"training"}
        told: set[tuple[str, str]] = set()
        for module in subject.code:
            for node in module.nodes:
                if not (isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Load)):
                    continue
                if node.attr in own.stored or (node.attr.startswith("__") and node.attr.endswith("__")):
                    continue
                found = own.instance_of(module, node.value)
                bases = own.bases(*found) if found is not None else None
                if found is None or bases is None or (found[1].name, node.attr) in told:
                    continue
                if bases - {"object", "abc.ABC"} and (node.attr in module_attributes or node.attr.startswith("_")):
                    continue
                # What a subclass or a second parent brings is not known.
                if (
                    found[1].name in own.parents
                    or found[1].name.endswith("Mixin")
                    or _changes_attributes(found[1])
                    or _is_tried(module, node)
                ):
                    continue
                told.add((found[1].name, node.attr))
                yield self.at(
                    module,
                    node,
                    f"{found[1].name} has no {node.attr}: no class body and no assignment gives it one",
                    f"define {node.attr} in {found[1].name}, or use what it has",
                )


def _changes_attributes(kind: ast.ClassDef) -> bool:
    return any(
        isinstance(node, ast.FunctionDef) and node.name in ("__getattr__", "__getattribute__") for node in kind.body
    )


def _answers(block: ast.Try) -> bool:
    """Return whether a handler can be meant for a missing attribute."""
    caught = " ".join("Exception" if h.type is None else ast.unparse(h.type) for h in block.handlers)
    return any(name in caught for name in ("AttributeError", "BaseException")) or bool(
        re.search(r"(^|[\s(,.])Exception\b", caught)
    )


def _is_tried(module: Module, node: ast.AST) -> bool:
    return any(isinstance(around, ast.Try) and _answers(around) for around in module.ancestors(node))
