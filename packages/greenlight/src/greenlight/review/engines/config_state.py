"""The state of a program that is followed: which scenarios are at hand, how sure that is, what was read and written."""

from __future__ import annotations

import ast
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from greenlight.review.engines.config_events import (
    Access,
    Call,
    Defaulted,
    Frame,
    Load,
    Lookup,
    Merge,
    Null,
    Raised,
    Write,
)
from greenlight.review.engines.config_values import (
    MISSING,
    Const,
    Env,
    Fn,
    Obj,
    Path,
    Ref,
    Scenario,
    Seq,
    Value,
    copied,
    equal,
    joined_root,
    known_text,
    same,
)
from greenlight.review.module import UNKNOWN, Module
from greenlight.review.subject import Subject


class State(ABC):
    """What is known while a program is followed.

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
        self.defaulted: dict[ast.AST, Defaulted] = {}
        self.outcomes: dict[tuple[Any, ...], Value] = {}
        self._dotted: dict[ast.AST, str | None] = {}
        self.nulls: dict[ast.AST, Null] = {}
        self.raised: dict[ast.AST, Raised] = {}
        self.lookups: dict[tuple[ast.AST, str], Lookup] = {}
        self.stores: frozenset[ast.AST] = frozenset()
        self.reset()

    def reset(self) -> None:
        """Forget the state of a program; what was found stays."""
        self.active = self.every
        self.guard = self.loop = self.catching = self.unsure = 0
        self.entries: list[Path] = []
        self.frames: list[Frame] = [Frame(0, 0)]
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
        if all(isinstance(value, Const) and len({id(item) for item in value.values}) == 1 for value in values):
            columns = [column[:1] for column in columns]  # the same in all scenarios
        for row in zip(*columns, strict=True):
            if not all(known_text(item) for item in row):
                out.append(UNKNOWN)
                continue
            try:
                found = function(*row)
            except Exception:  # noqa: BLE001 - what the program would raise is not ours to say
                found = UNKNOWN
            out.append(found)
        return Const(tuple(out) if len(out) == len(self.scenarios) else tuple(out) * len(self.scenarios))

    def dotted(self, module: Module, node: ast.expr) -> str | None:
        """Return what `Module.dotted` returns, asked once for each node."""
        if node not in self._dotted:
            self._dotted[node] = module.dotted(node)
        return self._dotted[node]

    def is_node(self, value: Value) -> bool:
        """Return whether a value is a configuration object with keys, in some scenario at hand."""
        return isinstance(value, Ref) and any(
            isinstance(value.root.at(s, value.path), dict) or value.root.at(s, value.path) is UNKNOWN
            for s in self.active
        )

    # -- what is read, and what others get to see --------------------------------------------------------------

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
            if value.root.view is None and self.is_node(value):
                for s in self.active:
                    value.root.open(s, value.path)
                    value.root.struct[s] = None
        elif isinstance(value, Seq):
            for item in value.items:
                self.leak(item)
        elif isinstance(value, Fn) and id(value.node) not in self.leaked:
            self.leaked.add(id(value.node))
            self._unsure(value)
        elif isinstance(value, Obj) and not {id(value), key := self._kind(value)} & self.leaked:
            self.leaked |= {id(value), key}
            for statement in value.cls.node.body:
                if isinstance(statement, ast.FunctionDef) and statement.name != "__init__":
                    self._unsure(Fn(statement, value.cls.env, (value,)))

    def _kind(self, value: Obj) -> int:
        """Return a number for objects of one class that hold the same places of a configuration that never changes."""
        held = [(name, held) for name, held in value.attributes.items() if isinstance(held, Ref)]
        if any(ref.root.view is None for _, ref in held):
            return id(value)
        return hash((id(value.cls.node), self.active, frozenset((name, ref.full) for name, ref in held)))

    def _unsure(self, function: Fn) -> None:
        """Call a function that unknown code has, once or often or never."""
        self.loop += 1
        self.unsure += 1
        self.invoke(function, (), {})
        self.loop -= 1
        self.unsure -= 1

    # -- what is written ---------------------------------------------------------------------------------------

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
        event = self.writes.setdefault((node, full), Write(module, node, full, owner.root, order=self.steps))
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
            event.values[s] = constants[s]
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
                joined[name] = self.united([(a, here), (b, there)])
        return joined

    def united(self, parts: Sequence[tuple[Value, frozenset[int]]]) -> Value:
        """Return one object for configurations that stand for each other by scenario, None for anything else."""
        refs = [value for value, _ in parts if isinstance(value, Ref)]
        if len(refs) != len(parts) or len({(ref.full, ref.root.plain) for ref in refs}) != 1:
            return None
        chosen = [
            [ref for ref, (_, scenarios) in zip(refs, parts, strict=True) if s in scenarios] or refs[:1]
            for s in range(len(self.scenarios))
        ]
        if not all(isinstance(ref.root.at(s, ref.path), dict) for s, several in enumerate(chosen) for ref in several):
            return None
        return Ref(joined_root(chosen), ())

    # -- what is told further down the line of classes ---------------------------------------------------------

    @abstractmethod
    def evaluate(self, node: ast.expr, env: Env) -> Value:
        """Return what an expression is."""

    @abstractmethod
    def block(self, statements: Iterable[ast.stmt], env: Env) -> None:
        """Run statements until no scenario is left."""

    @abstractmethod
    def invoke(self, function: Fn, args: tuple[Value, ...], kwargs: Mapping[str, Value]) -> Value:
        """Run a function of the experiment."""

    @abstractmethod
    def call(self, node: ast.Call, env: Env) -> Value:
        """Return what a call gives."""

    @abstractmethod
    def bind(self, target: ast.expr, value: Value, env: Env, source: ast.expr) -> None:
        """Assign a value to a target."""
