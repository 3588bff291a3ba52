"""What an expression such as ``cfg.dataset.name`` is worth in each run: its path of keys, and the run files' values."""

from __future__ import annotations

import ast
from collections.abc import Mapping
from typing import Any

from greenlight.review.module import UNKNOWN, Function, Module, argument, parameters, walk
from greenlight.review.subject import Subject
from greenlight.review.yaml_file import KeyPath

MISSING: Any = object()
"""What a run has at a path that neither its file nor config.yaml sets."""
_ROOT_NAMES = frozenset({"cfg", "config", "conf"})
_PLAIN = frozenset({"str", "int", "float", "bool", "list", "tuple"})


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
        self._paths: dict[ast.AST, KeyPath | None] = {}
        self._busy: set[ast.AST] = set()
        for module in subject.code:
            for node in module.nodes:
                if isinstance(node, ast.Call):
                    dotted = module.dotted(node.func)
                    if dotted is not None and dotted.startswith("src."):
                        self._sites.setdefault(dotted, []).append((module, node))
                elif isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store):
                    self._written.add(node.attr)
                elif isinstance(node, ast.Subscript) and isinstance(node.ctx, ast.Store):
                    key = module.value(node.slice)
                    if isinstance(key, str):
                        self._written.add(key)

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
            return None
        return self._of_name(module, node) if isinstance(node, ast.Name) else None

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
        if not path or any(key in self._written for key in path):
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
        path = self.path(module, node)
        return {} if path is None else self.at(path)

    def strings(self, module: Module, node: ast.AST | None) -> frozenset[str]:
        """Return every text that an expression can be over all runs; empty where one of them is not known."""
        values = list(self.of(module, node).values())
        if not values or not all(isinstance(value, str) for value in values):
            return frozenset()
        return frozenset(values)
