"""GL102: a function or class has no body of its own."""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator

from greenlight.review.criteria import Criterion
from greenlight.review.finding import Finding, Severity
from greenlight.review.module import Module
from greenlight.review.rule import Rule
from greenlight.review.subject import Subject

_ABSTRACT = frozenset({"abstractmethod", "overload", "abstractproperty"})
_PLAIN = frozenset({"no_grad", "inference_mode", "staticmethod", "classmethod", "property", "lru_cache", "cache"})
_HOOKS = (
    "on_",
    "close",
    "flush",
    "finish",
    "setup",
    "teardown",
    "shutdown",
    "reset",
    "before_",
    "after_",
    "log",
    "state",
)
_BARE_CLASSES = ("Exception", "Error", "Warning", "Protocol", "Enum", "Interrupt")


class UnfinishedBody(Rule):
    """A function that does nothing, or a class that has nothing in it."""

    id = "GL102"
    name = "unfinished-body"
    criterion = Criterion.COMPLETE
    severity = Severity.MAJOR
    sentences = ("1.3", "1.2", "4.2")
    summary = "A function has no body but pass, ... or NotImplementedError, so what it is named after never happens."
    why = (
        "A stub lets the experiment start and then gives None, or ends it with NotImplementedError; either way the "
        "method it belongs to is not what is measured. Abstract methods, protocols, overloads, methods that a subclass "
        "in the experiment defines, and hooks that a parent calls are no stubs."
    )
    remedy = "Write the body, or remove the function and its calls."
    valid = (
        {
            "src/model.py": """
                from abc import ABC, abstractmethod
                from typing import Protocol

                class Head(ABC):
                    @abstractmethod
                    def logits(self, hidden): ...

                class Sized(Protocol):
                    def size(self) -> int: ...

                class Planner:
                    def rate(self, step):
                        raise NotImplementedError

                class Cosine(Planner):
                    def rate(self, step):
                        return 1.0 / (1 + step)

                class DivergedError(RuntimeError):
                    pass
            """
        },
        {
            "src/train.py": """
                class NoLogger:
                    def log(self, values):
                        pass

                def ignore(*_args):
                    '''Do nothing: the progress bar is switched off.'''
            """
        },
    )
    invalid = (
        {
            "src/model.py": """
                def attach_adapters(model, rank):
                    pass
            """
        },
        {
            "src/preprocess.py": """
                def tokenise(example, tokenizer):
                    '''Turn a question and its answer into ids.'''
                    ...
            """,
            "src/train.py": """
                def evaluate(model, loader):
                    raise NotImplementedError("evaluation is not there yet")

                def run(model, loader):
                    return evaluate(model, loader)
            """,
        },
    )

    def check(self, subject: Subject) -> Iterator[Finding]:
        """Yield one finding for each function without a body."""
        given = {
            (name, function.name)
            for module in subject.code
            for kind in module.classes
            for name in _names_of(kind.bases)
            for function in kind.body
            if isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef)
        }
        for module in subject.code:
            for function in module.functions:
                around = module.parent(function)
                what = _stub(function)
                if what is None or _ABSTRACT & _names_of(function.decorator_list):
                    continue
                if _names_of(function.decorator_list) - _PLAIN:
                    continue  # what is registered or wrapped may do its work elsewhere
                if isinstance(around, ast.ClassDef) and _may_be_bare(around, function, what, given):
                    continue
                if not isinstance(around, ast.ClassDef) and not _is_named_like_work(module, function, what):
                    continue
                yield self.at(
                    module,
                    function,
                    f"{function.name} has no body but {what}",
                    f"write what {function.name} does, or remove it and its calls",
                )


def _stub(function: ast.FunctionDef | ast.AsyncFunctionDef) -> str | None:
    """Return what stands in place of a body; None for a function that has one. A docstring alone is a choice."""
    body = function.body
    if (
        isinstance(body[0], ast.Expr)
        and isinstance(body[0].value, ast.Constant)
        and isinstance(body[0].value.value, str)
    ):
        body = body[1:]
    if len(body) != 1:
        return None
    only = body[0]
    if isinstance(only, ast.Pass):
        return "pass"
    if isinstance(only, ast.Expr) and isinstance(only.value, ast.Constant) and only.value.value is ...:
        return "..."
    if isinstance(only, ast.Raise) and only.exc is not None and "NotImplementedError" in _names_of([only.exc]):
        return "raise NotImplementedError"
    return None


def _names_of(nodes: Iterable[ast.expr]) -> set[str]:
    found = set()
    for node in nodes:
        while isinstance(node, ast.Call | ast.Subscript):
            node = node.func if isinstance(node, ast.Call) else node.value
        if isinstance(node, ast.Attribute):
            found.add(node.attr)
        elif isinstance(node, ast.Name):
            found.add(node.id)
    return found


def _may_be_bare(
    kind: ast.ClassDef, function: ast.FunctionDef | ast.AsyncFunctionDef, what: str, given: set[tuple[str, str]]
) -> bool:
    """Return whether a method may be empty: a hook, part of an interface, or a silent twin of a working class."""
    bases = _names_of(kind.bases)
    if any(base.endswith(_BARE_CLASSES) or base.startswith("ABC") for base in bases):
        return True
    if function.name.startswith("__") or (kind.name, function.name) in given:
        return True
    if what != "raise NotImplementedError" and function.name.lstrip("_").startswith(_HOOKS):
        return True
    if what == "raise NotImplementedError":
        # A method that a class of this kind refuses, or one for subclasses.
        return bool(bases) or any(base == kind.name for base, _ in given)
    if bases - {"Module", "object"}:
        return True  # a hook of the parent that is switched off
    methods = [m for m in kind.body if isinstance(m, ast.FunctionDef) and not m.name.startswith("__")]
    return len(methods) == 0 or all(_stub(m) is not None for m in methods)


def _is_named_like_work(module: Module, function: ast.FunctionDef | ast.AsyncFunctionDef, what: str) -> bool:
    """Return whether an empty function outside of a class is more than a callback that ignores its arguments."""
    if isinstance(module.parent(function), ast.Module):
        return not function.name.startswith(
            ("noop", "no_op", "_noop", "ignore", "_ignore", "do_nothing", "_do_nothing")
        )
    return what == "raise NotImplementedError"
