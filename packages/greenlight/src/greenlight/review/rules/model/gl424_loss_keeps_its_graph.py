"""GL424: losses are summed up with their graphs."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from greenlight.review.criteria import Criterion
from greenlight.review.finding import Finding, Severity
from greenlight.review.module import Function, Module, walk
from greenlight.review.rule import Rule
from greenlight.review.subject import Subject


class LossKeepsItsGraph(Rule):
    """``total_loss += loss`` next to ``loss.backward()``."""

    id = "GL424"
    name = "loss-keeps-its-graph"
    criterion = Criterion.MODEL
    severity = Severity.MINOR
    sentences = ("4.6",)
    summary = "A running sum of losses keeps the graph of every batch, so memory grows until the epoch ends."
    why = (
        "The sum is a tensor that depends on every loss; autograd keeps their nodes as long as it lives. The "
        "memory of a "
        "long epoch grows step by step, and a run ends out of memory that started well."
    )
    remedy = "Add loss.item() or loss.detach()."
    valid = (
        {
            "src/train.py": """
            def train(model, batches):
                total = 0.0
                for batch in batches:
                    loss = model(batch).loss
                    loss.backward()
                    total += loss.item()
                return total
            """
        },
        {
            "src/train.py": """
            def train(model, parts):
                total = 0.0
                for part in parts:
                    loss = model(part).loss
                    total += loss
                total.backward()
            """
        },
    )
    invalid = (
        {
            "src/train.py": """
            def train(model, optimizer, batches):
                total = 0.0
                for batch in batches:
                    loss = model(batch).loss
                    loss.backward()
                    optimizer.step()
                    total += loss
                return total / len(batches)
            """
        },
    )

    def check(self, subject: Subject) -> Iterator[Finding]:
        """Yield one finding for each sum."""
        for module in subject.code:
            for function in module.functions:
                yield from self._in_function(module, function)

    def _in_function(self, module: Module, function: Function) -> Iterator[Finding]:
        nodes = list(walk(function))
        backward = {
            n.func.value.id: n
            for n in nodes
            if isinstance(n, ast.Call)
            and isinstance(n.func, ast.Attribute)
            and n.func.attr == "backward"
            and isinstance(n.func.value, ast.Name)
        }
        for node in nodes:
            if not (
                isinstance(node, ast.AugAssign)
                and isinstance(node.op, ast.Add)
                and isinstance(node.target, ast.Name)
                and isinstance(node.value, ast.Name)
                and node.value.id in backward
                and node.target.id not in backward
            ):
                continue
            loss, total = node.value.id, node.target.id
            loop = next((a for a in module.ancestors(node) if isinstance(a, ast.For | ast.While)), None)
            call_loop = next((a for a in module.ancestors(backward[loss]) if isinstance(a, ast.For | ast.While)), None)
            rebound = any(
                isinstance(n, ast.Assign)
                and any(isinstance(t, ast.Name) and t.id == loss for t in n.targets)
                and any(isinstance(a, ast.Attribute) and a.attr in ("item", "detach") for a in walk(n.value))
                for n in nodes
            )
            used = any(
                isinstance(n, ast.Name)
                and n.id == total
                and isinstance(module.parent(n), ast.Attribute)
                and getattr(module.parent(n), "attr", "") in ("backward", "detach", "detach_")
                for n in nodes
            )
            if loop is not None and loop is call_loop and not rebound and not used:
                yield self.at(
                    module,
                    node,
                    f"{total} += {loss} keeps the graph of every batch",
                    f"write {total} += {loss}.item()",
                )
