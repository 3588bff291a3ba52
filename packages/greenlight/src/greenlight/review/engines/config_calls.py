"""What calls do to a configuration: the experiment's own functions, methods, and everything that is not known."""

from __future__ import annotations

import ast
from abc import abstractmethod
from collections.abc import Callable, Mapping
from typing import Any

from greenlight.review.engines.config_events import Call, Frame, Load
from greenlight.review.engines.config_greenlight import GreenlightCalls
from greenlight.review.engines.config_values import (
    HOLE,
    Cls,
    Const,
    Env,
    Fn,
    Obj,
    Ref,
    Seq,
    Value,
    known_text,
    same,
)
from greenlight.review.module import UNKNOWN, Function, parameters

_DEEPEST = 14
_NOTED = frozenset({"wandb.init", ".optimize"})
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
"omegaconf.OmegaConf.is_struct", "omegaconf.OmegaConf.is_interpolation",
    "omegaconf.OmegaConf.resolve", "omegaconf.OmegaConf.set_readonly", "omegaconf.OmegaConf.register_new_resolver",
    "omegaconf.OmegaConf.missing_keys", "omegaconf.OmegaConf.get_type",
})  # fmt: skip
_SAME_OBJECT = frozenset(
    {"to", "cuda", "cpu", "float", "half", "bfloat16", "train", "eval", "requires_grad_", "double"}
)
_TEXT_METHODS = frozenset({"replace", "lower", "upper", "strip", "startswith", "endswith", "lstrip", "rstrip", "title"})
_ROOT_CALLS = frozenset({"hydra.utils.get_original_cwd", "os.getcwd", "pathlib.Path.cwd"})
_SAME_PATH = frozenset({"pathlib.Path", "os.path.abspath", "os.path.realpath", "os.path.expanduser", "os.fspath"})
_MODELLED = {
    "omegaconf.OmegaConf.load": "_load",
    "omegaconf.OmegaConf.merge": "_merge",
    "omegaconf.OmegaConf.unsafe_merge": "_merge",
    "omegaconf.OmegaConf.create": "_create",
    "omegaconf.OmegaConf.to_container": "_container",
    "omegaconf.OmegaConf.to_object": "_container",
    "omegaconf.OmegaConf.select": "_select",
    "omegaconf.OmegaConf.is_missing": "_is_missing",
    "omegaconf.OmegaConf.update": "_update",
    "omegaconf.OmegaConf.set_struct": "_set_struct",
    "omegaconf.DictConfig": "_create",
    "greenlight.harness.modes.configure_mode": "_configure_mode",
    "greenlight.harness.session.Experiment": "_experiment",
    "greenlight.harness.session.conduct": "_conduct",
    "greenlight.harness.loop.train_until_spent": "_train_until_spent",
    "greenlight.harness.compose.validated": "_validated",
    "greenlight.harness.compose.validated_values": "_validated",
    "greenlight.harness.sections.with_values": "_replaced",
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


class Calls(GreenlightCalls):
    """Follows calls."""

    def call(self, node: ast.Call, env: Env) -> Value:
        """Return what a call gives."""
        module = env.module
        bound = isinstance(node.func, ast.Name) and env.find(node.func.id)[0]
        dotted = None if bound else self.dotted(module, node.func)
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
        """Run a function of the experiment; one that is given constants alone is run once for each of them."""
        given = (*function.args, *args, *(value for _, value in function.kwargs), *kwargs.values())
        if function.env.parent is not None or not all(value is None or isinstance(value, Const) for value in given):
            return self._run(function, args, kwargs)
        values = repr([value.values if isinstance(value, Const) else None for value in given])
        state = (self.active, *(bool(x) for x in (self.guard, self.loop, self.catching, self.unsure, self.entries)))
        key = (self.program, function.node, values, tuple(kwargs), *state)
        if key in self.outcomes:
            return self.outcomes[key]
        dead = set(self.dead)
        found = self._run(function, args, kwargs)
        if dead == self.dead and (found is None or isinstance(found, Const)):
            self.outcomes[key] = found
        return found

    def _run(self, function: Fn, args: tuple[Value, ...], kwargs: Mapping[str, Value]) -> Value:
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
        frame = Frame(self.guard, self.loop)
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

    def _outcome(self, frame: Frame, ended: bool) -> Value:
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
        united = self.united(frame.returned) if not ended else None
        if united is not None:
            return united
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
        if name not in _NOTED:
            return
        arguments = {key: self.values_of(value) for key, value in kwargs.items()}
        arguments |= {str(index): self.values_of(value) for index, value in enumerate(args)}
        opened = any(isinstance(a, ast.Starred) for a in node.args) or any(k.arg is None for k in node.keywords)
        environment = {key: tuple(column) for key, column in self.environment.items()}
        guarded = bool(self.guard)
        self.calls.append(Call(env.module, node, name, self.active, guarded, arguments, environment, opened))

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

    def _method_call(self, node: ast.Call, function: ast.Attribute, env: Env) -> Value:
        owner = self.evaluate(function.value, env)
        name = function.attr
        if isinstance(owner, Ref) and owner.root.view is not None and self.is_node(owner):
            return self.on_view(node, owner, name, env)
        if isinstance(owner, Ref) and self.is_node(owner):
            return self._on_configuration(node, owner, name, env)
        args, kwargs = self._arguments(node, env)
        if node in self.stores:
            return None
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
                return self._optional(env.module, node, owner, (only,), default)
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
