"""Run files that the program itself hands to Hydra's ``ConfigStore``, so that ``run=<id>`` chooses one of them.

Two ways are known: a loop over the files of a folder, ``store.store(group="run", name=path.stem,
node=OmegaConf.load(path), package="_global_")``, and `greenlight.harness.compose.register_runs`. Whatever else is put
into the store makes the composition *unclear*.
"""

from __future__ import annotations

import ast
from dataclasses import dataclass

from greenlight.review.module import Module, argument, has_open_arguments, walk
from greenlight.review.subject import Subject

_INSTANCE = "hydra.core.config_store.ConfigStore.instance"
_REGISTERS = "greenlight.harness.compose.register_runs"
_LOADS = "omegaconf.OmegaConf.load"
_SAME_PLACE = frozenset({"resolve", "absolute", "expanduser", "as_posix"})
_LISTS = frozenset({"sorted", "list", "tuple", "str", "reversed"})


@dataclass(frozen=True)
class Store:
    """Run files as options of a group.

    Attributes
    ----------
    group, package
        As they are given; the package is None where it is not, which puts a file's keys below the group's name.
    folder
        Where the files are looked for, relative to the experiment; None where that cannot be told.
    module, node
        The call that puts them there.
    """

    group: str
    package: str | None
    folder: str | None
    module: Module
    node: ast.Call


class RunStores:
    """What the programs put into Hydra's store.

    Attributes
    ----------
    store
        The run files, or None where the code registers none.
    unclear
        Whether something is put there that is not understood.
    """

    def __init__(self, subject: Subject) -> None:
        self._subject = subject
        self.store: Store | None = None
        self.unclear = False
        found: list[Store] = []
        for module in subject.code:
            for call in module.calls(_REGISTERS):
                given = argument(call, "folder", 0)
                folder = None if given is None else self._folder(module, given)
                found.append(Store("run", "_global_", folder, module, call))
            if any("ConfigStore" in origin or "config_store" in origin for origin in module.imports.values()):
                found += self._own(module)
        self.unclear = self.unclear or len(found) > 1
        if len(found) == 1 and not self.unclear:
            self.store = found[0]

    def _own(self, module: Module) -> list[Store]:
        found = []
        instances = list(module.calls(_INSTANCE))
        for call in module.method_calls("store"):
            if not isinstance(call.func, ast.Attribute) or not self._is_instance(module, call.func.value):
                continue
            store = self._store(module, call)
            if store is None:
                self.unclear = True
            elif self._is_reached(module, call):
                found.append(store)
        uses = [n for n in module.nodes if isinstance(n, ast.Name) and n.id == "ConfigStore"]
        if len(instances) > 1 or len(uses) > len(instances) or not found:
            self.unclear = self.unclear or any(self._is_reached(module, n) for n in uses)
        return found

    @staticmethod
    def _is_instance(module: Module, node: ast.expr) -> bool:
        value = module.assigned(node) if isinstance(node, ast.Name) else node
        return isinstance(value, ast.Call) and module.dotted(value.func) == _INSTANCE

    def _is_reached(self, module: Module, call: ast.AST) -> bool:
        """Return whether the function around a node is used anywhere."""
        function = module.function_around(call)
        if function is None:
            return True
        name = getattr(function, "name", "")
        return any(
            (isinstance(n, ast.Name) and n.id == name and isinstance(n.ctx, ast.Load))
            or (isinstance(n, ast.Attribute) and n.attr == name)
            for other in self._subject.code
            for n in other.nodes
        )

    def _store(self, module: Module, call: ast.Call) -> Store | None:
        """Return what a call stores, None where it is not every file of a folder under its own name."""
        if has_open_arguments(call):
            return None
        name, node = argument(call, "name", 0), argument(call, "node", 1)
        given, into = argument(call, "group", 2), argument(call, "package", 3)
        group = module.value(given) if given is not None else None
        package = module.value(into) if into is not None else None
        if group not in ("run", "runs") or not (package is None or isinstance(package, str)):
            return None
        loop = None
        for around in module.ancestors(call):
            if isinstance(around, ast.For):
                loop = around
                break
            if not isinstance(around, ast.Expr):
                return None  # under a condition
        if loop is None or not isinstance(loop.target, ast.Name):
            return None
        path = loop.target.id
        if not self._is_stem(module, name, path) or not self._is_loaded(module, node, path):
            return None
        if any(isinstance(n, ast.Attribute | ast.Subscript) and isinstance(n.ctx, ast.Store) for n in walk(loop)):
            return None  # the content is changed on its way
        globbed = self._globbed(module, loop.iter)
        if globbed is None:
            return None
        folder = self._folder(module, globbed)
        return Store(str(group), package, folder, module, call)

    @staticmethod
    def _is_stem(module: Module, node: ast.expr | None, path: str) -> bool:
        if isinstance(node, ast.Name):
            node = module.assigned(node)
        return isinstance(node, ast.Attribute) and node.attr == "stem" and _mentions(node.value, path)

    @staticmethod
    def _is_loaded(module: Module, node: ast.expr | None, path: str) -> bool:
        if isinstance(node, ast.Name):
            node = module.assigned(node)
        if not isinstance(node, ast.Call) or module.dotted(node.func) != _LOADS or not node.args:
            return False
        return _mentions(node.args[0], path)

    @staticmethod
    def _globbed(module: Module, node: ast.expr) -> ast.expr | None:
        """Return the folder of ``sorted(folder.glob("*.yaml"))``."""
        if isinstance(node, ast.Name):
            node = module.assigned(node) or node
        while isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in _LISTS and node.args:
            node = node.args[0]
        if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Attribute) or node.func.attr != "glob":
            return None
        pattern = module.value(node.args[0]) if node.args else None
        return node.func.value if pattern == "*.yaml" else None

    def _folder(self, module: Module, node: ast.expr, depth: int = 8) -> str | None:
        """Return a path relative to the experiment; None where it cannot be told."""
        if not depth:
            return None
        if isinstance(node, ast.Name):
            assigned = module.assigned(node)
            if assigned is not None:
                return self._folder(module, assigned, depth - 1)
            return self._argument(module, node, depth)
        if isinstance(node, ast.Constant):
            return node.value.removeprefix("./").rstrip("/") if isinstance(node.value, str) else None
        if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Div):
            before, after = self._folder(module, node.left, depth - 1), self._folder(module, node.right, depth - 1)
            return None if before is None or after is None else f"{before}/{after}".strip("/")
        if isinstance(node, ast.Call):
            if isinstance(node.func, ast.Attribute) and node.func.attr in _SAME_PLACE and not node.args:
                return self._folder(module, node.func.value, depth - 1)
            if module.dotted(node.func) == "pathlib.Path" and node.args:
                if isinstance(node.args[0], ast.Name) and node.args[0].id == "__file__":
                    return module.path
                parts = [self._folder(module, part, depth - 1) for part in node.args]
                return None if None in parts else "/".join(part for part in parts if part)
            return None
        if isinstance(node, ast.Attribute) and node.attr == "parent":
            below = self._folder(module, node.value, depth - 1)
            return below.rpartition("/")[0] if below else None
        if isinstance(node, ast.Subscript) and isinstance(node.value, ast.Attribute) and node.value.attr == "parents":
            below, level = self._folder(module, node.value.value, depth - 1), module.value(node.slice)
            if below is None or not isinstance(level, int) or not 0 <= level < below.count("/") + 1:
                return None
            return below.rsplit("/", level + 1)[0] if level < below.count("/") else ""
        return None

    def _argument(self, module: Module, name: ast.Name, depth: int) -> str | None:
        """Return the folder that a parameter is given, where all calls agree."""
        function = module.function_around(name)
        if not isinstance(function, ast.FunctionDef):
            return None
        names = [a.arg for a in (*function.args.posonlyargs, *function.args.args)]
        if name.id not in names:
            return None
        found: set[str | None] = set()
        for other in self._subject.code:
            for call in other.calls(f"{module.name}.{function.name}"):
                given = argument(call, name.id, names.index(name.id))
                found.add(None if given is None else self._folder(other, given, depth - 1))
        return found.pop() if len(found) == 1 else None


def _mentions(node: ast.AST, name: str) -> bool:
    return any(isinstance(n, ast.Name) and n.id == name for n in walk(node))
