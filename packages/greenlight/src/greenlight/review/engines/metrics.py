"""Metric keys: those that training logs and writes to the summary, and those that src/evaluate.py reads."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable
from dataclasses import dataclass, replace
from functools import cached_property

from greenlight.review.engines.flow import Flow, is_parameter, returns
from greenlight.review.engines.readback import Readback
from greenlight.review.engines.training import Training
from greenlight.review.module import Module, walk
from greenlight.review.subject import Subject

INTERNAL = frozenset({"_step", "_runtime", "_timestamp", "_wandb", "index"})
"""Columns and entries that W&B adds itself."""


@dataclass(frozen=True)
class Key:
    """A metric's name where it stands; ``{}`` is a part that the text does not tell."""

    name: str
    module: Module
    node: ast.AST
    is_at_times: bool = False
    """Whether it is put into a row under a condition that the row itself is not under."""

    def may_be(self, name: str) -> bool:
        """Return whether this key can turn out as a name, or hold it as a nested value."""
        pattern = ".+".join(re.escape(part) for part in self.name.split("{}"))
        return re.fullmatch(rf"{pattern}(?:\..+)?", name) is not None


@dataclass(frozen=True)
class Row:
    """What one call logs or writes."""

    module: Module
    node: ast.AST
    keys: tuple[Key, ...]
    is_complete: bool


class Metrics:
    """Keys on both sides.

    Attributes
    ----------
    rows
        What each log call logs.
    summary
        What each write to a summary sets.
    is_complete
        Whether every key that training can send to W&B is among them.
    """

    def __init__(self, subject: Subject) -> None:
        self.training = subject.derived(Training)
        self.readback = subject.derived(Readback)
        self.flow = subject.derived(Flow)
        self._busy: set[int] = set()
        self.rows = tuple(self._row(p.module, p.node) for p in self.training.logs)
        self.summary = tuple(row for p in self.training.summaries for row in self._written(p.module, p.node))
        self.is_complete = (
            self.training.is_seen
            and bool(self.rows)
            and bool(self.training.inits)
            and all(row.is_complete for row in (*self.rows, *self.summary))
        )

    @cached_property
    def logged(self) -> tuple[Key, ...]:
        """Every key of every row."""
        return tuple(key for row in self.rows for key in row.keys)

    @cached_property
    def summarised(self) -> tuple[Key, ...]:
        """Every key that is written to the summary itself."""
        return tuple(key for row in self.summary for key in row.keys)

    def may_be_logged(self, name: str) -> bool:
        """Return whether a column of the history can have a name."""
        return name in INTERNAL or name.startswith(("gradients/", "parameters/")) or _any(self.logged, name)

    def may_be_in_summary(self, name: str) -> bool:
        """Return whether an entry of the summary can have a name; the last logged values are there too."""
        return self.may_be_logged(name) or _any(self.summarised, name)

    # -- what training writes ----------------------------------------------------------------------------------

    def _row(self, module: Module, call: ast.AST) -> Row:
        assert isinstance(call, ast.Call)
        given = next((k.value for k in call.keywords if k.arg in ("data", "row")), None)
        if given is None and len(call.args) == 1:
            given = call.args[0]
        if given is None and call.args and module.dotted(call.func) in ("wandb.log", "wandb.run.log"):
            given = call.args[0]
        if given is None and len(call.args) > 1:
            given = next((a for a in call.args if isinstance(a, ast.Dict)), None)
        keys, is_complete = ([], False) if given is None else self.keys_of(module, given)
        return Row(module, call, tuple(keys), is_complete)

    def _written(self, module: Module, node: ast.AST) -> list[Row]:
        around = module.parent(node)
        if isinstance(around, ast.Subscript) and around.value is node and isinstance(around.ctx, ast.Store):
            keys, is_complete = self._key(module, around.slice)
            return [Row(module, around, tuple(keys), is_complete)]
        if isinstance(around, ast.Attribute) and around.value is node:
            if isinstance(around.ctx, ast.Store):
                return [Row(module, around, (Key(around.attr, module, around),), True)]
            call = module.parent(around)
            if isinstance(call, ast.Call) and call.func is around and around.attr == "update":
                keys, is_complete = [], not any(k.arg is None for k in call.keywords)
                keys += [Key(k.arg, module, k.value) for k in call.keywords if k.arg]
                for given in call.args:
                    more, whole = self.keys_of(module, given)
                    keys, is_complete = keys + more, is_complete and whole
                return [Row(module, call, tuple(keys), is_complete)]
            return [] if around.attr in ("get", "items", "keys", "_json_dict") else [Row(module, around, (), False)]
        if isinstance(around, ast.Subscript):
            return []
        # The summary itself is handed on.
        return [Row(module, node, (), False)]

    def _key(self, module: Module, node: ast.AST | None) -> tuple[list[Key], bool]:
        """Return the names that a key expression can have."""
        if node is None:
            return [], False
        if isinstance(node, ast.Name):
            constants = self._walked_constants(module, node)
            if constants is not None:
                return [Key(c, module, node) for c in constants], True
            source = self._walked_dict(module, node)
            if source is not None:
                return self.keys_of(module, source)
        text = module.string(node)
        if text is None or not text.replace("{}", ""):
            return [], False
        return [Key(text, module, node)], True

    def _loop_of(self, module: Module, name: ast.Name) -> tuple[ast.expr, ast.expr] | None:
        for around in module.ancestors(name):
            loops: list[ast.For | ast.AsyncFor | ast.comprehension] = []
            if isinstance(around, ast.For | ast.AsyncFor):
                loops = [around]
            elif isinstance(around, ast.ListComp | ast.SetComp | ast.DictComp | ast.GeneratorExp):
                loops = list(around.generators)
            elif isinstance(around, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
                return None
            for loop in loops:
                if any(isinstance(n, ast.Name) and n.id == name.id for n in walk(loop.target)):
                    return loop.target, loop.iter
        return None

    def _walked_constants(self, module: Module, name: ast.Name) -> list[str] | None:
        loop = self._loop_of(module, name)
        if loop is None or not isinstance(loop[0], ast.Name):
            return None
        values = module.value(loop[1])
        if isinstance(values, list | tuple) and all(isinstance(v, str) for v in values):
            return list(values)
        return None

    def _walked_dict(self, module: Module, name: ast.Name) -> ast.expr | None:
        loop = self._loop_of(module, name)
        if loop is None:
            return None
        target, source = loop
        first = target.elts[0] if isinstance(target, ast.Tuple) and len(target.elts) == 2 else target
        if not (isinstance(first, ast.Name) and first.id == name.id):
            return None
        if isinstance(source, ast.Call) and isinstance(source.func, ast.Attribute) and not source.args:
            wanted = "items" if isinstance(target, ast.Tuple) else "keys"
            return source.func.value if source.func.attr == wanted else None
        return source if isinstance(target, ast.Name) and isinstance(source, ast.Name) else None

    def keys_of(self, module: Module, node: ast.AST) -> tuple[list[Key], bool]:
        """Return the keys of a dictionary expression, and whether it can have no others."""
        mark = id(node)
        if mark in self._busy or len(self._busy) > 40:
            return [], False
        self._busy.add(mark)
        try:
            return self._keys_of(module, node)
        finally:
            self._busy.discard(mark)

    def _keys_of(self, module: Module, node: ast.AST) -> tuple[list[Key], bool]:
        if isinstance(node, ast.Dict):
            return self._all(
                self.keys_of(module, value) if key is None else self._key(module, key)
                for key, value in zip(node.keys, node.values, strict=True)
            )
        if isinstance(node, ast.DictComp):
            return self._key(module, node.key)
        if isinstance(node, ast.IfExp):
            return self._all(self.keys_of(module, n) for n in (node.body, node.orelse))
        if isinstance(node, ast.BoolOp):
            return self._all(self.keys_of(module, n) for n in node.values)
        if isinstance(node, ast.BinOp) and isinstance(node.op, ast.BitOr):
            return self._all(self.keys_of(module, n) for n in (node.left, node.right))
        if isinstance(node, ast.Name):
            return self._keys_of_name(module, node)
        if isinstance(node, ast.Call):
            if isinstance(node.func, ast.Name) and node.func.id == "dict":
                parts = [self.keys_of(module, a) for a in node.args]
                parts += [
                    self.keys_of(module, k.value) if k.arg is None else ([Key(k.arg, module, k.value)], True)
                    for k in node.keywords
                ]
                return self._all(parts)
            target = self.flow.target(module, node)
            if target is not None:
                given = [r.value for r in returns(*target)]
                if given and all(value is not None for value in given):
                    return self._all(self.keys_of(target[0], value) for value in given if value is not None)
        if isinstance(node, ast.Constant) and node.value is None:
            return [], True
        return [], False

    @staticmethod
    def _all(parts: Iterable[tuple[list[Key], bool]]) -> tuple[list[Key], bool]:
        keys: list[Key] = []
        is_complete = True
        for more, whole in parts:
            keys += more
            is_complete = is_complete and whole
        return keys, is_complete

    def _keys_of_name(self, module: Module, name: ast.Name) -> tuple[list[Key], bool]:
        scope: ast.AST = module.scope(name)
        while not isinstance(scope, ast.Module):
            if is_parameter(scope, name.id) or any(module.scope(n) is scope for n in _stores(module, name.id)):
                break
            scope = module.scope(scope)
        parts: list[tuple[list[Key], bool]] = []
        if isinstance(scope, ast.FunctionDef | ast.AsyncFunctionDef) and is_parameter(scope, name.id):
            if not self.flow.is_only_called(module, scope):
                return [], False
            calls = self.flow.calls_of(scope)
            if not calls:
                return [], False
            for where, call in calls:
                given = self.flow.argument_of(scope, name.id, call)
                parts.append(([], False) if given is None else self.keys_of(where, given))
        parts += [self._stored(module, n) for n in _stores(module, name.id) if module.scope(n) is scope]
        parts += self._changes(module, name.id, scope)
        return self._all(parts) if parts else ([], False)

    def _stored(self, module: Module, name: ast.Name) -> tuple[list[Key], bool]:
        around = module.parent(name)
        if isinstance(around, ast.Assign | ast.AnnAssign | ast.NamedExpr) and around.value is not None:
            return self.keys_of(module, around.value)
        if isinstance(around, ast.AugAssign):
            return self.keys_of(module, around.value)
        if isinstance(around, ast.Tuple):  # metrics, other = evaluate(...)
            statement = module.parent(around)
            if isinstance(statement, ast.Assign) and isinstance(statement.value, ast.Call):
                return self._unpacked(module, statement.value, around.elts.index(name), len(around.elts))
        return [], False

    def _unpacked(self, module: Module, call: ast.Call, index: int, length: int) -> tuple[list[Key], bool]:
        target = self.flow.target(module, call)
        if target is None:
            return [], False
        given = [r.value for r in returns(*target)]
        if not given or not all(isinstance(v, ast.Tuple) and len(v.elts) == length for v in given):
            return [], False
        return self._all(self.keys_of(target[0], v.elts[index]) for v in given if isinstance(v, ast.Tuple))

    def _changes(self, module: Module, name: str, scope: ast.AST) -> list[tuple[list[Key], bool]]:
        """Return the keys that are put into a dictionary after it was made, in the scope that made it."""
        found: list[tuple[list[Key], bool]] = []
        for node in walk(scope):
            if not (isinstance(node, ast.Name) and node.id == name and isinstance(node.ctx, ast.Load)):
                continue
            around = module.parent(node)
            if isinstance(around, ast.Subscript) and around.value is node and isinstance(around.ctx, ast.Store):
                keys, is_complete = self._key(module, around.slice)
                at_times = _is_at_times(module, around)
                found.append(([replace(key, is_at_times=at_times) for key in keys], is_complete))
            elif isinstance(around, ast.Attribute) and around.value is node:
                call = module.parent(around)
                if isinstance(call, ast.Call) and call.func is around:
                    if around.attr == "update":
                        found += [self.keys_of(module, a) for a in call.args]
                        found += [([Key(k.arg, module, k.value)], True) for k in call.keywords if k.arg]
                    elif around.attr == "setdefault" and call.args:
                        found.append(self._key(module, call.args[0]))
            elif isinstance(around, ast.Call) and node in around.args:
                found.append(self._filled(module, around, node))
        return found

    def _filled(self, module: Module, call: ast.Call, node: ast.Name) -> tuple[list[Key], bool]:
        """Return what an own function puts into a dictionary that it is handed; others are taken not to."""
        target = self.flow.target(module, call)
        if target is None:
            return [], True
        names = [a.arg for a in (*target[1].args.posonlyargs, *target[1].args.args)]
        index = call.args.index(node) + (1 if names[:1] in (["self"], ["cls"]) else 0)
        if index >= len(names):
            return [], False
        return self._all(self._changes(target[0], names[index], target[1]))


def _stores(module: Module, name: str) -> list[ast.Name]:
    return [n for n in module.nodes if isinstance(n, ast.Name) and n.id == name and isinstance(n.ctx, ast.Store)]


def _is_at_times(module: Module, node: ast.AST) -> bool:
    """Return whether a key is stored under a condition without another branch, inside of the loop that it is in."""
    for around in module.ancestors(node):
        if isinstance(around, ast.If):
            # A row that is made or sent under the same condition always has the key.
            sent = any(isinstance(n, ast.Attribute) and n.attr == "log" for n in walk(around))
            return not around.orelse and not sent
        if isinstance(around, ast.For | ast.While | ast.FunctionDef | ast.AsyncFunctionDef):
            return False
    return False


def _any(keys: Iterable[Key], name: str) -> bool:
    return any(key.may_be(name) for key in keys)
