"""Runs the experiment's functions on scenarios instead of data: statements and expressions, see `config_flow`.

Branches are taken for those scenarios whose condition is known to hold, and for both where it is not known (the code in
them is then *guarded*). Loops run once; what they write is not known afterwards.
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from greenlight.review.engines.config_values import (
    HOLE,
    MISSING,
    Cls,
    Const,
    Env,
    Fn,
    Obj,
    Path,
    Ref,
    Root,
    Scenario,
    Seq,
    Value,
    copied,
    equal,
    known_text,
    same,
    truth,
)
from greenlight.review.module import UNKNOWN, Module, walk
from greenlight.review.subject import Subject

_MOST_STEPS = 60_000
_MOST_KEYS = 40
DICT_NAMES = frozenset({
    "get", "items", "keys", "values", "pop", "update", "merge_with", "copy", "setdefault", "popitem", "clear",
    "is_missing", "is_interpolation", "pretty",
})  # fmt: skip
_RELAXING = ("omegaconf.open_dict", "omegaconf.flag_override")
_CATCHES = frozenset({
    "Exception", "BaseException", "AttributeError", "KeyError", "LookupError", "ConfigAttributeError", "ConfigKeyError",
    "OmegaConfBaseException", "MissingMandatoryValue", "ValueError", "TypeError",
})  # fmt: skip


@dataclass
class Access:
    """An expression that reads a configuration, and in which scenarios the key was not there.

    Attributes
    ----------
    path
        The whole path of the key.
    absent, absent_guarded, present
        Scenarios in which it was not there, not there under a condition that is not known, and there.
    above
        What stands beside the key: the names in its parent.
    mandatory
        Whether it is there but ``???``.
    plain
        Whether an attribute is read from a plain dictionary, which has none.
    """

    module: Module
    node: ast.AST
    path: Path
    root: Root
    absent: set[int] = field(default_factory=set)
    absent_guarded: set[int] = field(default_factory=set)
    present: set[int] = field(default_factory=set)
    above: set[str] = field(default_factory=set)
    mandatory: bool = False
    plain: bool = False


@dataclass
class Write:
    """A value that is set in a configuration; ``refused`` are the scenarios in which struct mode raises.

    ``computed_key`` tells that the key does not stand in the code as it is.
    """

    module: Module
    node: ast.AST
    path: Path
    root: Root
    scenarios: set[int] = field(default_factory=set)
    added: set[int] = field(default_factory=set)
    refused: set[int] = field(default_factory=set)
    guarded: bool = False
    computed_key: bool = False


@dataclass
class Merge:
    """A merge into a configuration in struct mode whose right side has keys that the left side lacks."""

    module: Module
    node: ast.AST
    keys: dict[int, list[str]] = field(default_factory=dict)
    guarded: bool = False


@dataclass
class Load:
    """An ``OmegaConf.load`` or ``open`` of a path below config; ``paths`` by scenario, with HOLE for unknown parts."""

    module: Module
    node: ast.AST
    paths: dict[int, str] = field(default_factory=dict)
    guarded: bool = False
    is_open: bool = False


@dataclass
class Call:
    """A call of a library, with its constant arguments and the environment by scenario."""

    module: Module
    node: ast.Call
    name: str
    scenarios: frozenset[int]
    guarded: bool
    arguments: dict[str, tuple[Any, ...]]
    environment: Mapping[str, tuple[Any, ...]]
    open_arguments: bool


@dataclass
class _Frame:
    guard: int
    loop: int
    returned: list[tuple[Value, frozenset[int]]] = field(default_factory=list)


class Machine:
    """What is known while a program is followed; `config_calls.Calls` adds the calls.

    Parameters
    ----------
    subject
        The experiment.
    scenarios
        Runs and modes.
    """

    def __init__(self, subject: Subject, scenarios: tuple[Scenario, ...]) -> None:
        self.subject = subject
        self.scenarios = scenarios
        self.every = frozenset(range(len(scenarios)))
        self.steps = 0
        self.gave_up = False
        self.accesses: dict[tuple[str, ast.AST], Access] = {}
        self.writes: dict[tuple[ast.AST, Path], Write] = {}
        self.merges: dict[ast.AST, Merge] = {}
        self.loads: dict[ast.AST, Load] = {}
        self.calls: list[Call] = []
        self.reads: set[Path] = set()
        self.escaped: set[Path] = set()
        self.resolved: set[ast.AST] = set()
        self.reset()

    def reset(self) -> None:
        """Forget the state of a program; what was found stays."""
        self.active = self.every
        self.guard = self.loop = self.catching = 0
        self.frames: list[_Frame] = [_Frame(0, 0)]
        self.dead: set[int] = set()
        self.environment: dict[str, list[Any]] = {}
        self.module_envs: dict[str, Env] = {}
        self.leaked: set[int] = set()
        self.stack: list[ast.AST] = []

    # -- constants ---------------------------------------------------------------------------------------------

    def constant(self, value: Any) -> Const:
        """Return the same constant for every scenario."""
        return Const((value,) * len(self.scenarios))

    def values_of(self, value: Value) -> tuple[Any, ...]:
        """Return the constants of a value by scenario; UNKNOWN for a mapping and for what is not known."""
        if isinstance(value, Const):
            return value.values
        if isinstance(value, Ref):
            return tuple(
                UNKNOWN if (found := value.root.at(s, value.path)) is MISSING or isinstance(found, dict) else found
                for s in range(len(self.scenarios))
            )
        return (UNKNOWN,) * len(self.scenarios)

    def computed(self, function: Callable[..., Any], *values: Value) -> Const:
        """Return a function of constants, scenario by scenario; UNKNOWN where one is, or where it raises."""
        columns = [self.values_of(value) for value in values]
        out: list[Any] = []
        for row in zip(*columns, strict=True):
            if not all(known_text(item) for item in row):
                out.append(UNKNOWN)
                continue
            try:
                found = function(*row)
            except Exception:  # noqa: BLE001 - what the program would raise is not ours to say
                found = UNKNOWN
            out.append(found)
        return Const(tuple(out))

    def is_node(self, value: Value) -> bool:
        """Return whether a value is a configuration object with keys, in some scenario at hand."""
        return isinstance(value, Ref) and any(
            isinstance(value.root.at(s, value.path), dict) or value.root.at(s, value.path) is UNKNOWN
            for s in self.active
        )

    # -- statements --------------------------------------------------------------------------------------------

    def block(self, statements: Iterable[ast.stmt], env: Env) -> None:
        """Run statements until no scenario is left."""
        for statement in statements:
            if not self.active or self.gave_up:
                return
            self.statement(statement, env)

    def statement(self, node: ast.stmt, env: Env) -> None:
        """Run one statement."""
        self.steps += 1
        if self.steps > _MOST_STEPS:
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

    def _joined(
        self, first: dict[str, Value], here: frozenset[int], second: dict[str, Value], there: frozenset[int]
    ) -> dict[str, Value]:
        """Return names after two branches, each with the scenarios that went through it."""
        joined: dict[str, Value] = {}
        for name in first.keys() | second.keys():
            a, b = first.get(name), second.get(name)
            if same(a, b):
                joined[name] = a
            elif isinstance(a, Const) and isinstance(b, Const):
                joined[name] = Const(
                    tuple(
                        UNKNOWN if s in here and s in there and not equal(x, y) else x if s in here else y
                        for s, (x, y) in enumerate(zip(a.values, b.values, strict=True))
                    )
                )
            else:
                joined[name] = None
        return joined

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
            if len(names) > _MOST_KEYS or (not names and any(ref.root.at(s, ref.path) is UNKNOWN for s in self.active)):
                self.leak(ref)
                self.bind(node.target, None, env, node.iter)
                self._maybe(node.body, env, looping=True)
            for name in names if len(names) <= _MOST_KEYS else []:
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
                self._maybe(node.body, env, looping=True)
                self.active = entered - self.dead
        self.block(node.orelse, env)

    def _mapping(self, ref: Ref, scenario: int) -> Mapping[str, Any]:
        found = ref.root.at(scenario, ref.path)
        return found if isinstance(found, dict) else {}

    def _keys_of(self, node: ast.expr, env: Env) -> tuple[Ref, str] | None:
        """Return the configuration that a loop runs over, and over what of it."""
        kind = "keys"
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and not node.args:
            if node.func.attr not in ("items", "keys", "values"):
                return None
            kind, node = node.func.attr, node.func.value
        if not isinstance(node, ast.Name | ast.Attribute | ast.Subscript):
            return None
        value = self.evaluate(node, env)
        if isinstance(value, Ref) and any(isinstance(value.root.at(s, value.path), dict) for s in self.active):
            return value, kind
        return None

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

    # -- names and places --------------------------------------------------------------------------------------

    def bind(self, target: ast.expr, value: Value, env: Env, source: ast.expr) -> None:
        """Assign a value to a target."""
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

    def set_environment(self, scenario: int, name: Any, value: Any) -> None:
        """Note a variable of the environment."""
        if isinstance(name, str):
            column = self.environment.setdefault(name, [MISSING] * len(self.scenarios))
            column[scenario] = UNKNOWN if self.guard or self.loop else value

    def write_keys(
        self, module: Module, node: ast.AST, owner: Ref, keys: tuple[Any, ...], value: Value, *, dotted: bool
    ) -> None:
        """Set a value under a key that may differ by scenario."""
        entered = self.active
        written = node.args[1] if isinstance(node, ast.Call) and len(node.args) > 1 else getattr(node, "slice", None)
        literal = isinstance(written, ast.Constant)
        for key in {k for s in entered if isinstance(k := keys[s], str) and known_text(k)}:
            self.active = frozenset(s for s in entered if keys[s] == key)
            path = tuple(key.split(".")) if dotted else (key,)
            self.write(module, node, owner, path, value, computed_key=not literal)
        for s in entered:
            if not isinstance(keys[s], str) or not known_text(keys[s]):
                owner.root.open(s, owner.path)
        self.active = entered
        if isinstance(value, Ref | Fn | Obj | Seq):
            self.leak(value)

    def write(
        self, module: Module, node: ast.AST, owner: Ref, path: Path, value: Value, *, computed_key: bool = False
    ) -> None:
        """Set a value below a configuration object."""
        full = owner.root.prefix + owner.path + path
        event = self.writes.setdefault((node, full), Write(module, node, full, owner.root))
        event.guarded |= bool(self.guard)
        event.computed_key |= computed_key
        self.resolved.add(node)
        sure = not self.guard and not self.loop
        constants = self.values_of(value)
        for s in self.active:
            parent = owner.root.at(s, owner.path)
            if not isinstance(parent, dict):
                continue
            event.scenarios.add(s)
            whole = owner.path + path
            if any(owner.root.at(s, whole[:n]) is MISSING for n in range(len(owner.path) + 1, len(whole) + 1)):
                event.added.add(s)
                if owner.root.struct[s] and not self.catching:
                    event.refused.add(s)
            tree = value.root.at(s, value.path) if isinstance(value, Ref) else UNKNOWN
            if isinstance(tree, dict):
                owner.root.write(s, whole, copied(tree))
                for opened in value.root.opened[s] if isinstance(value, Ref) else ():
                    owner.root.open(s, whole) if opened else None
            elif sure or equal(owner.root.at(s, whole), constants[s]):
                owner.root.write(s, whole, constants[s])
                if constants[s] is UNKNOWN:
                    owner.root.open(s, whole)
            else:
                owner.root.write(s, whole, UNKNOWN)
                owner.root.open(s, whole)

    # -- expressions -------------------------------------------------------------------------------------------

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
        if self.steps > _MOST_STEPS:
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

    # -- reading a configuration -------------------------------------------------------------------------------

    def name(self, node: ast.Name, env: Env) -> Value:
        """Return what a name stands for."""
        if node.id == "__name__":
            return self.constant(env.module.name if env.module.name != self.program else "__main__")
        bound, value = env.find(node.id)
        if bound:
            return value
        return self.imported(env.module, node)

    program = ""
    """The module that is run as a program."""

    def imported(self, module: Module, node: ast.expr) -> Value:
        """Return the experiment's function, class or module variable that a dotted name stands for."""
        dotted = module.dotted(node)
        if dotted is None:
            return None
        source, _, name = dotted.rpartition(".")
        for other in self.subject.code:
            if other.name == source and other.error is None:
                return self.module_env(other).names.get(name)
        return None

    def module_env(self, module: Module) -> Env:
        """Return the names of a module, after its top level has run once."""
        env = self.module_envs.get(module.name)
        if env is None:
            env = self.module_envs[module.name] = Env(module)
            for statement in module.tree.body:  # functions that stand below their use
                if isinstance(statement, ast.FunctionDef | ast.AsyncFunctionDef):
                    env.names[statement.name] = Fn(statement, env)
                elif isinstance(statement, ast.ClassDef):
                    env.names[statement.name] = Cls(statement, env)
            self.block(module.tree.body, env)
        return env

    def attribute(self, node: ast.Attribute, env: Env) -> Value:
        """Return an attribute."""
        if env.module.dotted(node) is not None and not (
            isinstance(node.value, ast.Name) and env.find(node.value.id)[0]
        ):
            found = self.imported(env.module, node)
            if found is not None:
                return found
        owner = self.evaluate(node.value, env)
        if isinstance(owner, Ref):
            if self.is_node(owner) or not self._has_values(owner):
                if node.attr.startswith("_"):
                    self.leak(owner)
                    return None
                if node.attr in DICT_NAMES and not any(node.attr in self._mapping(owner, s) for s in self.active):
                    return None
                return self.below(env.module, node, owner, node.attr, attribute=True)
            self.read(owner)
            return None
        if isinstance(owner, Obj):
            if node.attr in owner.attributes:
                return owner.attributes[node.attr]
            return self.method(owner, node.attr)
        found_by_search = node.attr == "best_params" or (
            node.attr == "params" and isinstance(node.value, ast.Attribute) and node.value.attr == "best_trial"
        )
        return self.sampled() if owner is None and found_by_search else None

    def sampled(self) -> Value:
        """Return what a search comes back with: the names of the run's search space, with unknown values."""
        trees: list[Any] = []
        for scenario in self.scenarios:
            run = self.subject.runs.get(scenario.run_id)
            space = run.get("optuna", "search_space") if run is not None else None
            trees.append(dict.fromkeys(space, UNKNOWN) if isinstance(space, dict) else {})
        root = Root(trees, prefix=("optuna", "search_space"), plain=True, composed=False)
        for index, tree in enumerate(trees):
            if not tree:
                root.open(index, ())
        return Ref(root, ())

    def _has_values(self, ref: Ref) -> bool:
        return any(ref.root.at(s, ref.path) is not MISSING for s in self.active)

    def method(self, owner: Obj, name: str) -> Value:
        """Return a method of an object, bound to it."""
        for statement in owner.cls.node.body:
            if isinstance(statement, ast.FunctionDef | ast.AsyncFunctionDef) and statement.name == name:
                plain = {d.id for d in statement.decorator_list if isinstance(d, ast.Name)}
                if "staticmethod" in plain:
                    return Fn(statement, owner.cls.env)
                bound = Fn(statement, owner.cls.env, (owner,))
                return self.invoke(bound, (), {}) if "property" in plain else bound
        return None

    def item(self, node: ast.Subscript, env: Env) -> Value:
        """Return an item."""
        owner = self.evaluate(node.value, env)
        key = self.evaluate(node.slice, env)
        self.use(key)
        if isinstance(owner, Ref):
            if not self.is_node(owner):
                self.read(owner)
                return self.computed(lambda x, i: x[i] if isinstance(x, list | tuple | str) else UNKNOWN, owner, key)
            keys = {k for s, k in enumerate(self.values_of(key)) if s in self.active}
            only = next(iter(keys)) if len(keys) == 1 else UNKNOWN
            if isinstance(only, str) and known_text(only):
                return self.below(env.module, node, owner, only, attribute=False)
            return self._items(owner, self.values_of(key))
        if isinstance(owner, Seq):
            only = self.values_of(key)[0]
            if owner.keys is not None and only in [k for k in owner.keys if k is not UNKNOWN]:
                return owner.items[owner.keys.index(only)]
            if owner.keys is None and isinstance(only, int) and -len(owner.items) <= only < len(owner.items):
                return owner.items[only]
            self.leak(owner)
        return None

    def _items(self, owner: Ref, keys: tuple[Any, ...]) -> Value:
        """Read an item whose key differs by scenario, or is not known: everything below may be read."""
        for s in self.active:
            if isinstance(keys[s], str) and known_text(keys[s]):
                self.reads.add((*owner.full, keys[s]))
                self.escaped.add((*owner.full, keys[s]))
            else:
                self.escaped.add(owner.full)
        return None

    def below(self, module: Module, node: ast.AST, owner: Ref, key: str, *, attribute: bool) -> Value:
        """Read a key of a configuration object, and note where it is not there."""
        inner = Ref(owner.root, (*owner.path, key))
        self.resolved.add(node)
        access = self.accesses.setdefault((self.program, node), Access(module, node, inner.full, owner.root))
        for s in self.active:
            found = owner.root.at(s, inner.path)
            parent = owner.root.at(s, owner.path)
            if not isinstance(parent, dict):
                continue
            mandatory = found == "???" and not owner.root.plain
            plain = attribute and owner.root.plain
            if found is MISSING or mandatory or plain:
                access.mandatory |= mandatory
                access.plain |= plain
                access.above |= set(parent)
                if not self.catching:
                    (access.absent_guarded if self.guard else access.absent).add(s)
            else:
                access.present.add(s)
        if not all(isinstance(owner.root.at(s, inner.path), dict) for s in self.active):
            self.read(inner)
        if all(owner.root.at(s, inner.path) is MISSING for s in self.active):
            return None
        return inner

    def read(self, ref: Ref) -> None:
        """Note that a value is read."""
        self.reads.add(ref.full)

    def use(self, value: Value) -> None:
        """Note that a value takes part in something, where it is no mapping."""
        if isinstance(value, Ref) and not all(isinstance(value.root.at(s, value.path), dict) for s in self.active):
            self.read(value)

    def record(self, value: Value) -> None:
        """Note that a value is printed or logged: a mapping that is only logged is not read."""
        if isinstance(value, Seq):
            for item in value.items:
                self.record(item)
        else:
            self.use(value)

    def escape(self, value: Value) -> None:
        """Note that everything below a value is read."""
        if isinstance(value, Ref):
            (self.escaped if self.is_node(value) else self.reads).add(value.full)
        elif isinstance(value, Seq):
            for item in value.items:
                self.escape(item)

    def leak(self, value: Value) -> None:
        """Note that unknown code has a value: it reads everything below, and may change it."""
        if isinstance(value, Ref):
            self.escape(value)
            if self.is_node(value):
                for s in self.active:
                    value.root.open(s, value.path)
                    value.root.struct[s] = None
        elif isinstance(value, Seq):
            for item in value.items:
                self.leak(item)
        elif isinstance(value, Fn) and id(value.node) not in self.leaked:
            self.leaked.add(id(value.node))
            self._unsure(value)
        elif isinstance(value, Obj) and id(value) not in self.leaked:
            self.leaked.add(id(value))
            for statement in value.cls.node.body:
                if isinstance(statement, ast.FunctionDef) and statement.name != "__init__":
                    self._unsure(Fn(statement, value.cls.env, (value,)))

    def _unsure(self, function: Fn) -> None:
        """Call a function that unknown code has, once or often or never."""
        self.loop += 1
        self.invoke(function, (), {})
        self.loop -= 1

    # -- calls, in `config_calls` ------------------------------------------------------------------------------

    def call(self, node: ast.Call, env: Env) -> Value:
        """Return what a call gives."""
        raise NotImplementedError

    def invoke(self, function: Fn, args: tuple[Value, ...], kwargs: Mapping[str, Value]) -> Value:
        """Run a function of the experiment."""
        raise NotImplementedError


def _number(value: Any) -> bool:
    return isinstance(value, int | float)


def _has_text(values: tuple[Any, ...]) -> bool:
    return any(isinstance(value, str) for value in values)
