"""GL416: evaluation inside of the training loop switches the model to eval mode, and nothing switches it back."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from greenlight.review.criteria import Criterion
from greenlight.review.finding import Finding, Severity
from greenlight.review.module import Function, Module, walk
from greenlight.review.rule import NotApplicable, Rule
from greenlight.review.subject import Subject


class LeftInEvalMode(Rule):
    """After the first evaluation the model trains without dropout and with frozen batch statistics."""

    id = "GL416"
    name = "left-in-eval-mode"
    criterion = Criterion.MODEL
    severity = Severity.MAJOR
    sentences = ("4.6",)
    summary = (
        "The model is put into eval mode inside of the training loop and never back, so it trains without dropout."
    )
    why = (
        "model.train() before the loop holds until the first model.eval(). From then on dropout is off and batch "
        "norm uses "
        "its running statistics while gradients still flow: a different model is trained than the one configured."
    )
    remedy = "Call model.train() at the start of every epoch, or after each evaluation."
    valid = (
        {
            "src/train.py": """
            def train(model, optimizer, batches, held_out):
                for epoch in range(3):
                    model.train()
                    for batch in batches:
                        model(batch).backward()
                        optimizer.step()
                    model.eval()
                    score(model, held_out)
            """
        },
        {
            "src/train.py": """
            def train(model, optimizer, batches, held_out):
                model.train()
                for epoch in range(3):
                    for batch in batches:
                        model(batch).backward()
                        optimizer.step()
                model.eval()
                score(model, held_out)
            """
        },
    )
    invalid = (
        {
            "src/train.py": """
            def train(model, optimizer, batches, held_out):
                model.train()
                for epoch in range(3):
                    for batch in batches:
                        model(batch).backward()
                        optimizer.step()
                    model.eval()
                    score(model, held_out)
            """
        },
    )

    def check(self, subject: Subject) -> Iterator[Finding]:
        """Yield one finding for each loop."""
        if not any(True for module in subject.code for _ in module.method_calls("eval")):
            raise NotApplicable("no model is put into eval mode")
        for module in subject.code:
            for function in module.functions:
                yield from self._in_function(subject, module, function)

    def _in_function(self, subject: Subject, module: Module, function: Function) -> Iterator[Finding]:
        for loop in walk(function):
            if not isinstance(loop, ast.For | ast.While) or any(
                isinstance(a, ast.For | ast.While) for a in module.ancestors(loop)
            ):
                continue
            inside = list(walk(loop))
            if not any(isinstance(n, ast.Attribute) and n.attr == "backward" for n in inside):
                continue
            back = {ast.unparse(n.value) for n in inside if isinstance(n, ast.Attribute) and n.attr == "train"}
            for node in inside:
                if not (
                    isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "eval"
                ):
                    continue
                owner = node.func.value
                if not isinstance(owner, ast.Name) or owner.id in back or node.args:
                    continue
                trained = any(
                    isinstance(n, ast.Call) and isinstance(n.func, ast.Name) and n.func.id == owner.id for n in inside
                )
                leaves = any(isinstance(n, ast.Return | ast.Break) for n in _after(module, node))
                if (
                    trained
                    and not leaves
                    and not self._given_away(subject, module, inside, owner.id)
                    and self._made_outside(loop, owner.id)
                ):
                    yield self.at(
                        module,
                        node,
                        f"{owner.id}.eval() in the training loop is never followed by {owner.id}.train()",
                        f"call {owner.id}.train() before the next batch is trained on",
                    )

    @staticmethod
    def _given_away(subject: Subject, module: Module, inside: list[ast.AST], name: str) -> bool:
        """Return whether the loop hands the model to a function that may switch it back."""
        for node in inside:
            if isinstance(node, ast.Call) and any(isinstance(a, ast.Name) and a.id == name for a in node.args):
                dotted = module.dotted(node.func)
                found = subject.find(dotted) if dotted else None
                if found is not None and any(
                    isinstance(n, ast.Attribute) and n.attr == "train" for n in walk(found[1])
                ):
                    return True
        return False

    @staticmethod
    def _made_outside(loop: ast.For | ast.While, name: str) -> bool:
        return not any(isinstance(n, ast.Name) and n.id == name and isinstance(n.ctx, ast.Store) for n in walk(loop))


def _after(module: Module, node: ast.AST) -> Iterator[ast.AST]:
    """Yield what follows in the block of a statement."""
    statement = module.statement(node)
    around = module.parent(statement) if statement is not None else None
    block = getattr(around, "body", [])
    if isinstance(block, list) and statement in block:
        yield from block[block.index(statement) + 1 :]
