"""Runs statements on scenarios instead of data.

Branches are taken for those scenarios whose condition is known to hold, and for both where it is not known (the code in
them is then *guarded*). Loops run once; what they write is not known afterwards.
"""

from __future__ import annotations

import ast
from collections.abc import Iterable

from greenlight.review.engines.config_events import MOST_KEYS, MOST_STEPS, Raised
from greenlight.review.engines.config_expressions import Expressions
from greenlight.review.engines.config_values import (
    Cls,
    Const,
    Env,
    Fn,
    Obj,
    Ref,
    Root,
    Seq,
    Value,
    same,
)
from greenlight.review.module import UNKNOWN, walk

_RELAXING = ("omegaconf.open_dict", "omegaconf.flag_override")
_CATCHES = frozenset({
    "Exception", "BaseException", "AttributeError", "KeyError", "LookupError", "ConfigAttributeError", "ConfigKeyError",
    "OmegaConfBaseException", "MissingMandatoryValue", "ValueError", "TypeError",
})  # fmt: skip


class Statements(Expressions):
    """Runs the statements of functions and modules, and assigns."""

    def block(self, statements: Iterable[ast.stmt], env: Env) -> None:
        """Run statements until no scenario is left."""
        for statement in statements:
            if not self.active or self.gave_up:
                return
            self.statement(statement, env)

    def statement(self, node: ast.stmt, env: Env) -> None:
        """Run one statement."""
        self.steps += 1
        if self.steps > MOST_STEPS:
            self.gave_up = True
            return
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            env.names[node.name] = Fn(node, env)
        elif isinstance(node, ast.ClassDef):
            env.names[node.name] = Cls(node, env)
        elif isinstance(node, ast.If):
            self._if(node, env)
        elif isinstance(node, ast.For | ast.AsyncFor):
            self._for(node, env)
        elif isinstance(node, ast.While):
            self.use(self.evaluate(node.test, env))
            self._maybe(node.body, env, looping=True)
            self.block(node.orelse, env)
        elif isinstance(node, ast.Try):
            self._try(node, env)
        elif isinstance(node, ast.With | ast.AsyncWith):
            self._with(node, env)
        elif isinstance(node, ast.Assign):
            value = self.evaluate(node.value, env)
            for target in node.targets:
                self.bind(target, value, env, node.value)
        elif isinstance(node, ast.AnnAssign):
            if node.value is not None:
                self.bind(node.target, self.evaluate(node.value, env), env, node.value)
        elif isinstance(node, ast.AugAssign):
            self.use(self.evaluate(node.value, env))
            if not isinstance(node.target, ast.Name):
                self.evaluate(node.target, env)
            self.bind(node.target, None, env, node.value)
        elif isinstance(node, ast.Return):
            value = self.evaluate(node.value, env) if node.value is not None else self.constant(None)
            self.frames[-1].returned.append((value, self.active))
            self._leave()
        elif isinstance(node, ast.Raise):
            for part in (node.exc, node.cause):
                if part is not None:
                    self.use(self.evaluate(part, env))
            if self.entries and not self.guard and not self.catching and self.active:
                event = self.raised.setdefault(node, Raised(env.module, node))
                event.entries |= {(s, self.entries[-1]) for s in self.active}
            self.stop()
        elif isinstance(node, ast.Continue | ast.Break):
            self._leave()
        elif isinstance(node, ast.Match):
            self.use(self.evaluate(node.subject, env))
            for case in node.cases:
                self._maybe(case.body, env)
        else:
            for child in ast.iter_child_nodes(node):
                if isinstance(child, ast.expr):
                    self.use(self.evaluate(child, env))

    def _leave(self) -> None:
        """End the scenarios at hand for this block, or note that the rest of the function is conditional."""
        if self.guard > self.frames[-1].guard:
            self.guard += 1  # undone by what stands around
        else:
            self.active = frozenset()

    def stop(self) -> None:
        """End the program for the scenarios at hand, where it is certain."""
        if not self.guard and not self.loop and not self.catching:
            self.dead |= self.active
            self.active = frozenset()

    def _if(self, node: ast.If, env: Env) -> None:
        decided = self.test(node.test, env)
        then = frozenset(s for s in self.active if decided[s] is not False)
        other = frozenset(s for s in self.active if decided[s] is not True)
        unknown = then & other
        before, entered = dict(env.names), self.active
        guards = []
        outcomes = []
        for chosen, body in ((then, node.body), (other, node.orelse)):
            env.names = dict(before)
            self.active = chosen
            inner = self.guard + (1 if unknown else 0)
            kept, self.guard = self.guard, inner
            if chosen:
                self.block(body, env)
            guards.append(self.guard - inner)  # a conditional return in there
            self.guard = kept
            outcomes.append((chosen, self.active, env.names))
        self.guard += max(guards)
        (chosen, after, names), (_, after_other, names_other) = outcomes
        self.active = (after | after_other) & entered
        if not after_other:
            env.names = names if after else before
        elif not after:
            env.names = names_other
        else:
            env.names = self._joined(names, after, names_other, after_other)

    def _maybe(self, body: list[ast.stmt], env: Env, *, looping: bool = False) -> None:
        """Run statements that may run or not."""
        before, entered = dict(env.names), self.active
        guard, loop = self.guard, self.loop
        self.guard += 0 if looping else 1
        self.loop += 1
        self.block(body, env)
        self.guard, self.loop, self.active = guard, loop, entered - self.dead
        after = env.names
        env.names = self._joined(before, entered, after, entered)

    def _for(self, node: ast.For | ast.AsyncFor, env: Env) -> None:
        keys = self._keys_of(node.iter, env)
        if keys is None:
            value = self.evaluate(node.iter, env)
            self.use(value)
            self.bind(node.target, None, env, node.iter)
            self._maybe(node.body, env, looping=True)
        else:
            ref, kind = keys
            names = sorted({k for s in self.active for k in self._mapping(ref, s)})
            if len(names) > MOST_KEYS or (not names and any(ref.root.at(s, ref.path) is UNKNOWN for s in self.active)):
                self.leak(ref)
                self.bind(node.target, None, env, node.iter)
                self._maybe(node.body, env, looping=True)
            for name in names if len(names) <= MOST_KEYS else []:
                entered = self.active
                having = frozenset(s for s in entered if name in self._mapping(ref, s))
                if not having:
                    continue
                self.active = having
                key, inner = self.constant(name), Ref(ref.root, (*ref.path, name))
                if not self.is_node(inner):
                    self.read(inner)
                item: Value = Seq((key, inner)) if kind == "items" else inner if kind == "values" else key
                self.bind(node.target, item, env, node.iter)
                self.entries.append(inner.full)
                self._maybe(node.body, env, looping=True)
                self.entries.pop()
                self.active = entered - self.dead
        self.block(node.orelse, env)

    def _try(self, node: ast.Try, env: Env) -> None:
        catches = any(self._catches(handler) for handler in node.handlers)
        entered = self.active
        self.catching += 1 if catches else 0
        self.block(node.body, env)
        self.catching -= 1 if catches else 0
        if self.active != entered and node.handlers:
            self.guard += 1
        if node.handlers:
            self.active = entered - self.dead
        for handler in node.handlers:
            if handler.name:
                env.names[handler.name] = None
            self._maybe(handler.body, env)
        self.block(node.orelse, env)
        self.block(node.finalbody, env)

    @staticmethod
    def _catches(handler: ast.ExceptHandler) -> bool:
        if handler.type is None:
            return True
        return any(
            (isinstance(n, ast.Name) and n.id in _CATCHES) or (isinstance(n, ast.Attribute) and n.attr in _CATCHES)
            for n in walk(handler.type)
        )

    def _with(self, node: ast.With | ast.AsyncWith, env: Env) -> None:
        relaxed: list[tuple[Root, list[bool | None]]] = []
        for item in node.items:
            call = item.context_expr
            if isinstance(call, ast.Call) and env.module.dotted(call.func) in _RELAXING:
                for given in call.args[:1]:
                    target = self.evaluate(given, env)
                    if isinstance(target, Ref):
                        relaxed.append((target.root, list(target.root.struct)))
                        target.root.struct = [False] * len(self.scenarios)
                value: Value = None
            else:
                value = self.evaluate(call, env)
            if item.optional_vars is not None:
                self.bind(item.optional_vars, value, env, call)
        self.block(node.body, env)
        for root, struct in relaxed:
            root.struct = struct

    def bind(self, target: ast.expr, value: Value, env: Env, source: ast.expr) -> None:
        """Assign a value to a target."""
        grows = isinstance(source, ast.List | ast.Set) and (env.parent is not None or not source.elts)
        if grows and isinstance(value, Const):
            value = Seq(())
        if isinstance(target, ast.Name):
            old = env.names.get(target.id)
            if isinstance(value, Const) and isinstance(old, Const) and self.active != self.every:
                pairs = enumerate(zip(value.values, old.values, strict=True))
                value = Const(tuple(new if s in self.active else was for s, (new, was) in pairs))
            env.names[target.id] = value
        elif isinstance(target, ast.Tuple | ast.List):
            items = value.items if isinstance(value, Seq) and len(value.items) == len(target.elts) else None
            if items is None:
                self.use(value)
            for index, inner in enumerate(target.elts):
                self.bind(inner, items[index] if items is not None else None, env, source)
        elif isinstance(target, ast.Starred):
            self.bind(target.value, None, env, source)
        elif isinstance(target, ast.Attribute):
            owner = self.evaluate(target.value, env)
            if isinstance(owner, Obj):
                known = target.attr in owner.attributes
                clash = known and not same(owner.attributes[target.attr], value) and (self.guard or self.loop)
                owner.attributes[target.attr] = None if clash else value
            elif isinstance(owner, Ref):
                self.write(env.module, target, owner, (target.attr,), value)
            else:
                self.leak(value)
        elif isinstance(target, ast.Subscript):
            self._bind_item(target, value, env)

    def _bind_item(self, target: ast.Subscript, value: Value, env: Env) -> None:
        if env.module.dotted(target.value) == "os.environ":
            for s in self.active:
                self.set_environment(s, self.values_of(self.evaluate(target.slice, env))[s], self.values_of(value)[s])
            return
        owner = self.evaluate(target.value, env)
        key = self.evaluate(target.slice, env)
        if isinstance(owner, Ref):
            self.write_keys(env.module, target, owner, self.values_of(key), value, dotted=False)
        else:
            self.leak(value)
