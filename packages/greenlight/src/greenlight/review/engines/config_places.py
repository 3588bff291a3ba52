"""What names, attributes and items stand for: places in the configuration, functions and classes of the experiment."""

from __future__ import annotations

import ast
from abc import abstractmethod
from collections.abc import Mapping
from typing import Any

from greenlight.review.engines.config_events import Access, Lookup
from greenlight.review.engines.config_state import State
from greenlight.review.engines.config_values import (
    MISSING,
    Cls,
    Env,
    Fn,
    Obj,
    Ref,
    Root,
    Seq,
    Value,
    known_text,
)
from greenlight.review.module import UNKNOWN, Module

DICT_NAMES = frozenset({
    "get", "items", "keys", "values", "pop", "update", "merge_with", "copy", "setdefault", "popitem", "clear",
    "is_missing", "is_interpolation", "pretty",
})  # fmt: skip


class Places(State):
    """Reads names, attributes and items; `below` notes each key that is read."""

    program = ""
    """The module that is run as a program."""

    def name(self, node: ast.Name, env: Env) -> Value:
        """Return what a name stands for."""
        if node.id == "__name__":
            return self.constant(env.module.name if env.module.name != self.program else "__main__")
        bound, value = env.find(node.id)
        if bound:
            return value
        return self.imported(env.module, node)

    def imported(self, module: Module, node: ast.expr) -> Value:
        """Return the experiment's function, class or module variable that a dotted name stands for."""
        dotted = self.dotted(module, node)
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
        if self.dotted(env.module, node) is not None and not (
            isinstance(node.value, ast.Name) and env.find(node.value.id)[0]
        ):
            found = self.imported(env.module, node)
            if found is not None:
                return found
        owner = self.evaluate(node.value, env)
        if isinstance(owner, Ref):
            if owner.root.view is not None and not any(node.attr in self._mapping(owner, s) for s in self.active):
                if not self.is_node(owner):
                    return None
                found = self.viewed(owner, node.attr)
                if found is None:
                    self.note_no_field(env.module, node, owner, node.attr)
                return found
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

    @abstractmethod
    def viewed(self, owner: Ref, name: str) -> Value:
        """Return a method or property of a typed view, bound to it."""

    @abstractmethod
    def note_no_field(self, module: Module, node: ast.AST, owner: Ref, name: str) -> None:
        """Note that a field is read which the class of a typed view does not have."""

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
            self._note_lookup(node, owner, key, env)
            asked = {k for s, k in enumerate(self.values_of(key)) if s in self.active and isinstance(k, str | int)}
            only = next(iter(asked)) if len(asked) == 1 else UNKNOWN
            if owner.keys is not None and only in [k for k in owner.keys if k is not UNKNOWN]:
                return owner.items[owner.keys.index(only)]
            if owner.keys is None and isinstance(only, int) and -len(owner.items) <= only < len(owner.items):
                return owner.items[only]
            if owner.keys is not None and len(asked) > 1:
                table = {k: self.values_of(item)[0] for k, item in zip(owner.keys, owner.items, strict=True)}
                return self.computed(lambda k: table[k], key)
            self.leak(owner)
        return None

    def _note_lookup(self, node: ast.Subscript, owner: Seq, key: Value, env: Env) -> None:
        """Note a key that a dictionary display does not have."""
        keys = owner.keys
        if keys is None or not keys or any(k is UNKNOWN for k in keys) or self.guard or self.catching:
            return
        for s, name in enumerate(self.values_of(key)):
            if s in self.active and isinstance(name, str) and known_text(name) and name not in keys:
                event = self.lookups.setdefault((node, name), Lookup(env.module, node, name))
                event.scenarios.add(s)

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
