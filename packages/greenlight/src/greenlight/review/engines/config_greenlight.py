"""What Greenlight's own functions do to a configuration: the mode, the typed view of it, sampled values."""

from __future__ import annotations

import ast
from abc import abstractmethod
from collections.abc import Mapping

from greenlight.review.engines.config_events import Access
from greenlight.review.engines.config_libraries import LibraryCalls
from greenlight.review.engines.config_values import Cls, Env, Fn, Obj, Ref, Seq, Value
from greenlight.review.module import Module

_CLOSED = ("greenlight.harness.sections.Section", "pydantic.BaseModel")
# The arguments of `greenlight.harness.session.Experiment` in their order, and what a session reads of a configuration.
_SAID_OF_RUNS = ("schema", "searchable", "job", "objective", "saved", "mendable", "told")
_READ_BY_A_SESSION = ("run_id", "method", "mode", "results_dir", "seed", "optuna", "wandb")
_PYDANTIC = frozenset({"copy", "dict", "json", "construct", "schema", "validate", "fields"})


class GreenlightCalls(LibraryCalls):
    """Follows `greenlight.harness.modes` and `greenlight.harness.compose`, and the typed view that comes of them."""

    def _configure_mode(self, node: ast.Call, env: Env) -> Value:
        args, kwargs = self._arguments(node, env)
        owner = args[0] if args else kwargs.get("cfg")
        reductions = kwargs.get("trial")
        if not isinstance(owner, Ref) or not isinstance(reductions, Seq) or reductions.keys is None:
            self.leak(owner)
            return None
        self.read(Ref(owner.root, (*owner.path, "mode")))
        modes = {s: owner.root.at(s, (*owner.path, "mode")) for s in self.active}
        if any(mode not in ("trial", "full") for mode in modes.values() if isinstance(mode, str)):
            self.leak(owner)
            return None
        entered, struct = self.active, list(owner.root.struct)
        owner.root.struct = [False] * len(self.scenarios)
        for mode, tracked in (("trial", "disabled"), ("full", "online")):
            self.active = frozenset(s for s in entered if modes[s] == mode)
            if self.active:
                self.write(env.module, node, owner, ("wandb", "mode"), self.constant(tracked))
            if self.active and mode == "trial":
                self.write(env.module, node, owner, ("optuna", "n_trials"), self.constant(0))
                for key, value in zip(reductions.keys, reductions.items, strict=True):
                    if isinstance(key, str):
                        self.write(env.module, node, owner, tuple(key.split(".")), value)
                    else:
                        self.leak(owner)
        self.active, owner.root.struct = entered, struct
        return None

    def _experiment(self, node: ast.Call, env: Env) -> Value:
        """Return what is said of an experiment's runs, by the name of the argument."""
        args, kwargs = self._arguments(node, env)
        told = dict(zip(_SAID_OF_RUNS, args, strict=False)) | kwargs
        return Seq(tuple(told.values()), tuple(told))

    def _conduct(self, node: ast.Call, env: Env) -> Value:
        """Follow the job that a session makes of a configuration; what a session itself reads is read."""
        args, kwargs = self._arguments(node, env)
        experiment = args[0] if args else kwargs.get("experiment")
        config = args[1] if len(args) > 1 else kwargs.get("config")
        told: dict[object, Value] = {}
        if isinstance(experiment, Seq) and experiment.keys is not None:
            told = dict(zip(experiment.keys, experiment.items, strict=True))
        job = told.get("job")
        if not isinstance(config, Ref) or not isinstance(job, Fn | Cls):
            self.leak(experiment)
            self.leak(config)
            return None
        for name in _READ_BY_A_SESSION:
            self.escape(Ref(config.root, (*config.path, name)))
        made = self.own(job, (config, None, self.constant(True)), {})
        for name in ("prepare", "train", "finish"):
            self._stage(made, name)
        self.leak(told.get("objective"))
        return None

    def _train_until_spent(self, node: ast.Call, env: Env) -> Value:
        """Follow what a training loop does in a step and between steps."""
        args, kwargs = self._arguments(node, env)
        for name in ("step", "ended", "dev_takes_s", "measure_dev", "shown", "save"):
            self._stage(args[0] if args else kwargs.get("loop"), name)
        for value in (*args[1:], *kwargs.values()):
            self.leak(value)
        return None

    @abstractmethod
    def own(self, target: Fn | Cls | Obj, args: tuple[Value, ...], kwargs: Mapping[str, Value]) -> Value:
        """Call a function, class or object of the experiment."""

    def _stage(self, owner: Value, name: str) -> None:
        method = self.method(owner, name) if isinstance(owner, Obj) else None
        if isinstance(method, Fn):
            self.invoke(method, (None,) if name in ("train", "finish", "step") else (), {})
        else:
            self.leak(owner)

    def _validated(self, node: ast.Call, env: Env) -> Value:
        """Return a configuration as an instance of a class of the experiment."""
        args, kwargs = self._arguments(node, env)
        owner = args[0] if args else kwargs.get("cfg", kwargs.get("content"))
        schema = args[1] if len(args) > 1 else kwargs.get("schema")
        if not isinstance(owner, Ref) or not isinstance(schema, Cls):
            self.leak(owner)
            return None
        root = owner.root.copy(owner.path, plain=False)
        root.view = schema
        return Ref(root, ())

    def _replaced(self, node: ast.Call, env: Env) -> Value:
        """Return a copy of a configuration with dotted paths replaced by values."""
        args, kwargs = self._arguments(node, env)
        owner = args[0] if args else kwargs.get("config")
        values = args[1] if len(args) > 1 else kwargs.get("values")
        if not isinstance(owner, Ref):
            self.leak(owner)
            return None
        root = owner.root.copy(owner.path, plain=True)
        if isinstance(values, Seq) and values.keys is not None and all(isinstance(k, str) for k in values.keys):
            for key in values.keys:
                for s in self.active:
                    root.open(s, tuple(key.split(".")))
        else:
            self.leak(values)
            for s in self.active:
                for path in self.search_targets(s):
                    root.open(s, path)
        return Ref(root, ())

    def search_targets(self, scenario: int) -> tuple[tuple[str, ...], ...]:
        """Return the keys that a search may replace: nobody says which, so those with numbers and names."""
        run = self.subject.runs.get(self.scenarios[scenario].run_id)
        if run is None or not run.get("optuna", "search_space"):
            return ((),)
        return tuple(path for path, value in run.leaves if path and path[0] in ("training", "model", "dataset"))

    # -- typed views -------------------------------------------------------------------------------------------

    def view_of(self, ref: Ref) -> Cls | None:
        """Return the class of which a place in a typed view is an instance, where it is the experiment's own."""
        here = ref.root.view
        for name in ref.path:
            if here is None:
                return None
            here = self._class_of_field(here, name)
        return here

    def _class_of_field(self, owner: Cls, name: str) -> Cls | None:
        for statement in owner.node.body:
            if isinstance(statement, ast.AnnAssign) and getattr(statement.target, "id", "") == name:
                for part in ast.walk(statement.annotation):
                    if isinstance(part, ast.Name):
                        bound, value = owner.env.find(part.id)
                        found = value if bound else self.imported(owner.env.module, part)
                        if isinstance(found, Cls):
                            return found
        return None

    def viewed(self, owner: Ref, name: str) -> Value:
        """Return a method or property of a typed view, bound to it."""
        cls = self.view_of(owner)
        for statement in cls.node.body if cls is not None else ():
            if isinstance(statement, ast.FunctionDef) and statement.name == name and cls is not None:
                bound = Fn(statement, cls.env, (owner,))
                plain = {getattr(d, "id", getattr(d, "attr", "")) for d in statement.decorator_list}
                return self.invoke(bound, (), {}) if plain & {"property", "cached_property"} else bound
        return None

    def note_no_field(self, module: Module, node: ast.AST, owner: Ref, name: str) -> None:
        """Note that a field is read which the class of a typed view does not have."""
        cls = self.view_of(owner)
        if cls is None or name.startswith(("_", "model_")) or len(cls.node.bases) != 1:
            return
        if cls.env.module.dotted(cls.node.bases[0]) not in _CLOSED or "extra" in ast.unparse(cls.node):
            return
        own = {getattr(s, "name", getattr(getattr(s, "target", None), "id", "")) for s in cls.node.body}
        if name not in own and name not in _PYDANTIC:
            full = (*owner.full, name)
            access = self.accesses.setdefault((self.program, node), Access(module, node, full, owner.root))
            if not self.catching:
                (access.absent_guarded if self.guard else access.absent).update(self.active)

    def on_view(self, node: ast.Call, owner: Ref, name: str, env: Env) -> Value:
        """Call a method of a typed view."""
        args, kwargs = self._arguments(node, env)
        if name == "model_dump":
            return Ref(owner.root.copy(owner.path, plain=True), ())
        if name == "model_copy":
            root = owner.root.copy(owner.path, plain=False)
            root.view = self.view_of(owner)
            changed = kwargs.get("update")
            keys = changed.keys if isinstance(changed, Seq) and changed.keys is not None else (None,)
            for key in keys if kwargs else ():
                for s in self.active:
                    root.open(s, (key,) if isinstance(key, str) else ())
            return Ref(root, ())
        method = self.viewed(owner, name)
        if isinstance(method, Fn):
            return self.invoke(method, tuple(args), kwargs)
        for value in (*args, *kwargs.values()):
            self.leak(value)
        self.escape(owner)
        return None
