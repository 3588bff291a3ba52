"""A small interpreter that follows data sets, rows and batches through the statements of an experiment."""

from __future__ import annotations

import ast
from abc import ABC, abstractmethod
from dataclasses import replace
from typing import Any

from greenlight.review.engines.batch_values import (
    OPEN,
    Column,
    Columns,
    Data,
    Environment,
    Frame,
    Listing,
    Loader,
    Own,
    Read,
    Row,
    Several,
    Tokenizer,
    Value,
    element,
    join,
)
from greenlight.review.engines.data_sets import DataSets
from greenlight.review.engines.own_rows import method_of
from greenlight.review.engines.run_values import RunValues
from greenlight.review.module import UNKNOWN, Function, Module, parameters, walk
from greenlight.review.subject import Subject

_MOST_CALLS = 120


class Machine(ABC):
    """Statements and expressions; what calls do stands in `Calls`."""

    def __init__(self, subject: Subject) -> None:
        self._subject = subject
        self._values = subject.derived(RunValues)
        self._data_sets = subject.derived(DataSets)
        self._calls = 0
        self._stack: list[Function] = []
        self._known: dict[tuple[Function, frozenset[tuple[str, Value]]], Value] = {}
        self._called: set[Function] = set()
        self._attributes: dict[tuple[ast.ClassDef, str], Value] = {}
        self.reads: list[Read] = []
        self.loaders: dict[ast.Call, Loader] = {}
        self.measured: list[tuple[Module, ast.Call, Loader | Data]] = []
        self.generated: list[tuple[Module, ast.Call, str, Row]] = []

    @abstractmethod
    def _call(self, frame: Frame, node: ast.Call) -> Value:
        """Return what a call gives."""

    # -- statements --------------------------------------------------------------------------------------------

    def _run(self, module: Module, function: Function, env: Environment) -> Value:
        key = (function, frozenset((k, v) for k, v in env.items() if v is not UNKNOWN))
        if key in self._known:
            return self._known[key]
        if function in self._stack or self._calls > _MOST_CALLS or len(self._stack) > 8:
            return UNKNOWN
        self._calls += 1
        self._called.add(function)
        self._stack.append(function)
        frame = Frame(module, function, dict(env))
        for parameter in parameters(function):
            frame.env.setdefault(parameter.arg, self._default(parameter))
        try:
            self._block(frame, function.body)
        finally:
            self._stack.pop()
        if any(isinstance(n, ast.Yield | ast.YieldFrom) for n in walk(function)):
            each = frame.yielded[0] if frame.yielded else UNKNOWN
            for other in frame.yielded[1:]:
                each = join(each, other)
            self._known[key] = UNKNOWN if each is UNKNOWN else Listing(each)
        else:
            self._known[key] = frame.returned[0] if len(frame.returned) == 1 else UNKNOWN
        return self._known[key]

    @staticmethod
    def _default(parameter: ast.arg) -> Value:
        annotated = ast.unparse(parameter.annotation) if parameter.annotation is not None else ""
        if parameter.arg in ("tokenizer", "tokeniser") or "Tokenizer" in annotated:
            return Tokenizer()
        return UNKNOWN

    def _block(self, frame: Frame, body: list[ast.stmt]) -> None:
        for statement in body:
            self._statement(frame, statement)

    def _statement(self, frame: Frame, node: ast.stmt) -> None:
        if isinstance(node, ast.Assign):
            value = self._value(frame, node.value)
            for target in node.targets:
                self._bind(frame, target, value)
        elif isinstance(node, ast.AnnAssign):
            if node.value is not None:
                self._bind(frame, node.target, self._value(frame, node.value))
        elif isinstance(node, ast.AugAssign):
            self._value(frame, node.value)
            self._bind(frame, node.target, UNKNOWN)
        elif isinstance(node, ast.Return):
            frame.returned.append(UNKNOWN if node.value is None else self._value(frame, node.value))
        elif isinstance(node, ast.Expr):
            self._value(frame, node.value)
        elif isinstance(node, ast.For | ast.AsyncFor):
            items = self._value(frame, node.iter)
            self._branches(
                frame, [[*node.body], []], first=lambda: self._bind_each(frame, node.target, node.iter, items)
            )
            self._block(frame, node.orelse)
        elif isinstance(node, ast.While | ast.If):
            self._value(frame, node.test)
            self._branches(frame, [node.body, node.orelse])
        elif isinstance(node, ast.With | ast.AsyncWith):
            for item in node.items:
                self._value(frame, item.context_expr)
                if item.optional_vars is not None:
                    self._bind(frame, item.optional_vars, UNKNOWN)
            self._block(frame, node.body)
        elif isinstance(node, ast.Try):
            self._branches(frame, [[*node.body, *node.orelse], *([*h.body] for h in node.handlers)])
            self._block(frame, node.finalbody)
        elif isinstance(node, ast.FunctionDef):
            frame.env[node.name] = node
        elif isinstance(node, ast.Delete):
            for target in node.targets:
                if isinstance(target, ast.Subscript):
                    self._forget(frame, target.value)
                else:
                    self._bind(frame, target, UNKNOWN)
        else:
            for name in walk(node):
                if isinstance(name, ast.Name) and isinstance(name.ctx, ast.Store):
                    frame.env[name.id] = UNKNOWN

    def _branches(self, frame: Frame, bodies: list[list[ast.stmt]], first: Any = None) -> None:
        """Run alternatives from the same start; what they disagree about is unknown afterwards."""
        start, ends = dict(frame.env), []
        for index, body in enumerate(bodies):
            frame.env = dict(start)
            if index == 0 and first is not None:
                first()
            self._block(frame, body)
            if not (body and isinstance(body[-1], ast.Return | ast.Raise | ast.Continue | ast.Break)):
                ends.append(frame.env)
        if not ends:
            frame.env = start
            return
        merged = dict(ends[0])
        for end in ends[1:]:
            for name in merged.keys() | end.keys():
                merged[name] = join(merged.get(name, UNKNOWN), end.get(name, UNKNOWN))
        frame.env = merged

    def _bind(self, frame: Frame, target: ast.expr, value: Value) -> None:
        if isinstance(target, ast.Name):
            frame.env[target.id] = value
        elif isinstance(target, ast.Attribute):
            owner = self._value(frame, target.value)
            if isinstance(owner, Own):
                place = (owner.owner, target.attr)
                self._attributes[place] = join(self._attributes.get(place, value), value)
        elif isinstance(target, ast.Tuple | ast.List):
            known = isinstance(value, Several) and len(value.items) == len(target.elts)
            for index, inner in enumerate(target.elts):
                self._bind(frame, inner, value.items[index] if known else UNKNOWN)
        elif isinstance(target, ast.Subscript) and isinstance(target.value, ast.Name):
            key, row = frame.module.value(target.slice), frame.env.get(target.value.id)
            for name, held in list(frame.env.items()):
                if isinstance(held, Listing) and held.element == row:
                    frame.env[name] = UNKNOWN  # the rows of a list are written to one by one
            if isinstance(row, Row):
                columns = row.columns.plus(key) if isinstance(key, str) else OPEN
                frame.env[target.value.id] = replace(row, columns=columns)
            elif isinstance(row, Data):
                frame.env[target.value.id] = replace(row, columns=OPEN, raw=None)

    def _bind_each(self, frame: Frame, target: ast.expr, source: ast.expr, items: Value) -> None:
        numbered = (
            isinstance(source, ast.Call)
            and isinstance(source.func, ast.Name)
            and source.func.id == "enumerate"
            and isinstance(target, ast.Tuple)
            and len(target.elts) == 2
        )
        each = element(items)
        if numbered and isinstance(target, ast.Tuple):
            self._bind(frame, target.elts[0], UNKNOWN)
            target = target.elts[1]
        self._bind(frame, target, each)

    def _forget(self, frame: Frame, node: ast.expr) -> None:
        if isinstance(node, ast.Name) and isinstance(frame.env.get(node.id), Row | Data | Listing):
            frame.env[node.id] = UNKNOWN

    # -- expressions -------------------------------------------------------------------------------------------

    def _value(self, frame: Frame, node: ast.expr) -> Value:
        if isinstance(node, ast.Name):
            if node.id in frame.env:
                return frame.env[node.id]
            return UNKNOWN
        if isinstance(node, ast.Tuple | ast.List):
            return Several(tuple(self._value(frame, e) for e in node.elts))
        if isinstance(node, ast.Attribute):
            base = self._value(frame, node.value)
            if isinstance(base, Data) and node.attr in ("column_names", "features"):
                return Column(base)
            if isinstance(base, Own):
                return self._attributes.get((base.owner, node.attr), UNKNOWN)
            return base if isinstance(base, Row) and node.attr == "data" else UNKNOWN
        if isinstance(node, ast.Subscript):
            return self._subscript(frame, node)
        if isinstance(node, ast.Call):
            return self._call(frame, node)
        if isinstance(node, ast.Dict):
            return self._dict(frame, node)
        if isinstance(node, ast.DictComp):
            return self._dict_comprehension(frame, node)
        if isinstance(node, ast.ListComp | ast.SetComp | ast.GeneratorExp):
            return self._comprehension(frame, node)
        if isinstance(node, ast.Yield | ast.YieldFrom):
            given = UNKNOWN if node.value is None else self._value(frame, node.value)
            frame.yielded.append(given if isinstance(node, ast.Yield) else element(given))
            return UNKNOWN
        if isinstance(node, ast.IfExp):
            self._value(frame, node.test)
            one, other = self._value(frame, node.body), self._value(frame, node.orelse)
            return one if one == other else UNKNOWN
        if isinstance(node, ast.Lambda):
            return UNKNOWN
        for child in ast.iter_child_nodes(node):
            if isinstance(child, ast.expr):
                self._value(frame, child)
        return UNKNOWN

    def _subscript(self, frame: Frame, node: ast.Subscript) -> Value:
        base = self._value(frame, node.value)
        key = frame.module.value(node.slice)
        if isinstance(base, Row) and isinstance(key, str):
            if isinstance(node.ctx, ast.Load) and not self._is_guarded(frame, node, key):
                self.reads.append(Read(frame.module, node, key, base))
            return UNKNOWN
        if isinstance(base, Data) and base.by_split:
            return replace(base, by_split=False)
        if isinstance(base, Listing):
            self._value(frame, node.slice)
            return base if isinstance(node.slice, ast.Slice) else base.element
        if isinstance(base, Several) and isinstance(key, int) and -len(base.items) <= key < len(base.items):
            return base.items[key]
        self._value(frame, node.slice)
        return UNKNOWN

    @staticmethod
    def _is_guarded(frame: Frame, node: ast.AST, key: str) -> bool:
        """Return whether the function asks anywhere whether the key is there, or catches that it is not."""
        around: ast.AST = frame.function or frame.module.tree
        asked = any(
            isinstance(n, ast.Compare)
            and isinstance(n.ops[0], ast.In | ast.NotIn)
            and isinstance(n.left, ast.Constant)
            and n.left.value == key
            for n in walk(around)
        )
        return asked or any(isinstance(a, ast.Try) and a.handlers for a in frame.module.ancestors(node))

    def _dict(self, frame: Frame, node: ast.Dict) -> Row:
        columns = Columns(open=False)
        for key, value in zip(node.keys, node.values, strict=True):
            inner = self._value(frame, value)
            if key is None:
                spread = inner.columns if isinstance(inner, Row) else OPEN
                columns = Columns(
                    columns.sure | spread.sure, columns.perhaps | spread.perhaps, columns.open or spread.open
                )
                continue
            name = frame.module.value(key)
            columns = columns.plus(name) if isinstance(name, str) else replace(columns, open=True)
        return Row(columns, made=node)

    def _dict_comprehension(self, frame: Frame, node: ast.DictComp) -> Value:
        """``{k: f(v) for k, v in batch.items()}`` has the keys of the batch."""
        first = node.generators[0]
        source = first.iter
        if isinstance(source, ast.Call) and isinstance(source.func, ast.Attribute) and source.func.attr == "items":
            row = self._value(frame, source.func.value)
            if (
                isinstance(row, Row)
                and len(node.generators) == 1
                and not first.ifs
                and isinstance(first.target, ast.Tuple)
                and isinstance(first.target.elts[0], ast.Name)
                and isinstance(node.key, ast.Name)
                and node.key.id == first.target.elts[0].id
            ):
                return row
        return UNKNOWN

    def _comprehension(self, frame: Frame, node: ast.ListComp | ast.SetComp | ast.GeneratorExp) -> Value:
        saved = dict(frame.env)
        for generator in node.generators:
            items = self._value(frame, generator.iter)
            self._bind_each(frame, generator.target, generator.iter, items)
        each = self._value(frame, node.elt)
        frame.env = saved
        return UNKNOWN if each is UNKNOWN else Listing(each)

    def _own_function(self, frame: Frame, node: ast.expr) -> tuple[Module, Function] | None:
        if isinstance(node, ast.Name) and isinstance(frame.env.get(node.id), ast.FunctionDef):
            return frame.module, frame.env[node.id]
        if isinstance(node, ast.Attribute) and isinstance(owner := self._value(frame, node.value), Own):
            return None if (method := method_of(owner.owner, node.attr)) is None else (owner.module, method)
        dotted = frame.module.dotted(node)
        found = self._subject.find(dotted) if dotted else None
        if found is not None and isinstance(found[1], ast.FunctionDef):
            return found[0], found[1]
        return None
