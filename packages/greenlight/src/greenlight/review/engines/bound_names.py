"""What names and attributes are bound to anywhere in their scope: by assignments, loops, and what is put into them."""

from __future__ import annotations

import ast
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

from greenlight.review.module import Module
from greenlight.review.subject import Subject

_ADDS = frozenset({"append", "extend", "add", "update", "insert", "appendleft"})

_BINDING = frozenset({ast.Assign, ast.AnnAssign, ast.AugAssign, ast.NamedExpr, ast.For, ast.AsyncFor, ast.withitem})


@dataclass(frozen=True, eq=False)
class Binding:
    """One value that a name gets.

    Attributes
    ----------
    value
        The expression; that which is walked over, for a name of a loop.
    path
        Places inside of the value, for a name that is unpacked.
    key
        The key or attribute of the name under which it is put; None for the name itself, or an unknown key.
    is_walked
        Whether the name gets the items of the value, one after another.
    is_item
        Whether the value is put into the name as one of its items.
    """

    value: ast.expr
    path: tuple[str, ...] = ()
    key: str | None = None
    is_walked: bool = False
    is_item: bool = False


class BoundNames:
    """All bindings of an experiment's files, in order of the text.

    Parameters
    ----------
    subject
        The experiment.
    """

    def __init__(self, subject: Subject) -> None:
        self._subject = subject

    def of(self, module: Module, scope: ast.AST, name: str) -> Sequence[Binding]:
        """Return what a name of a function or file is bound to; those of comprehensions are left out."""
        return self._names.get((module, scope, name), ())

    def of_attribute(self, module: Module, owner: ast.ClassDef, name: str) -> Sequence[Binding]:
        """Return what ``self.name`` of a class is bound to."""
        return self._attributes.get((module, owner, name), ())

    def of_comprehension(self, module: Module, node: ast.Name) -> Binding | None:
        """Return what a name is bound to by the nearest comprehension around it; None where none does so."""
        before: ast.AST = node
        for around in module.ancestors(node):
            if isinstance(around, ast.ListComp | ast.SetComp | ast.GeneratorExp | ast.DictComp):
                for generator in around.generators:
                    if before is generator and _is_in(module, node, generator.iter):
                        break  # what a comprehension walks over is read outside of it
                    path = _path_in(generator.target, node.id)
                    if path is not None:
                        return Binding(generator.iter, path, is_walked=True)
            elif isinstance(around, ast.stmt | ast.Lambda):
                return None
            before = around
        return None

    @cached_property
    def _found(
        self,
    ) -> tuple[
        Mapping[tuple[Module, ast.AST, str], list[Binding]], Mapping[tuple[Module, ast.AST, str], list[Binding]]
    ]:
        names: dict[tuple[Module, ast.AST, str], list[Binding]] = {}
        attributes: dict[tuple[Module, ast.AST, str], list[Binding]] = {}

        def note(module: Module, target: ast.expr, binding: Binding) -> None:
            if isinstance(target, ast.Tuple | ast.List):
                for n, part in enumerate(target.elts):
                    note(module, part, replace(binding, path=(*binding.path, str(n))))
                return
            target = target.value if isinstance(target, ast.Starred) else target
            own = _own_attribute(target)
            if own is None and isinstance(target, ast.Subscript | ast.Attribute):
                word = module.value(target.slice) if isinstance(target, ast.Subscript) else target.attr
                if isinstance(word, str):
                    binding = replace(binding, key=word)
                target = target.value
                own = _own_attribute(target)
            if own is not None:
                owner = next((a for a in module.ancestors(target) if isinstance(a, ast.ClassDef)), None)
                if owner is not None:
                    attributes.setdefault((module, owner, own), []).append(binding)
            elif isinstance(target, ast.Name):
                names.setdefault((module, module.scope(target), target.id), []).append(binding)

        for module in self._subject.code:
            for node in module.nodes:
                if type(node) not in _BINDING:
                    continue
                if isinstance(node, ast.Assign):
                    for target in node.targets:
                        note(module, target, Binding(node.value))
                elif isinstance(node, ast.AnnAssign | ast.AugAssign | ast.NamedExpr) and node.value is not None:
                    note(module, node.target, Binding(node.value))
                elif isinstance(node, ast.For | ast.AsyncFor):
                    note(module, node.target, Binding(node.iter, is_walked=True))
                elif isinstance(node, ast.withitem) and node.optional_vars is not None:
                    note(module, node.optional_vars, Binding(node.context_expr))
            for call in module.method_calls(*_ADDS):
                if call.args and isinstance(call.func, ast.Attribute):
                    note(module, call.func.value, Binding(call.args[-1], is_item=call.func.attr != "update"))
        return names, attributes

    @property
    def _names(self) -> Mapping[tuple[Module, ast.AST, str], list[Binding]]:
        return self._found[0]

    @property
    def _attributes(self) -> Mapping[tuple[Module, ast.AST, str], list[Binding]]:
        return self._found[1]


def _own_attribute(target: ast.expr) -> str | None:
    is_own = isinstance(target, ast.Attribute) and isinstance(target.value, ast.Name) and target.value.id == "self"
    return target.attr if is_own and isinstance(target, ast.Attribute) else None


def _path_in(target: ast.expr, name: str) -> tuple[str, ...] | None:
    """Return the places at which a name stands in the target of a loop; None where it is not there."""
    if isinstance(target, ast.Name):
        return () if target.id == name else None
    if isinstance(target, ast.Tuple | ast.List):
        for n, part in enumerate(target.elts):
            path = _path_in(part, name)
            if path is not None:
                return (str(n), *path)
    return None


def _is_in(module: Module, node: ast.AST, place: ast.AST) -> bool:
    return node is place or any(around is place for around in module.ancestors(node))
