"""Where a file stores values: in names, under keys, in attributes; and which loop or comprehension binds a name."""

from __future__ import annotations

import ast
from functools import cached_property

from greenlight.review.module import Module, walk


class Stores:
    """The stores of one file.

    Parameters
    ----------
    module
        The file; None stands for one without any store.
    """

    def __init__(self, module: Module | None) -> None:
        self.module = module

    @cached_property
    def names(self) -> dict[tuple[ast.AST, str], list[ast.Name]]:
        """Return where names are bound, by scope and name; those of comprehensions are known in them alone."""
        found: dict[tuple[ast.AST, str], list[ast.Name]] = {}
        module = self.module
        for node in module.nodes if module else ():
            if not (module and isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)):
                continue
            if not isinstance(self._binder(node), ast.comprehension):
                found.setdefault((module.scope(node), node.id), []).append(node)
        return found

    def _binder(self, name: ast.Name) -> ast.AST | None:
        """Return what binds a name: the node around the tuples that it stands in."""
        around: ast.AST | None = name
        while self.module is not None and isinstance(around, ast.Name | ast.Tuple | ast.List | ast.Starred):
            around = self.module.parent(around)
        return around

    @cached_property
    def items(self) -> dict[tuple[ast.AST, str], list[tuple[ast.expr, ast.expr]]]:
        """Return key and value of ``name[key] = value`` by scope and name; of ``name.append(value)`` the name."""
        found: dict[tuple[ast.AST, str], list[tuple[ast.expr, ast.expr]]] = {}
        module = self.module
        for node in module.nodes if module else ():
            if module and isinstance(node, ast.Assign):
                for target in node.targets:
                    if isinstance(target, ast.Subscript) and isinstance(target.value, ast.Name):
                        place = (module.scope(node), target.value.id)
                        found.setdefault(place, []).append((target.slice, node.value))
            elif module and isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.args:
                name = node.func.value
                if node.func.attr == "append" and isinstance(name, ast.Name):
                    found.setdefault((module.scope(node), name.id), []).append((name, node.args[0]))
        return found

    @cached_property
    def keys(self) -> dict[str, list[ast.expr]]:
        """Return what ``anything[key] = value`` stores, by constant key over the file."""
        found: dict[str, list[ast.expr]] = {}
        module = self.module
        for node in module.nodes if module else ():
            for target in node.targets if isinstance(node, ast.Assign) else ():
                if module and isinstance(target, ast.Subscript) and isinstance(key := module.value(target.slice), str):
                    assert isinstance(node, ast.Assign)
                    found.setdefault(key, []).append(node.value)
        return found

    @cached_property
    def attributes(self) -> dict[tuple[ast.AST | None, str], list[ast.expr]]:
        """Return what ``self.name = value`` stores, by class and name."""
        found: dict[tuple[ast.AST | None, str], list[ast.expr]] = {}
        module = self.module
        for node in module.nodes if module else ():
            if module and isinstance(node, ast.Assign | ast.AnnAssign) and node.value is not None:
                for target in node.targets if isinstance(node, ast.Assign) else [node.target]:
                    owner = target.value if isinstance(target, ast.Attribute) else None
                    if isinstance(target, ast.Attribute) and isinstance(owner, ast.Name) and owner.id == "self":
                        found.setdefault((class_around(module, node), target.attr), []).append(node.value)
        return found

    def nearest(self, node: ast.Name) -> ast.Name | None:
        """Return the target of the comprehension or loop around a name that binds it, if nothing else in there does."""
        module = self.module
        within: ast.AST = node
        for around in module.ancestors(node) if module else ():
            if isinstance(around, ast.ListComp | ast.SetComp | ast.DictComp | ast.GeneratorExp):
                for generator in around.generators:
                    found = _target(generator.target, node.id)
                    if found is not None and within is not generator:
                        return found
                    if found is not None and within is generator:
                        return found if any(node in walk(test) for test in generator.ifs) else None
            elif isinstance(around, ast.For) and within is not around.iter:
                found = _target(around.target, node.id)
                if found is not None:
                    stores = self.names.get((module.scope(node), node.id), []) if module else []
                    last = around.end_lineno or around.lineno
                    inside = [n for n in stores if around.lineno <= n.lineno <= last]
                    return found if len(inside) == 1 and found is not node else None
            elif isinstance(around, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
                return None
            within = around
        return None


def class_around(module: Module, node: ast.AST) -> ast.AST | None:
    """Return the innermost class that a node stands in."""
    return next((around for around in module.ancestors(node) if isinstance(around, ast.ClassDef)), None)


def _target(target: ast.expr, name: str) -> ast.Name | None:
    return next((n for n in walk(target) if isinstance(n, ast.Name) and n.id == name), None)
