"""Where the experiment uses what belongs to a library: dotted names, and objects whose class the text tells."""

from __future__ import annotations

import ast
import re
from dataclasses import dataclass

from greenlight.review.module import Module, parameters, walk
from greenlight.review.subject import Subject

# A call of the left gives an instance of the right.
_MAKES = {
    "wandb.init": "wandb.Run",
    "wandb.Api": "wandb.Api",
    "optuna.create_study": "optuna.study.Study",
    "optuna.load_study": "optuna.study.Study",
    **dict.fromkeys(
        (
            f"torch.{name}"
            for name in (
                "tensor", "zeros", "ones", "full", "empty", "rand", "randn", "randint", "arange", "linspace", "eye",
                "zeros_like", "ones_like", "full_like", "rand_like", "randn_like", "empty_like", "as_tensor",
                "from_numpy", "cat", "stack", "concat", "softmax", "sigmoid", "tanh", "relu", "exp", "log", "sqrt",
                "matmul", "mm", "bmm", "where", "abs", "clamp", "sum", "mean", "argmax", "LongTensor", "FloatTensor",
                "IntTensor", "BoolTensor", "outer", "triu", "tril",
            )
        ),
        "torch.Tensor",
    ),
}  # fmt: skip
_ANNOTATIONS = {
    "optuna.Trial": "optuna.trial.Trial",
    "optuna.trial.Trial": "optuna.trial.Trial",
    "optuna.Study": "optuna.study.Study",
    "optuna.study.Study": "optuna.study.Study",
    "torch.Tensor": "torch.Tensor",
}
_VARIABLES = {"wandb.run": "wandb.Run"}


@dataclass(frozen=True)
class Use:
    """An attribute of a module or class of a library; ``owner`` is the full dotted name that has to have ``name``."""

    module: Module
    node: ast.AST
    owner: str
    name: str

    @property
    def top(self) -> str:
        """The library's import name."""
        return self.owner.partition(".")[0]


class LibraryUses:
    """Every attribute that is read of a module, a class, or an object of a known class, outside of what guards it."""

    def __init__(self, subject: Subject) -> None:
        self.uses: tuple[Use, ...] = tuple(
            use for module in subject.code for use in _uses(module) if not _is_guarded(module, use)
        )


def _uses(module: Module) -> list[Use]:
    found: list[Use] = []
    for node in module.nodes:
        if isinstance(node, ast.ImportFrom) and not node.level and node.module:
            found.extend(Use(module, node, node.module, alias.name) for alias in node.names if alias.name != "*")
        elif isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Load) and not node.attr.startswith("_"):
            dotted = module.dotted(node.value)
            if dotted is not None:
                found.append(Use(module, node, _VARIABLES.get(dotted, dotted), node.attr))
                continue
            owner = _class_of(module, node.value)
            if owner is not None:
                found.append(Use(module, node, owner, node.attr))
    return found


def _class_of(module: Module, node: ast.expr) -> str | None:
    """Return the class of an expression: a call that makes one, a name so assigned once, an annotated parameter."""
    if isinstance(node, ast.Name):
        assigned = None if is_parameter(module, node) else module.assigned(node)
        if assigned is None:
            return _annotated(module, node)
        node = assigned
    return _MAKES.get(module.dotted(node.func) or "") if isinstance(node, ast.Call) else None


def is_parameter(module: Module, name: ast.Name) -> bool:
    """Return whether a name is a parameter of a function around it, assigned anew or not."""
    return any(
        isinstance(around, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda)
        and any(parameter.arg == name.id for parameter in parameters(around))
        for around in module.ancestors(name)
    )


def _annotated(module: Module, name: ast.Name) -> str | None:
    function = module.function_around(name)
    if function is None or module.scope(name) is not function:
        return None
    stored = any(
        isinstance(n, ast.Name) and n.id == name.id and not isinstance(n.ctx, ast.Load) for n in walk(function)
    )
    given = function.args
    for argument in (*given.posonlyargs, *given.args, *given.kwonlyargs):
        if argument.arg == name.id and argument.annotation is not None and not stored:
            # A parameter may be annotated loosely; torch's own class is given to arrays and to None as well.
            owner = _ANNOTATIONS.get(module.dotted(argument.annotation) or "")
            return owner if owner != "torch.Tensor" else None
    return None


def _is_guarded(module: Module, use: Use) -> bool:
    """Return whether a missing attribute is expected: it is tried, asked for, or told apart by version."""
    for around in module.ancestors(use.node):
        if isinstance(around, ast.Try):
            inside = any(use.node is part for statement in around.body for part in walk(statement))
            if inside and any(not _only_passes(handler) for handler in around.handlers):
                return True
            if inside and isinstance(use.node, ast.ImportFrom):
                return True
        if isinstance(around, ast.If | ast.IfExp):
            test = ast.unparse(around.test)
            if "hasattr" in test or "version" in test.lower() or re.search(r"\b[A-Z][A-Z0-9_]{3,}\b", test):
                return True
        if isinstance(around, ast.BoolOp) and "hasattr" in ast.unparse(around):
            return True
    return False


def _only_passes(handler: ast.ExceptHandler) -> bool:
    """Return whether a handler catches everything and passes: what fails in its block is dead, not an alternative."""
    caught = "Exception" if handler.type is None else ast.unparse(handler.type)
    return caught in ("Exception", "BaseException") and all(isinstance(s, ast.Pass) for s in handler.body)
