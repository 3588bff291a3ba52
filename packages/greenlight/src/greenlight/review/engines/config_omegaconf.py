"""What OmegaConf's functions do to a configuration: load, merge, create, copy, select, update."""

from __future__ import annotations

import ast
from collections.abc import Mapping
from typing import Any

from greenlight.review.engines.config_events import Defaulted, Load, Merge
from greenlight.review.engines.config_statements import Statements
from greenlight.review.engines.config_values import (
    HOLE,
    MISSING,
    Const,
    Env,
    Obj,
    Ref,
    Root,
    Seq,
    Value,
    copied,
)
from greenlight.review.module import UNKNOWN, Module


class OmegaConfCalls(Statements):
    """Follows OmegaConf's functions."""

    def _arguments(self, node: ast.Call, env: Env) -> tuple[list[Value], dict[str, Value]]:
        args = [self.evaluate(a, env) for a in node.args if not isinstance(a, ast.Starred)]
        for starred in node.args:
            if isinstance(starred, ast.Starred):
                self.leak(self.evaluate(starred.value, env))
        kwargs = {}
        for keyword in node.keywords:
            value = self.evaluate(keyword.value, env)
            if keyword.arg is None:
                self.escape(value)
            else:
                kwargs[keyword.arg] = value
        return args, kwargs

    def _load(self, node: ast.Call, env: Env) -> Value:
        """Read a YAML file: one tree per scenario, open where the file is not known."""
        args, kwargs = self._arguments(node, env)
        texts = self.values_of(args[0] if args else kwargs.get("file_") or kwargs.get("stream"))
        return self._loaded(node, env, texts, plain=False)

    def _loaded(self, node: ast.Call, env: Env, texts: tuple[Any, ...], *, plain: bool) -> Value:
        event = self.loads.setdefault(node, Load(env.module, node, guarded=bool(self.guard or self.catching)))
        trees: list[Any] = []
        opened = []
        for s, text in enumerate(texts):
            file = None
            if isinstance(text, str):
                if s in self.active:
                    event.paths[s] = text
                place = text.rpartition(HOLE)[2].lstrip("/") if HOLE in text else text.removeprefix("./")
                if place.startswith("config/"):
                    runs = {run.path: run for run in self.subject.runs.values()}
                    config = self.subject.config
                    file = config if config is not None and place == config.path else runs.get(place)
            if file is None or file.error is not None:
                opened.append(s)
            data = {} if file is None else copied(file.data)
            if file is not None and file is self.subject.config and not data:
                opened.append(s)  # an empty file is told by the rule about empty files
            trees.append(data)
        root = Root(trees, plain=plain, composed=False)
        for s in opened:
            root.open(s, ())
        return Ref(root, ())

    def _merge(self, node: ast.Call, env: Env) -> Value:
        args, kwargs = self._arguments(node, env)
        if any(isinstance(a, ast.Starred) for a in node.args) or not args:
            for value in (*args, *kwargs.values()):
                self.leak(value)
            return None
        first = args[0]
        if isinstance(first, Ref):
            root = first.root.copy(first.path, plain=False, keep_struct=True)
            root.composed = any(isinstance(a, Ref) and a.root.composed for a in args)
        else:
            root = Root(
                [{} for _ in self.scenarios], composed=any(isinstance(a, Ref) and a.root.composed for a in args)
            )
            self._merge_into(Ref(root, ()), first, node, env)
        for other in args[1:]:
            self._merge_into(Ref(root, ()), other, node, env)
        return Ref(root, ())

    def _merge_into(self, into: Ref, other: Value, node: ast.Call, env: Env) -> None:
        """Merge a value into a configuration object in place."""
        event = self.merges.setdefault(node, Merge(env.module, node))
        event.guarded = bool(self.guard)
        root = into.root
        for s in self.active:
            tree, struct = UNKNOWN, None
            if isinstance(other, Ref):
                tree, struct = other.root.at(s, other.path), other.root.struct[s]
            elif isinstance(other, Seq) and other.keys is not None:
                tree = self._display_tree(other, s)
            mine = root.at(s, into.path)
            if not isinstance(tree, dict) or not isinstance(mine, dict):
                root.open(s, into.path)
                root.struct[s] = None
                continue
            if root.struct[s] and not self.catching:
                missing = [".".join(key) for key in _new_keys(mine, tree)]
                if missing:
                    root.after_failure = True
                    event.keys.setdefault(s, missing)
            _merge_trees(mine, tree)
            if isinstance(other, Ref):
                length = len(other.path)
                for path in other.root.opened[s]:
                    if path[:length] == other.path:
                        root.open(s, into.path + path[length:])
                for path in other.root.written[s]:
                    if path[:length] == other.path:
                        root.written[s].add(into.path + path[length:])
                if struct and not into.path:
                    root.struct[s] = True

    def _display_tree(self, display: Seq, scenario: int) -> Any:
        tree: dict[str, Any] = {}
        for key, item in zip(display.keys or (), display.items, strict=True):
            if not isinstance(key, str):
                return UNKNOWN
            if isinstance(item, Seq):
                tree[key] = self._display_tree(item, scenario) if item.keys is not None else UNKNOWN
            elif isinstance(item, Ref):
                tree[key] = copied(item.root.at(scenario, item.path))
            else:
                tree[key] = self.values_of(item)[scenario]
        return tree

    def _create(self, node: ast.Call, env: Env) -> Value:
        args, _ = self._arguments(node, env)
        if not args:
            return Ref(Root([{} for _ in self.scenarios], composed=False), ())
        value = args[0]
        if isinstance(value, Ref) and self.is_node(value):
            plain = value.root.plain
            new = value.root.copy(value.path, plain=False, struct=False, keep_struct=not plain)
            if plain:
                new.struct = [False] * len(self.scenarios)
            return Ref(new, ())
        if isinstance(value, Seq) and value.keys is not None:
            trees = [self._display_tree(value, s) for s in range(len(self.scenarios))]
            if all(isinstance(tree, dict) for tree in trees):
                return Ref(Root(trees, composed=False), ())
        self.leak(value)
        return None

    def _copy(self, node: ast.Call, env: Env) -> Value:
        args, _ = self._arguments(node, env)
        value = args[0] if args else None
        if isinstance(value, Ref) and self.is_node(value):
            return Ref(value.root.copy(value.path, plain=value.root.plain, keep_struct=True), ())
        if isinstance(value, Const):
            return value
        self.leak(value)
        return None

    def _container(self, node: ast.Call, env: Env) -> Value:
        args, kwargs = self._arguments(node, env)
        value = args[0] if args else kwargs.get("cfg")
        if isinstance(value, Ref) and self.is_node(value):
            return Ref(value.root.copy(value.path, plain=True, struct=False), ())
        self.use(value)
        return value if isinstance(value, Seq) else None

    def _select(self, node: ast.Call, env: Env) -> Value:
        args, kwargs = self._arguments(node, env)
        owner = args[0] if args else None
        keys = self.values_of(args[1] if len(args) > 1 else kwargs.get("key"))
        only = {k for s, k in enumerate(keys) if s in self.active}
        if not isinstance(owner, Ref) or len(only) != 1 or not isinstance(k := next(iter(only)), str) or HOLE in k:
            self.leak(owner)
            return None
        return self._optional(env.module, node, owner, tuple(k.split(".")), kwargs.get("default", self.constant(None)))

    def _optional(self, module: Module, node: ast.Call, owner: Ref, path: tuple[str, ...], default: Value) -> Value:
        """Read a key that need not be there."""
        self.resolved.add(node)
        self.resolved.update(node.args)
        inner = Ref(owner.root, owner.path + path)
        self.reads.add(inner.full)
        found = [owner.root.at(s, inner.path) for s in range(len(self.scenarios))]
        here = {s: found[s] is not MISSING and found[s] != "???" for s in self.active}
        for s in self.active:
            above = [owner.root.at(s, inner.path[:n]) for n in range(len(owner.path), len(inner.path))]
            here[s] = here[s] and all(isinstance(parent, dict) or parent is UNKNOWN for parent in above)
        if self.active and all(here.values()):
            self.reads.discard(inner.full) if self.is_node(inner) else None
            return inner
        if not any(here.values()):
            if self.active and all(found[s] is MISSING for s in self.active) and not owner.root.plain:
                first = self.values_of(default)[min(self.active)]
                if isinstance(first, str | int | float) and first is not UNKNOWN:
                    self.defaulted.setdefault(node, Defaulted(module, node, inner.full, first))
            return default
        if any(isinstance(found[s], dict) for s in self.active):
            self.escaped.add(inner.full)
            return None
        defaults = self.values_of(default)
        return Const(tuple(found[s] if here.get(s) else defaults[s] for s in range(len(self.scenarios))))

    def _update(self, node: ast.Call, env: Env) -> Value:
        args, kwargs = self._arguments(node, env)
        owner = args[0] if args else kwargs.get("cfg")
        key = args[1] if len(args) > 1 else kwargs.get("key")
        value = args[2] if len(args) > 2 else kwargs.get("value")
        if isinstance(owner, Ref):
            struct = list(owner.root.struct)
            if "force_add" in kwargs:
                owner.root.struct = [None] * len(self.scenarios)
            self.write_keys(env.module, node, owner, self.values_of(key), value, dotted=True)
            owner.root.struct = struct
        else:
            self.leak(value)
        return None

    def _set_struct(self, node: ast.Call, env: Env) -> Value:
        args, kwargs = self._arguments(node, env)
        owner = args[0] if args else kwargs.get("conf")
        flags = self.values_of(args[1] if len(args) > 1 else kwargs.get("value"))
        if isinstance(owner, Ref):
            for s in self.active:
                plain = flags[s] if isinstance(flags[s], bool) and not self.guard and not owner.path else None
                owner.root.struct[s] = plain
        return None

    def _has(self, node: ast.Call, env: Env) -> Value:
        args, _ = self._arguments(node, env)
        owner = args[0] if args else None
        key = self.values_of(args[1])[0] if len(args) > 1 else UNKNOWN
        if isinstance(owner, Ref) and isinstance(key, str):
            out: list[Any] = []
            for s in range(len(self.scenarios)):
                found = owner.root.at(s, (*owner.path, key))
                known = found is not UNKNOWN or isinstance(owner.root.at(s, owner.path), dict)
                out.append((found is not MISSING and found != "???") if known else UNKNOWN)
            return Const(tuple(out))
        return None

    def _is_missing(self, node: ast.Call, env: Env) -> Value:
        """Return whether a key is ``???``, or not there."""
        args, _ = self._arguments(node, env)
        owner = args[0] if args else None
        keys = self.values_of(args[1]) if len(args) > 1 else ()
        if not isinstance(owner, Ref) or not keys:
            return None
        self.resolved.update(node.args)
        found = [owner.root.at(s, (*owner.path, k)) if isinstance(k, str) else UNKNOWN for s, k in enumerate(keys)]
        return Const(tuple(UNKNOWN if value is UNKNOWN else value in ("???", MISSING) for value in found))

    def _getattr(self, node: ast.Call, env: Env) -> Value:
        args, _ = self._arguments(node, env)
        owner = args[0] if args else None
        keys = self.values_of(args[1]) if len(args) > 1 else ()
        only = {k for s, k in enumerate(keys) if s in self.active}
        key = next(iter(only)) if len(only) == 1 else UNKNOWN
        if isinstance(owner, Ref) and self.is_node(owner) and isinstance(key, str) and HOLE not in key:
            if len(args) > 2:
                return self._optional(env.module, node, owner, (key,), args[2])
            return self.below(env.module, node, owner, key, attribute=True)
        if isinstance(owner, Obj) and isinstance(key, str) and key in owner.attributes:
            return owner.attributes[key]
        self.leak(owner)
        return None


def _new_keys(mine: dict[str, Any], other: dict[str, Any], path: tuple[str, ...] = ()) -> list[tuple[str, ...]]:
    """Return the keys of a tree that another lacks, the uppermost of each branch."""
    found = []
    for key, value in other.items():
        if key not in mine:
            found.append((*path, key))
        elif isinstance(value, dict) and isinstance(mine[key], dict):
            found += _new_keys(mine[key], value, (*path, key))
    return found


def _merge_trees(into: dict[str, Any], other: Mapping[str, Any]) -> None:
    for key, value in other.items():
        mine = into.get(key)
        if isinstance(mine, dict) and isinstance(value, dict):
            _merge_trees(mine, value)
        else:
            into[key] = copied(value)
