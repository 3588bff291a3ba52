"""What calls do to a configuration: OmegaConf's functions, dictionary methods, the experiment's own functions."""

from __future__ import annotations

import ast
from abc import abstractmethod
from collections.abc import Callable, Mapping
from typing import Any

from greenlight.review.engines.config_machine import Call, Load, Machine, Merge, _Frame
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
    copied,
    known_text,
    same,
)
from greenlight.review.module import UNKNOWN, Function, parameters

_DEEPEST = 14
_PURE = frozenset({
    "int", "float", "str", "bool", "len", "min", "max", "abs", "round", "isinstance", "type", "range", "sum", "sorted",
    "enumerate", "zip", "any", "all", "callable", "id", "hash", "issubclass", "repr",
})  # fmt: skip
_COMPUTED: Mapping[str, Callable[..., Any]] = {
    "int": int, "float": float, "str": str, "bool": bool, "len": len, "min": min, "max": max, "abs": abs,
}  # fmt: skip
_RECORDERS = frozenset({
    "print", "pprint.pprint", "pprint.pformat", "json.dump", "json.dumps", "yaml.dump", "yaml.safe_dump",
    "omegaconf.OmegaConf.to_yaml", "omegaconf.OmegaConf.save", "wandb.init", "wandb.config.update", "rich.print",
})  # fmt: skip
_LOG_METHODS = frozenset({"info", "debug", "warning", "error", "exception", "critical", "write"})
_HARMLESS = frozenset({
    "omegaconf.OmegaConf.is_config", "omegaconf.OmegaConf.is_dict", "omegaconf.OmegaConf.is_list",
    "omegaconf.OmegaConf.is_missing", "omegaconf.OmegaConf.is_struct", "omegaconf.OmegaConf.is_interpolation",
    "omegaconf.OmegaConf.resolve", "omegaconf.OmegaConf.set_readonly", "omegaconf.OmegaConf.register_new_resolver",
    "omegaconf.OmegaConf.missing_keys", "omegaconf.OmegaConf.get_type",
})  # fmt: skip
_SAME_OBJECT = frozenset(
    {"to", "cuda", "cpu", "float", "half", "bfloat16", "train", "eval", "requires_grad_", "double"}
)
_TEXT_METHODS = frozenset({"replace", "lower", "upper", "strip", "startswith", "endswith", "lstrip", "rstrip", "title"})
_ROOT_CALLS = frozenset({"hydra.utils.get_original_cwd", "os.getcwd", "pathlib.Path.cwd"})
_SAME_PATH = frozenset({"pathlib.Path", "os.path.abspath", "os.path.realpath", "os.path.expanduser", "os.fspath"})


class Calls(Machine):
    """A `Machine` that knows what calls do."""

    def call(self, node: ast.Call, env: Env) -> Value:
        """Return what a call gives."""
        module = env.module
        bound = isinstance(node.func, ast.Name) and env.find(node.func.id)[0]
        dotted = None if bound else module.dotted(node.func)
        if dotted is None and isinstance(node.func, ast.Name) and not bound:
            dotted = f"builtins.{node.func.id}"
        target = self.evaluate(node.func, env) if bound or not (dotted or "").startswith("builtins.") else None
        if isinstance(target, Fn | Cls | Obj):
            args = tuple(self.evaluate(a, env) for a in node.args if not isinstance(a, ast.Starred))
            for starred in node.args:
                if isinstance(starred, ast.Starred):
                    self.leak(self.evaluate(starred.value, env))
            kwargs = {k.arg: self.evaluate(k.value, env) for k in node.keywords if k.arg is not None}
            for keyword in node.keywords:
                if keyword.arg is None:
                    self.leak(self.evaluate(keyword.value, env))
            return self.own(target, args, kwargs)
        if dotted is not None:
            known = self._known(node, dotted.removeprefix("builtins."), env)
            if known is not NotImplemented:
                found: Value = known
                return found
        if isinstance(node.func, ast.Attribute) and dotted is None:
            return self._method_call(node, node.func, env)
        return self._foreign(node, (dotted or "?").removeprefix("builtins."), env)

    def own(self, target: Fn | Cls | Obj, args: tuple[Value, ...], kwargs: Mapping[str, Value]) -> Value:
        """Call a function, class or object of the experiment."""
        if isinstance(target, Fn):
            entry = self.entry_root(target, args, kwargs)
            return self.invoke(target, args if entry is None else (entry,), kwargs)
        if isinstance(target, Cls):
            made = Obj(target)
            start = self.method(made, "__init__")
            if isinstance(start, Fn):
                self.invoke(start, args, kwargs)
            else:
                for name, value in kwargs.items():
                    made.attributes[name] = value
                for value in args:
                    self.leak(value)
            return made
        for name in ("__call__", "forward"):
            method = self.method(target, name)
            if isinstance(method, Fn):
                return self.invoke(method, args, kwargs)
        for value in (*args, *kwargs.values()):
            self.leak(value)
        return None

    @abstractmethod
    def entry_root(self, target: Fn, args: tuple[Value, ...], kwargs: Mapping[str, Value]) -> Ref | None:
        """Return what Hydra hands to a decorated function that is called without arguments."""

    def invoke(self, function: Fn, args: tuple[Value, ...], kwargs: Mapping[str, Value]) -> Value:
        """Run a function of the experiment."""
        node = function.node
        given = (*function.args, *args)
        named = {**dict(function.kwargs), **kwargs}
        if self.stack.count(node) > 1 or len(self.stack) >= _DEEPEST or self.gave_up:
            for value in (*given, *named.values()):
                self.leak(value)
            return None
        env = Env(function.env.module, function.env)
        self._bind_parameters(node, given, named, env)
        entered, guard, loop, catching = self.active, self.guard, self.loop, self.catching
        frame = _Frame(self.guard, self.loop)
        self.frames.append(frame)
        self.stack.append(node)
        if isinstance(node, ast.Lambda):
            frame.returned.append((self.evaluate(node.body, env), self.active))
        else:
            self.block(node.body, env)
        self.stack.pop()
        self.frames.pop()
        ended = bool(self.active) and not isinstance(node, ast.Lambda)
        self.active, self.guard, self.loop, self.catching = entered - self.dead, guard, loop, catching
        return self._outcome(frame, ended)

    def _outcome(self, frame: _Frame, ended: bool) -> Value:
        if not frame.returned:
            return self.constant(None)
        first = frame.returned[0][0]
        if all(same(first, value) for value, _ in frame.returned) and not ended:
            return first
        if all(isinstance(value, Const) for value, _ in frame.returned) and not ended:
            out = [UNKNOWN] * len(self.scenarios)
            seen: set[int] = set()
            for value, scenarios in frame.returned:
                for s in scenarios:
                    constant = value.values[s] if isinstance(value, Const) else UNKNOWN
                    out[s] = constant if s not in seen else UNKNOWN
                    seen.add(s)
            return Const(tuple(out))
        for value, _ in frame.returned:
            if self.is_node(value):
                self.leak(value)
        return None

    def _bind_parameters(
        self, node: Function | ast.Lambda, given: tuple[Value, ...], named: dict[str, Value], env: Env
    ) -> None:
        positional = [*node.args.posonlyargs, *node.args.args]
        for parameter in parameters(node):
            env.names[parameter.arg] = None
        defaults = node.args.defaults
        for parameter, default in zip(positional[len(positional) - len(defaults) :], defaults, strict=True):
            if isinstance(default, ast.Constant):
                env.names[parameter.arg] = self.constant(default.value)
        for parameter, other in zip(node.args.kwonlyargs, node.args.kw_defaults, strict=True):
            if isinstance(other, ast.Constant):
                env.names[parameter.arg] = self.constant(other.value)
        for parameter, value in zip(positional, given, strict=False):
            env.names[parameter.arg] = value
        for value in given[len(positional) :]:
            self.leak(value)
        known = {parameter.arg for parameter in (*positional, *node.args.kwonlyargs)}
        for name, value in named.items():
            if name in known:
                env.names[name] = value
            else:
                self.leak(value)

    # -- libraries ---------------------------------------------------------------------------------------------

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

    def _foreign(self, node: ast.Call, name: str, env: Env) -> Value:
        """Call something of which nothing is known: it reads what it is given, and may change it."""
        args, kwargs = self._arguments(node, env)
        self._note(node, name, env, args, kwargs)
        for value in (*args, *kwargs.values()):
            if name in _RECORDERS:
                self.record(value)
            elif name in _PURE or name in _HARMLESS:
                self.use(value)
            else:
                self.leak(value)
        if name == "open" and args and not (len(args) > 1 or "mode" in kwargs):
            event = self.loads.setdefault(node, Load(env.module, node, guarded=bool(self.guard), is_open=True))
            event.paths |= {
                s: t for s, t in enumerate(self.values_of(args[0])) if isinstance(t, str) and s in self.active
            }
        if name in ("sys.exit", "exit", "quit", "os._exit", "os.abort"):
            self.stop()
        if name in _COMPUTED and args and not kwargs:
            return self.computed(_COMPUTED[name], *args)
        return None

    def _note(self, node: ast.Call, name: str, env: Env, args: list[Value], kwargs: Mapping[str, Value]) -> None:
        arguments = {key: self.values_of(value) for key, value in kwargs.items()}
        arguments |= {str(index): self.values_of(value) for index, value in enumerate(args)}
        opened = any(isinstance(a, ast.Starred) for a in node.args) or any(k.arg is None for k in node.keywords)
        environment = {key: tuple(column) for key, column in self.environment.items()}
        self.calls.append(Call(env.module, node, name, self.active, bool(self.guard), arguments, environment, opened))

    def _known(self, node: ast.Call, name: str, env: Env) -> Any:
        """Call a library function that is modelled; NotImplemented for all others."""
        method = _MODELLED.get(name)
        if method is not None:
            return getattr(self, method)(node, env)
        if name in _SAME_PATH and node.args and not node.keywords:
            return self._joined_path(node, env)
        if name in _ROOT_CALLS:
            return self.constant(HOLE)
        return NotImplemented

    def _joined_path(self, node: ast.Call, env: Env) -> Value:
        parts, _ = self._arguments(node, env)
        texts = []
        for row in zip(*(self.values_of(part) for part in parts), strict=True):
            text = ""
            for item in row:
                piece = item if isinstance(item, str) else HOLE
                text = piece if not text or piece.startswith("/") else f"{text.rstrip('/')}/{piece}"
            texts.append(text)
        for part in parts:
            self.use(part)
        return Const(tuple(texts))

    def _absolute(self, node: ast.Call, env: Env) -> Value:
        args, _ = self._arguments(node, env)
        self.use(args[0] if args else None)
        texts = self.values_of(args[0] if args else None)
        return Const(tuple(f"{HOLE}/{text}" if isinstance(text, str) else HOLE for text in texts))

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
        return self._optional(node, owner, tuple(k.split(".")), kwargs.get("default", self.constant(None)))

    def _optional(self, node: ast.Call, owner: Ref, path: tuple[str, ...], default: Value) -> Value:
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

    def _getattr(self, node: ast.Call, env: Env) -> Value:
        args, _ = self._arguments(node, env)
        owner = args[0] if args else None
        keys = self.values_of(args[1]) if len(args) > 1 else ()
        only = {k for s, k in enumerate(keys) if s in self.active}
        key = next(iter(only)) if len(only) == 1 else UNKNOWN
        if isinstance(owner, Ref) and self.is_node(owner) and isinstance(key, str) and HOLE not in key:
            if len(args) > 2:
                return self._optional(node, owner, (key,), args[2])
            return self.below(env.module, node, owner, key, attribute=True)
        if isinstance(owner, Obj) and isinstance(key, str) and key in owner.attributes:
            return owner.attributes[key]
        self.leak(owner)
        return None

    def _dict_call(self, node: ast.Call, env: Env) -> Value:
        args, kwargs = self._arguments(node, env)
        if len(args) == 1 and not kwargs and isinstance(args[0], Ref) and self.is_node(args[0]):
            return Ref(args[0].root.copy(args[0].path, plain=True, struct=False), ())
        if not args and kwargs:
            return Seq(tuple(kwargs.values()), tuple(kwargs))
        for value in (*args, *kwargs.values()):
            self.leak(value)
        return None

    def _listed(self, node: ast.Call, env: Env) -> Value:
        args, _ = self._arguments(node, env)
        for value in args:
            self.escape(value)
            self.use(value)
        return args[0] if len(args) == 1 and isinstance(args[0], Ref) and not self.is_node(args[0]) else None

    def _partial(self, node: ast.Call, env: Env) -> Value:
        args, kwargs = self._arguments(node, env)
        if args and isinstance(args[0], Fn):
            inner = args[0]
            return Fn(inner.node, inner.env, (*inner.args, *args[1:]), (*inner.kwargs, *kwargs.items()))
        for value in (*args, *kwargs.values()):
            self.leak(value)
        return None

    def _setdefault_environment(self, node: ast.Call, env: Env) -> Value:
        args, _ = self._arguments(node, env)
        for s in self.active if len(args) > 1 else ():
            name = self.values_of(args[0])[s]
            if isinstance(name, str) and self.environment.get(name, [MISSING] * len(self.scenarios))[s] is MISSING:
                self.set_environment(s, name, UNKNOWN)
        return None

    # -- methods -----------------------------------------------------------------------------------------------

    def _method_call(self, node: ast.Call, function: ast.Attribute, env: Env) -> Value:
        owner = self.evaluate(function.value, env)
        name = function.attr
        if isinstance(owner, Ref) and self.is_node(owner):
            return self._on_configuration(node, owner, name, env)
        args, kwargs = self._arguments(node, env)
        if isinstance(owner, Obj):
            found = owner.attributes.get(name) or self.method(owner, name)
            if isinstance(found, Fn | Cls | Obj):
                return self.own(found, tuple(args), kwargs)
            for value in (*args, *kwargs.values()):
                self.leak(value)
            if name in _SAME_OBJECT:
                return owner
            self.leak(owner)
            return None
        if isinstance(owner, Seq) and owner.keys is not None and name == "get" and args:
            key = self.values_of(args[0])[0]
            if key in [k for k in owner.keys if k is not UNKNOWN]:
                return owner.items[owner.keys.index(key)]
        self.use(owner)
        self._note(node, f".{name}", env, args, kwargs)
        if name in _TEXT_METHODS and not kwargs:
            return self.computed(lambda text, *rest: getattr(text, name)(*rest), owner, *args)
        texts = self.values_of(owner)
        if any(isinstance(text, str) for text in texts):
            if name == "joinpath":
                joined = [t if isinstance(t, str) else HOLE for t in texts]
                for arg in args:
                    parts = self.values_of(arg)
                    joined = [f"{t}/{p if isinstance(p, str) else HOLE}" for t, p in zip(joined, parts, strict=True)]
                return Const(tuple(joined))
            if name in ("resolve", "absolute", "expanduser", "as_posix") and not args:
                return Const(tuple(texts))
            if name in ("format", "open", "read_text"):
                for value in (*args, *kwargs.values()):
                    self.record(value)
                return self._formatted(texts, args, kwargs) if name == "format" else None
        for value in (*args, *kwargs.values()):
            if name in _LOG_METHODS:
                self.record(value)
            else:
                self.leak(value)
        if isinstance(owner, Seq):
            self.leak(owner)
        return None

    def _formatted(self, texts: tuple[Any, ...], args: list[Value], kwargs: Mapping[str, Value]) -> Value:
        out = []
        for s, text in enumerate(texts):
            values = [self.values_of(a)[s] for a in args]
            named = {k: self.values_of(v)[s] for k, v in kwargs.items()}
            try:
                shown = [v if known_text(v) else HOLE for v in values]
                out.append(text.format(*shown, **{k: v if known_text(v) else HOLE for k, v in named.items()}))
            except Exception:  # noqa: BLE001 - a format that does not fit its arguments
                out.append(UNKNOWN)
        return Const(tuple(out))

    def _on_configuration(self, node: ast.Call, owner: Ref, name: str, env: Env) -> Value:
        is_key = any(name in self._mapping(owner, s) for s in self.active)
        if name == "get" and node.args and not is_key:
            args, kwargs = self._arguments(node, env)
            keys = {k for s, k in enumerate(self.values_of(args[0])) if s in self.active}
            only = next(iter(keys)) if len(keys) == 1 else UNKNOWN
            default = args[1] if len(args) > 1 else kwargs.get("default_value") or self.constant(None)
            if isinstance(only, str) and HOLE not in only:
                return self._optional(node, owner, (only,), default)
            return self._items(owner, self.values_of(args[0]))
        args, kwargs = self._arguments(node, env)
        if name in ("items", "keys", "values"):
            if name != "keys":
                self.escape(owner)
            return None
        if name in ("copy", "__deepcopy__", "__copy__"):
            return Ref(owner.root.copy(owner.path, plain=owner.root.plain, keep_struct=True), ())
        if name in ("merge_with", "update") and args:
            for value in args:
                self._merge_into(owner, value, node, env)
            return None
        if name in ("pop", "setdefault"):
            key = self.values_of(args[0])[0] if args else UNKNOWN
            self.escaped.add((*owner.full, key) if isinstance(key, str) else owner.full)
            for s in self.active:
                owner.root.open(s, (*owner.path, key) if isinstance(key, str) else owner.path)
            return None
        if not is_key and name in ("pretty", "is_missing", "is_interpolation", "__contains__"):
            return None
        found = self.below(env.module, node.func, owner, name, attribute=True) if is_key else None
        self.leak(found)
        for value in (*args, *kwargs.values()):
            self.leak(value)
        if not is_key:
            self.leak(owner)
        return None


_MODELLED = {
    "omegaconf.OmegaConf.load": "_load",
    "omegaconf.OmegaConf.merge": "_merge",
    "omegaconf.OmegaConf.unsafe_merge": "_merge",
    "omegaconf.OmegaConf.create": "_create",
    "omegaconf.OmegaConf.to_container": "_container",
    "omegaconf.OmegaConf.to_object": "_container",
    "omegaconf.OmegaConf.select": "_select",
    "omegaconf.OmegaConf.update": "_update",
    "omegaconf.OmegaConf.set_struct": "_set_struct",
    "omegaconf.DictConfig": "_create",
    "copy.deepcopy": "_copy",
    "copy.copy": "_copy",
    "hasattr": "_has",
    "getattr": "_getattr",
    "dict": "_dict_call",
    "list": "_listed",
    "tuple": "_listed",
    "set": "_listed",
    "functools.partial": "_partial",
    "os.path.join": "_joined_path",
    "hydra.utils.to_absolute_path": "_absolute",
    "os.environ.setdefault": "_setdefault_environment",
}


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
