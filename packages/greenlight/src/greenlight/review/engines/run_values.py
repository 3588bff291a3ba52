"""What an expression such as ``cfg.dataset.name`` is worth in each run: its path of keys, and the run files' values."""

from __future__ import annotations

import ast
import re
from collections.abc import Mapping
from typing import Any

from greenlight.review.module import UNKNOWN, Function, Module, argument, parameters, walk
from greenlight.review.subject import Subject
from greenlight.review.yaml_file import KeyPath

MISSING: Any = object()
"""What a run has at a path that neither its file nor config.yaml sets."""
_ROOT_NAMES = frozenset({"cfg", "config", "conf"})
_PLAIN = frozenset({"str", "int", "float", "bool", "list", "tuple"})
_LISTS = frozenset({"list", "tuple", "sorted"})
_COPIES = frozenset({"copy.copy", "copy.deepcopy"})
_MADE_ELSEWHERE = ("pandas.", "numpy.", "torch.", "transformers.", "wandb.", "peft.", "optuna.", "matplotlib.", "json.")
_OVERRIDE = re.compile(r"\+{0,2}([A-Za-z_]\w*(?:\.\w+)+)=")


class RunValues:
    """Follows configuration objects through parameters and aliases, as far as every call site agrees.

    A path that the code itself writes to (``cfg.dataset.streaming = False``) has no value here.

    Parameters
    ----------
    subject
        The experiment.
    """

    def __init__(self, subject: Subject) -> None:
        self._subject = subject
        self._sites: dict[str, list[tuple[Module, ast.Call]]] = {}
        self._written: set[str] = set()
        self._written_paths: set[KeyPath] = set()
        self._paths: dict[ast.AST, KeyPath | None] = {}
        self._busy: set[ast.AST] = set()
        self._attributes: dict[ast.ClassDef, Mapping[str, list[ast.expr | None]]] = {}
        for module in subject.code:
            for node in module.nodes:
                if isinstance(node, ast.Call):
                    dotted = module.dotted(node.func)
                    if dotted is not None and dotted.startswith("src."):
                        self._sites.setdefault(dotted, []).append((module, node))
        for module in subject.code:
            for node in module.nodes:
                if isinstance(node, ast.Attribute | ast.Subscript) and isinstance(node.ctx, ast.Store | ast.Del):
                    key = node.attr if isinstance(node, ast.Attribute) else module.value(node.slice)
                    self._note_write(module, node.value, key)
                elif isinstance(node, ast.Constant) and isinstance(node.value, str):
                    override = _OVERRIDE.match(node.value)  # an argument for a child that trains
                    if override is not None and _is_one_word(module, node):
                        self._written_paths.add(tuple(override.group(1).split(".")))
            for call in module.calls("omegaconf.OmegaConf.update", "omegaconf.omegaconf.OmegaConf.update"):
                self._note_update(module, call)

    def _note_write(self, module: Module, owner: ast.expr, key: object) -> None:
        """Note the path that a store writes to; where the owner is not known, every path with that key counts."""
        if not isinstance(key, str) or (isinstance(owner, ast.Name) and owner.id == "self"):
            return
        path = self.path(module, owner)
        if path is not None:
            self._written_paths.add((*path, key))
        elif not self._is_made_here(module, owner) and (module.path != "src/evaluate.py" or _is_root(owner)):
            self._written.add(key)

    @staticmethod
    def _is_made_here(module: Module, owner: ast.expr) -> bool:
        """Return whether what is written to was made on the spot, so that it is no part of the configuration."""
        made = module.assigned(owner) if isinstance(owner, ast.Name) else None
        if isinstance(made, ast.Call):
            return (module.dotted(made.func) or "").startswith(_MADE_ELSEWHERE)
        return isinstance(made, ast.Dict | ast.List | ast.ListComp | ast.DictComp)

    def _note_update(self, module: Module, call: ast.Call) -> None:
        node = argument(call, "key", 1)
        key = module.value(node)
        if key is UNKNOWN and isinstance(node, ast.Subscript):
            key = module.value(node.value)  # a table from names to paths
        listed = list(key.values()) if isinstance(key, dict) else [key]
        self._written_paths |= {tuple(path.split(".")) for path in listed if isinstance(path, str)}

    def path(self, module: Module, node: ast.AST | None) -> KeyPath | None:
        """Return the path of keys that an expression reads, ``()`` for the whole configuration; None if it reads none.

        Parameters
        ----------
        module, node
            The expression and the file it stands in.
        """
        if node is None or node in self._busy or len(self._busy) > 60:
            return None
        if node not in self._paths:
            self._busy.add(node)
            try:
                self._paths[node] = self._follow(module, node)
            finally:
                self._busy.discard(node)
        return self._paths[node]

    def _follow(self, module: Module, node: ast.AST) -> KeyPath | None:
        if isinstance(node, ast.Attribute):
            if isinstance(node.value, ast.Name) and node.value.id == "self":
                return self._of_own(module, node)
            before = self.path(module, node.value)
            return None if before is None else (*before, node.attr)
        if isinstance(node, ast.Subscript):
            key = module.value(node.slice)
            before = self.path(module, node.value) if isinstance(key, str) else None
            return None if before is None else (*before, key)
        if isinstance(node, ast.Call):
            if isinstance(node.func, ast.Name) and node.func.id in _PLAIN and len(node.args) == 1:
                return self.path(module, node.args[0])
            if isinstance(node.func, ast.Attribute) and node.func.attr == "get" and node.args:
                key = module.value(node.args[0])
                before = self.path(module, node.func.value) if isinstance(key, str) else None
                return None if before is None else (*before, key)
            if isinstance(node.func, ast.Attribute) and node.func.attr == "copy" and not node.args:
                return self.path(module, node.func.value)
            if module.dotted(node.func) in _COPIES and len(node.args) == 1:
                return self.path(module, node.args[0])
            return None
        return self._of_name(module, node) if isinstance(node, ast.Name) else None

    def _of_own(self, module: Module, node: ast.Attribute) -> KeyPath | None:
        """Follow ``self.config`` to the one expression that its class assigns to it."""
        owner = next((a for a in module.ancestors(node) if isinstance(a, ast.ClassDef)), None)
        if owner is None:
            return None
        assigned = self._own_attributes(module, owner).get(node.attr, [])
        return self.path(module, assigned[0]) if len(assigned) == 1 else None

    def _own_attributes(self, module: Module, owner: ast.ClassDef) -> Mapping[str, list[ast.expr | None]]:
        if owner not in self._attributes:
            found: dict[str, list[ast.expr | None]] = {}
            for node in walk(owner):
                if not (isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store)):
                    continue
                if isinstance(node.value, ast.Name) and node.value.id == "self":
                    found.setdefault(node.attr, []).append(_value_of_target(module, node))
            self._attributes[owner] = found
        return self._attributes[owner]

    def _of_name(self, module: Module, name: ast.Name) -> KeyPath | None:
        for around in module.ancestors(name):
            if not isinstance(around, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
                continue
            given = [a.arg for a in parameters(around)]
            stores = [
                n
                for n in walk(around)
                if isinstance(n, ast.Name)
                and n.id == name.id
                and isinstance(n.ctx, ast.Store)
                and module.scope(n) is around
            ]
            if name.id in given:
                if any(not self._keeps(module, n) for n in stores):
                    return None
                return self._of_parameter(module, around, given.index(name.id), name.id)
            if stores:
                value = module.assigned(stores[0]) if len(stores) == 1 else None
                return self.path(module, value)
        return self.path(module, module.assigned(name))

    @staticmethod
    def _keeps(module: Module, store: ast.Name) -> bool:
        """Return whether ``cfg = merge(cfg, ...)`` still is the configuration."""
        statement = module.statement(store)
        return isinstance(statement, ast.Assign) and any(
            isinstance(n, ast.Name) and n.id == store.id and isinstance(n.ctx, ast.Load) for n in walk(statement.value)
        )

    def _of_parameter(self, module: Module, function: Function | ast.Lambda, index: int, name: str) -> KeyPath | None:
        rooted = () if name in _ROOT_NAMES else None
        if isinstance(function, ast.Lambda):
            return None
        if any(self._is_hydra(module, d) for d in function.decorator_list):
            return () if index == 0 else None
        owner = module.scope(function)
        method = isinstance(owner, ast.ClassDef)
        dotted = f"{module.name}.{owner.name if isinstance(owner, ast.ClassDef) else function.name}"
        if method and function.name != "__init__":
            return rooted
        found: set[KeyPath] = set()
        for site, call in self._sites.get(dotted, []):
            given = argument(call, name, index - 1 if method else index)
            path = self.path(site, given)
            if path is not None:
                found.add(path)
            elif given is not None and rooted is None:
                return None
        if not found:
            return rooted
        return found.pop() if len(found) == 1 else None

    @staticmethod
    def _is_hydra(module: Module, decorator: ast.expr) -> bool:
        return module.dotted(decorator.func if isinstance(decorator, ast.Call) else decorator) == "hydra.main"

    # -- values ------------------------------------------------------------------------------------------------

    def at(self, path: KeyPath) -> Mapping[str, Any]:
        """Return the value of each run at a path, `MISSING` where nothing sets it; empty where it cannot be known."""
        if not path or any(key in self._written for key in path) or self._is_written(path):
            return {}
        config = self._subject.config
        found: dict[str, Any] = {}
        for run_id, run in self._subject.runs.items():
            if run.error is not None or (config is not None and config.error is not None):
                return {}
            value = run.get(*path, default=MISSING)
            if value is MISSING and config is not None:
                value = config.get(*path, default=MISSING)
            if isinstance(value, str) and "${" in value:
                return {}
            found[run_id] = value
        return found

    def _is_written(self, path: KeyPath) -> bool:
        """Return whether the code writes to a path, or to what it is part of."""
        return any(path[: len(written)] == written for written in self._written_paths)

    def of(self, module: Module, node: ast.AST | None) -> Mapping[str, Any]:
        """Return the value of an expression in each run; a literal is worth the same in all; empty where unknown."""
        if node is None:
            return {}
        literal = module.value(node)
        if literal is not UNKNOWN:
            return {"": literal}
        if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not):
            return {
                run: value if value is MISSING else not value for run, value in self.of(module, node.operand).items()
            }
        if isinstance(node, ast.Name):
            assigned = module.assigned(node)
            if isinstance(assigned, ast.UnaryOp):
                return self.of(module, assigned)
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in _LISTS and node.args:
            return self.of(module, node.args[0])
        path = self.path(module, node)
        return {} if path is None else self.at(path)

    def strings(self, module: Module, node: ast.AST | None) -> frozenset[str]:
        """Return every text that an expression can be over all runs; empty where one of them is not known."""
        values = list(self.of(module, node).values())
        if not values or not all(isinstance(value, str) for value in values):
            return frozenset()
        return frozenset(values)

    def texts_at_some_call(self, module: Module, node: ast.AST | None) -> frozenset[str]:
        """Return texts that an expression surely is in some run, at one call at least of the function around it.

        Where `strings` asks that all calls agree, this knows ``section.name`` of a function that is called with
        ``cfg.dataset`` once and with something unknown another time.
        """
        found = {value for value in self.of(module, node).values() if isinstance(value, str)}
        keys: list[str] = []
        inner = node
        while isinstance(inner, ast.Attribute):
            keys.insert(0, inner.attr)
            inner = inner.value
        function = module.function_around(inner) if isinstance(inner, ast.Name) else None
        if found or function is None or not isinstance(inner, ast.Name) or not keys:
            return frozenset(found)
        names = [a.arg for a in parameters(function)]
        if inner.id not in names or module.scope(function) is not module.tree or self._is_bound(function, inner.id):
            return frozenset()
        for site, call in self._sites.get(f"{module.name}.{function.name}", []):
            path = self.path(site, argument(call, inner.id, names.index(inner.id)))
            if path is not None:
                found |= {value for value in self.at((*path, *keys)).values() if isinstance(value, str)}
        return frozenset(found)

    @staticmethod
    def _is_bound(function: Function, name: str) -> bool:
        return any(isinstance(n, ast.Name) and n.id == name and isinstance(n.ctx, ast.Store) for n in walk(function))


def _is_one_word(module: Module, node: ast.Constant) -> bool:
    """Return whether a text is an argument as a whole, not the start of a sentence such as that of an error."""
    around = module.parent(node)
    if isinstance(around, ast.JoinedStr):
        return len(around.values) == 2
    return not any(character.isspace() for character in str(node.value))


def _is_root(node: ast.expr) -> bool:
    """Return whether an expression starts at a name that configurations have."""
    while isinstance(node, ast.Attribute | ast.Subscript):
        node = node.value
    return isinstance(node, ast.Name) and node.id in _ROOT_NAMES


def _value_of_target(module: Module, target: ast.expr) -> ast.expr | None:
    """Return what an assignment gives to a target, also where it gives several at once: ``self.a, self.b = a, b``."""
    around = module.parent(target)
    if isinstance(around, ast.Assign) and target in around.targets:
        return around.value
    if isinstance(around, ast.AnnAssign):
        return around.value
    if isinstance(around, ast.Tuple):
        statement = module.parent(around)
        if isinstance(statement, ast.Assign) and isinstance(statement.value, ast.Tuple):
            same = len(statement.value.elts) == len(around.elts)
            return statement.value.elts[around.elts.index(target)] if same else None
    return None
