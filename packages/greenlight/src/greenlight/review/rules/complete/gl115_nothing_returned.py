"""GL115: the result of a function is used that returns nothing."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from greenlight.review.criteria import Criterion
from greenlight.review.engines.names import FileNames, Names
from greenlight.review.engines.own_code import OwnCode, returns_nothing
from greenlight.review.finding import Finding, Severity
from greenlight.review.module import Module
from greenlight.review.rule import Rule
from greenlight.review.subject import Subject


class NothingReturned(Rule):
    """A function without a ``return`` value whose result is assigned and read."""

    id = "GL115"
    name = "nothing-returned"
    criterion = Criterion.COMPLETE
    severity = Severity.BLOCKER
    sentences = ("1.2", "1.3")
    summary = "The result of one of the experiment's functions is used, and the function always gives None."
    why = (
        "A function that was meant to return its figures and does not gives None; the next line that reads them ends "
        "the run, or a search compares None with None."
    )
    remedy = "Return the value, or do not use the result."
    valid = (
        {
            "src/train.py": """
                def seed(value):
                    print(value)

                def steps(count):
                    yield from range(count)

                def train():
                    seed(1)
                    _ = seed(2)
                    rows = steps(3)
                    return list(rows)
            """
        },
    )
    invalid = (
        {
            "src/train.py": """
                def evaluate(model, rows):
                    score = sum(model(row) for row in rows)
                    print("score", score)

                def train(model, rows):
                    score = evaluate(model, rows)
                    return {"score": score}
            """
        },
    )

    def check(self, subject: Subject) -> Iterator[Finding]:
        """Yield one finding for each such use."""
        own, every = subject.derived(OwnCode), subject.derived(Names)
        for module in subject.code:
            names = every.of(module)
            if names is None:
                continue
            for node in module.nodes:
                if not isinstance(node, ast.Call):
                    continue
                around = module.parent(node)
                if not _uses(module, names, node, around):
                    continue
                callee = own.callee(module, node)
                if callee is None or callee.function.name in ("__init__", "__call__", "forward"):
                    continue
                if returns_nothing(callee.function) and not _is_stub(callee.function):
                    yield self.at(
                        module,
                        node,
                        f"{callee.name} returns nothing, and its result is used here",
                        f"let {callee.name} return the value",
                    )


_TAKERS = frozenset({"list", "len", "sum", "sorted", "tuple", "set", "enumerate", "iter", "next", "float", "int"})


def _uses(module: Module, names: FileNames, node: ast.Call, around: ast.AST | None) -> bool:
    if isinstance(around, ast.For | ast.comprehension):
        return around.iter is node
    if isinstance(around, ast.Call) and around.args[:1] == [node]:
        dotted = module.dotted(around.func) or ""
        name = around.func.id if isinstance(around.func, ast.Name) else ""
        return name in _TAKERS or dotted.startswith("torch.optim.")
    if isinstance(around, ast.Attribute | ast.Subscript | ast.BinOp | ast.Starred):
        return getattr(around, "value", node) is node
    if isinstance(around, ast.Assign) and around.value is node and len(around.targets) == 1:
        target = around.targets[0]
        if isinstance(target, ast.Tuple | ast.List):
            return True
        if isinstance(target, ast.Name) and not target.id.startswith("_"):
            space = names.space(target)
            reads = names.reads_of(space, target.id)
            bound = space.bound.get(target.id, [])
            return bool(reads) and len(bound) == 1 and not any(_is_asked_for(module, read) for read in reads)
    return False


def _is_asked_for(module: Module, read: ast.Name) -> bool:
    """Return whether a name is only compared with None or asked for its truth."""
    around = module.parent(read)
    return isinstance(around, ast.Compare | ast.If | ast.BoolOp | ast.UnaryOp | ast.IfExp | ast.Return)


def _is_stub(function: ast.FunctionDef | ast.AsyncFunctionDef) -> bool:
    """Return whether a function has no body of its own, which the rule about that tells."""
    body = [s for s in function.body if not (isinstance(s, ast.Expr) and isinstance(s.value, ast.Constant))]
    return not body or all(isinstance(s, ast.Pass | ast.Raise) for s in body)
