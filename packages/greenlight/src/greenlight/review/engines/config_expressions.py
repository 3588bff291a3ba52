"""What expressions are worth, scenario by scenario."""

from __future__ import annotations

import ast
from collections.abc import Callable
from typing import Any

from greenlight.review.engines.config_events import MOST_KEYS, MOST_STEPS, Null
from greenlight.review.engines.config_places import Places
from greenlight.review.engines.config_values import (
    HOLE,
    MISSING,
    Cls,
    Const,
    Env,
    Fn,
    Obj,
    Ref,
    Root,
    Seq,
    Value,
    known_text,
    merged,
    truth,
)
from greenlight.review.module import UNKNOWN


class Expressions(Places):
    """Evaluates expressions; those that are not known are worth `None`."""

    def test(self, node: ast.expr, env: Env) -> list[bool | None]:
        """Return the truth of a condition by scenario; None where it is not known."""
        value = self.evaluate(node, env)
        self.use(value)
        return [self._truth(value, s, constant) for s, constant in enumerate(self.values_of(value))]

    def _truth(self, value: Value, scenario: int, constant: Any) -> bool | None:
        if isinstance(value, Ref):
            found = value.root.at(scenario, value.path)
            if isinstance(found, dict):
                opened = any(p[: len(value.path)] == value.path for p in value.root.opened[scenario])
                return None if opened else bool(found)
            if found == "???":
                return None
        return truth(constant)

    def evaluate(self, node: ast.expr, env: Env) -> Value:
        """Return what an expression is."""
        self.steps += 1
        if self.steps > MOST_STEPS:
            self.gave_up = True
            return None
        if isinstance(node, ast.Constant):
            return self.constant(node.value)
        if isinstance(node, ast.Name):
            return self.name(node, env)
        if isinstance(node, ast.Attribute):
            return self.attribute(node, env)
        if isinstance(node, ast.Subscript):
            return self.item(node, env)
        if isinstance(node, ast.Call):
            return self.call(node, env)
        if isinstance(node, ast.Lambda):
            return Fn(node, env)
        if isinstance(node, ast.JoinedStr):
            return self._text(node, env)
        if isinstance(node, ast.BoolOp):
            return self._either(node, env)
        if isinstance(node, ast.Compare):
            return self._compare(node, env)
        if isinstance(node, ast.UnaryOp):
            value = self.evaluate(node.operand, env)
            self.use(value)
            if isinstance(node.op, ast.Not):
                return Const(
                    tuple(
                        UNKNOWN if (t := self._truth(value, s, c)) is None else not t
                        for s, c in enumerate(self.values_of(value))
                    )
                )
            return self.computed(lambda x: -x, value) if isinstance(node.op, ast.USub) else None
        if isinstance(node, ast.BinOp):
            return self._operation(node, env)
        if isinstance(node, ast.IfExp):
            return self._choice(node, env)
        if isinstance(node, ast.Tuple | ast.List | ast.Set):
            items = tuple(self.evaluate(item, env) for item in node.elts)
            for item in items:
                self.use(item)
            return self._display(items, None)
        if isinstance(node, ast.Dict):
            return self._dict(node, env)
        if isinstance(node, ast.NamedExpr):
            value = self.evaluate(node.value, env)
            self.bind(node.target, value, env, node.value)
            return value
        if isinstance(node, ast.ListComp | ast.SetComp | ast.GeneratorExp | ast.DictComp):
            return self._comprehension(node, env)
        for child in ast.iter_child_nodes(node):
            if isinstance(child, ast.expr):
                self.leak(self.evaluate(child, env))
        return None

    def _display(self, items: tuple[Value, ...], keys: tuple[Any, ...] | None) -> Value:
        if keys is None and all(isinstance(item, Const) for item in items):
            columns = [item.values for item in items if isinstance(item, Const)]
            rows = list(zip(*columns, strict=True)) if columns else [()] * len(self.scenarios)
            if all(known_text(x) for row in rows for x in row):
                return Const(tuple(rows))
        return Seq(items, keys)

    def _dict(self, node: ast.Dict, env: Env) -> Value:
        keys: list[Any] = []
        items: list[Value] = []
        for key, value in zip(node.keys, node.values, strict=True):
            item = self.evaluate(value, env)
            if key is None:
                self.escape(item)
                keys.append(UNKNOWN)
                items.append(None)
                continue
            self.use(self.evaluate(key, env))
            keys.append(key.value if isinstance(key, ast.Constant) else UNKNOWN)
            items.append(item)
        return Seq(tuple(items), tuple(keys))

    def _comprehension(self, node: ast.ListComp | ast.SetComp | ast.GeneratorExp | ast.DictComp, env: Env) -> Value:
        drawn = self._drawn(node, env) if isinstance(node, ast.DictComp) else None
        if drawn is not None:
            return drawn
        inner = Env(env.module, env)
        loop, guard = self.loop, self.guard
        self.loop += 1
        for generator in node.generators:
            ref = self._keys_of(generator.iter, inner)
            if ref is not None:
                self.escape(ref[0])
            else:
                self.use(self.evaluate(generator.iter, inner))
            self.bind(generator.target, None, inner, generator.iter)
            for condition in generator.ifs:
                self.use(self.evaluate(condition, inner))
                self.guard += 1
        for part in (node.key, node.value) if isinstance(node, ast.DictComp) else (node.elt,):
            self.leak(self.evaluate(part, inner))
        self.loop, self.guard = loop, guard
        return None

    def _drawn(self, node: ast.DictComp, env: Env) -> Value:
        """Return ``{name: draw(name, entry) for name, entry in space.items()}``, evaluated name by name."""
        generator = node.generators[0]
        if len(node.generators) > 1 or generator.ifs:
            return None
        inner = Env(env.module, env)
        over = self._keys_of(generator.iter, inner)
        if over is None:
            return None
        ref, kind = over
        names = sorted({k for s in self.active for k in self._mapping(ref, s)})
        if len(names) > MOST_KEYS or not names:
            return None
        self.escape(ref)
        entered = self.active
        trees: list[Any] = [{} for _ in self.scenarios]
        self.loop += 1
        for name in names:
            self.active = frozenset(s for s in entered if name in self._mapping(ref, s))
            entry = Ref(ref.root, (*ref.path, name))
            key = self.constant(name)
            self.bind(generator.target, Seq((key, entry)) if kind == "items" else key, inner, generator.iter)
            self.entries.append(entry.full)
            keys = self.values_of(self.evaluate(node.key, inner))
            self.leak(self.evaluate(node.value, inner))
            self.entries.pop()
            for s in self.active:
                if not isinstance(keys[s], str):
                    self.active, self.loop = entered - self.dead, self.loop - 1
                    return None
                trees[s][keys[s]] = UNKNOWN
        self.active, self.loop = entered - self.dead, self.loop - 1
        return Ref(Root(trees, prefix=ref.full, plain=True, composed=False), ())

    def _text(self, node: ast.JoinedStr, env: Env) -> Value:
        columns = []
        for part in node.values:
            value = self.evaluate(part.value if isinstance(part, ast.FormattedValue) else part, env)
            self.record(value)
            columns.append(self.values_of(value))
        texts = ["".join(str(x) if known_text(x) else HOLE for x in row) for row in zip(*columns, strict=True)]
        return Const(tuple(texts)) if columns else self.constant("")

    def _either(self, node: ast.BoolOp, env: Env) -> Value:
        """Evaluate ``a and b`` or ``a or b``: the later part only where the earlier leaves it open."""
        ends = isinstance(node.op, ast.Or)  # the truth that ends it
        entered, guard = self.active, self.guard
        results: list[Any] = [UNKNOWN] * len(self.scenarios)
        unsure: set[int] = set()
        values: list[Value] = []
        for part in node.values:
            if not self.active:
                break
            value = self.evaluate(part, env)
            values.append(value)
            constants = self.values_of(value)
            stays = set()
            for s in self.active:
                decided = self._truth(value, s, constants[s])
                results[s] = constants[s] if constants[s] is not UNKNOWN or decided is None else decided
                if s in unsure or decided is None:
                    results[s] = False if decided is False and not ends else UNKNOWN
                if decided is None:
                    unsure.add(s)
                if decided is not ends:
                    stays.add(s)
            self.active = frozenset(stays)
            if unsure & stays:
                self.guard += 1
        self.active, self.guard = entered - self.dead, guard
        if len(values) == 1:
            return values[0]
        for value in values:
            self.use(value)
        return self._first_node(values) if any(self.is_node(v) for v in values) else Const(tuple(results))

    def _first_node(self, values: list[Value]) -> Value:
        for value in values:
            if self.is_node(value):
                self.leak(value)
        return None

    def _compare(self, node: ast.Compare, env: Env) -> Value:
        left = self.evaluate(node.left, env)
        rights = [self.evaluate(right, env) for right in node.comparators]
        if len(rights) != 1:
            for value in (left, *rights):
                self.use(value)
            return None
        right, op = rights[0], node.ops[0]
        listed = node.comparators[0]
        if isinstance(listed, ast.Call) and isinstance(listed.func, ast.Attribute) and listed.func.attr == "keys":
            right = self.evaluate(listed.func.value, env)
        self.use(left)
        if isinstance(op, ast.In | ast.NotIn) and isinstance(right, Ref) and self.is_node(right):
            keys = self.values_of(left)
            wanted = isinstance(op, ast.In)
            out: list[Any] = []
            for s in range(len(self.scenarios)):
                found = right.root.at(s, (*right.path, keys[s])) if isinstance(keys[s], str) else UNKNOWN
                opened = right.root.at(s, right.path) is UNKNOWN
                unknown = found is UNKNOWN and not isinstance(right.root.at(s, right.path), dict)
                if opened or unknown or not isinstance(keys[s], str) or HOLE in keys[s]:
                    out.append(UNKNOWN)
                else:
                    out.append((found is not MISSING and found != "???") is wanted)
            return Const(tuple(out))
        self.use(right)
        if isinstance(op, ast.Lt | ast.LtE | ast.Gt | ast.GtE):
            self._note_nulls(node, (left, right), env)
        if isinstance(op, ast.Is | ast.IsNot):
            return self._identity(left, right, isinstance(op, ast.Is))
        operations: dict[type[ast.cmpop], Callable[[Any, Any], Any]] = {
            ast.Eq: lambda a, b: a == b,
            ast.NotEq: lambda a, b: a != b,
            ast.Lt: lambda a, b: a < b,
            ast.LtE: lambda a, b: a <= b,
            ast.Gt: lambda a, b: a > b,
            ast.GtE: lambda a, b: a >= b,
            ast.In: lambda a, b: a in b,
            ast.NotIn: lambda a, b: a not in b,
        }
        operation = operations.get(type(op))
        return self.computed(operation, left, right) if operation is not None else None

    def _identity(self, left: Value, right: Value, wanted: bool) -> Value:
        nones = self.values_of(right)
        if not all(value is None for value in nones):
            return None
        if isinstance(left, Obj | Fn | Cls | Seq) or self.is_node(left):
            known = not (isinstance(left, Ref) and any(left.root.at(s, left.path) is UNKNOWN for s in self.active))
            return self.constant(not wanted) if known else None
        return Const(tuple(v if v is UNKNOWN else (v is None) is wanted for v in self.values_of(left)))

    def _operation(self, node: ast.BinOp, env: Env) -> Value:
        left, right = self.evaluate(node.left, env), self.evaluate(node.right, env)
        self.use(left)
        self.use(right)
        self._note_nulls(node, (left, right), env)
        if isinstance(node.op, ast.BitOr) and isinstance(left, Seq) and isinstance(right, Seq):
            return merged(left, right)
        if isinstance(node.op, ast.Div):
            texts = []
            for a, b in zip(self.values_of(left), self.values_of(right), strict=True):
                if isinstance(a, str) or isinstance(b, str):
                    first = a if isinstance(a, str) else HOLE
                    second = b if isinstance(b, str) else HOLE
                    texts.append(second if second.startswith("/") else f"{first.rstrip('/')}/{second}")
                else:
                    texts.append(a / b if _number(a) and _number(b) and b else UNKNOWN)
            return Const(tuple(texts))
        if isinstance(node.op, ast.Add) and (_has_text(self.values_of(left)) or _has_text(self.values_of(right))):
            pairs = zip(self.values_of(left), self.values_of(right), strict=True)
            return Const(
                tuple((a if isinstance(a, str) else HOLE) + (b if isinstance(b, str) else HOLE) for a, b in pairs)
            )
        operations: dict[type[ast.operator], Callable[[Any, Any], Any]] = {
            ast.Add: lambda a, b: a + b,
            ast.Sub: lambda a, b: a - b,
            ast.Mult: lambda a, b: a * b if _number(a) and _number(b) else UNKNOWN,
            ast.FloorDiv: lambda a, b: a // b,
            ast.Mod: lambda a, b: a % b if _number(a) else UNKNOWN,
        }
        operation = operations.get(type(node.op))
        return self.computed(operation, left, right) if operation is not None else None

    def _note_nulls(self, node: ast.expr, operands: tuple[Value, ...], env: Env) -> None:
        """Note a value of the configuration that is null where it is computed with, for sure."""
        if self.guard or self.catching or self.unsure:
            return
        if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Mod | ast.BitOr):
            return
        for value in operands:
            if isinstance(value, Ref):
                found = {s for s in self.active if value.root.at(s, value.path) is None}
                if found:
                    event = self.nulls.setdefault(node, Null(env.module, node, value.full))
                    event.scenarios |= found

    def _choice(self, node: ast.IfExp, env: Env) -> Value:
        decided = self.test(node.test, env)
        entered, guard = self.active, self.guard
        then = frozenset(s for s in entered if decided[s] is not False)
        other = frozenset(s for s in entered if decided[s] is not True)
        self.guard += 1 if then & other else 0
        values: list[Value] = []
        for chosen, part in ((then, node.body), (other, node.orelse)):
            self.active = chosen
            values.append(self.evaluate(part, env) if chosen else None)
        self.active, self.guard = entered, guard
        if not other:
            return values[0]
        if not then:
            return values[1]
        joined = self._joined({"x": values[0]}, then, {"x": values[1]}, other)["x"]
        if joined is None:
            for value in values:
                self.use(value)
                if self.is_node(value):
                    self.leak(value)
            first, second = self.values_of(values[0]), self.values_of(values[1])
            return Const(
                tuple(
                    UNKNOWN if s in then and s in other else a if s in then else b
                    for s, (a, b) in enumerate(zip(first, second, strict=True))
                )
            )
        return joined


def _number(value: Any) -> bool:
    return isinstance(value, int | float)


def _has_text(values: tuple[Any, ...]) -> bool:
    return any(isinstance(value, str) for value in values)
