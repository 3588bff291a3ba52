"""Under which names one object goes: through assignments, own functions, methods, attributes and returned values."""

from __future__ import annotations

import ast
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property

from greenlight.review.module import Function, Module, parameters, walk
from greenlight.review.subject import Subject

_LOOKS = frozenset({"isinstance", "len", "print", "id", "type", "str", "repr", "hasattr", "bool", "callable"})
_MOST_NAMES = 40


@dataclass(frozen=True)
class Name:
    """A name of the object: of a variable in a function (or the module, or a class where it is ``self.name``)."""

    module: Module
    scope: ast.AST
    text: str


@dataclass
class Life:
    """Everything that is done with one object, as far as its names can be followed.

    Attributes
    ----------
    names
        Its names.
    attributes
        Where an attribute or a method of it is read: ``model.train``.
    calls
        Where it is called itself: ``model(...)``.
    given
        Where it is an argument of something that is not the experiment's own: file, call and the name of what is
        called (None where that is not known).
    escapes
        Where it is lost sight of.
    """

    names: set[Name] = field(default_factory=set)
    attributes: list[tuple[Module, ast.Attribute]] = field(default_factory=list)
    calls: list[tuple[Module, ast.Call]] = field(default_factory=list)
    given: list[tuple[Module, ast.Call, str | None]] = field(default_factory=list)
    escapes: list[tuple[Module, ast.AST]] = field(default_factory=list)

    def reads(self, *names: str) -> list[tuple[Module, ast.Attribute]]:
        """Return where one of some attributes is read."""
        return [(module, node) for module, node in self.attributes if node.attr in names]


class Aliases:
    """Follows objects by their names.

    Parameters
    ----------
    subject
        The experiment.
    """

    def __init__(self, subject: Subject) -> None:
        self._subject = subject
        self._lives: dict[tuple[Name, frozenset[str], frozenset[str]], Life] = {}
        self._uses: dict[ast.AST, Mapping[str, list[ast.AST]]] = {}

    def of(
        self,
        module: Module,
        scope: ast.AST,
        text: str,
        *,
        same: Iterable[str] = (),
        fluent: Iterable[str] = (),
    ) -> Life:
        """Return the life of what a name of a scope stands for.

        Parameters
        ----------
        module, scope, text
            The name: ``scope`` is a function, the module's tree, or a class for ``self.text``.
        same
            Functions, by dotted name, whose result is the object that they are given: ``peft.get_peft_model``.
        fluent
            Methods whose result is the object itself: ``to``.
        """
        start = Name(module, scope, text)
        wraps, chains = frozenset(same), frozenset(fluent)
        key = (start, wraps, chains)
        if key not in self._lives:
            life = self._lives[key] = Life()
            waiting = [start]
            while waiting and len(life.names) < _MOST_NAMES:
                name = waiting.pop()
                if name in life.names:
                    continue
                life.names.add(name)
                for node in self._nodes(name):
                    self._use(life, waiting, name, node, wraps, chains)
            if waiting:
                life.escapes.append((module, scope))
        return self._lives[key]

    def _nodes(self, name: Name) -> list[ast.AST]:
        """Return the places that read a name."""
        if name.scope not in self._uses:
            found: dict[str, list[ast.AST]] = {}
            own = isinstance(name.scope, ast.ClassDef)
            for node in walk(name.scope):
                if own and isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Load):
                    if isinstance(node.value, ast.Name) and node.value.id == "self":
                        found.setdefault(node.attr, []).append(node)
                elif not own and isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load):
                    found.setdefault(node.id, []).append(node)
            self._uses[name.scope] = found
        nodes = self._uses[name.scope].get(name.text, [])
        if isinstance(name.scope, ast.Module):
            return nodes
        # A function inside that has a parameter or variable of that name means another thing by it.
        return [node for node in nodes if not self._is_hidden(name, node)]

    @staticmethod
    def _is_hidden(name: Name, node: ast.AST) -> bool:
        if isinstance(name.scope, ast.ClassDef):
            return False
        for around in name.module.ancestors(node):
            if around is name.scope:
                return False
            if not isinstance(around, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
                continue
            if name.text in {a.arg for a in parameters(around)}:
                return True
        return False

    def _use(
        self,
        life: Life,
        waiting: list[Name],
        name: Name,
        node: ast.AST,
        wraps: frozenset[str],
        chains: frozenset[str],
    ) -> None:
        module = name.module
        around = module.parent(node)
        if isinstance(around, ast.keyword):
            around = module.parent(around)
        if isinstance(around, ast.Attribute):
            life.attributes.append((module, around))
            call = module.parent(around)
            if around.attr in chains and isinstance(call, ast.Call) and call.func is around:
                self._use(life, waiting, name, call, wraps, chains)
        elif isinstance(around, ast.Call) and around.func is node:
            life.calls.append((module, around))
        elif isinstance(around, ast.Call):
            self._argument(life, waiting, name, node, around, wraps, chains)
        elif isinstance(around, ast.Return):
            self._returned(life, waiting, module, node, None)
        elif isinstance(around, ast.Tuple) and isinstance(module.parent(around), ast.Return):
            self._returned(life, waiting, module, node, around.elts.index(node) if node in around.elts else None)
        elif isinstance(around, ast.Assign | ast.AnnAssign | ast.NamedExpr):
            for target in around.targets if isinstance(around, ast.Assign) else [around.target]:
                self._bound(life, waiting, module, target, node)
        elif isinstance(around, ast.Tuple) and isinstance(module.parent(around), ast.Assign):
            self._unpacked(life, waiting, module, around, node)
        elif not _only_looks(around):
            life.escapes.append((module, node))

    def _bound(self, life: Life, waiting: list[Name], module: Module, target: ast.expr, node: ast.AST) -> None:
        if isinstance(target, ast.Name):
            scope: ast.AST = module.scope(target)
            waiting.append(Name(module, scope, target.id))
        elif isinstance(target, ast.Attribute) and isinstance(target.value, ast.Name) and target.value.id == "self":
            owner = next((a for a in module.ancestors(target) if isinstance(a, ast.ClassDef)), None)
            if owner is None or owner.bases or target.attr in self._handed[1]:
                life.escapes.append((module, node))  # a base may do something with it
            if owner is not None:
                waiting.append(Name(module, owner, target.attr))
        else:
            life.escapes.append((module, node))

    def _unpacked(self, life: Life, waiting: list[Name], module: Module, around: ast.Tuple, node: ast.AST) -> None:
        statement = module.parent(around)
        target = statement.targets[0] if isinstance(statement, ast.Assign) else None
        if isinstance(target, ast.Tuple) and len(target.elts) == len(around.elts) and node in around.elts:
            self._bound(life, waiting, module, target.elts[around.elts.index(node)], node)
        else:
            life.escapes.append((module, node))

    def _argument(
        self,
        life: Life,
        waiting: list[Name],
        name: Name,
        node: ast.AST,
        call: ast.Call,
        wraps: frozenset[str],
        chains: frozenset[str],
    ) -> None:
        module = name.module
        dotted = module.dotted(call.func)
        if dotted in wraps:
            if node not in call.args[:1]:
                life.escapes.append((module, node))
            self._use(life, waiting, name, call, wraps, chains)
            return
        if isinstance(call.func, ast.Name) and call.func.id in _LOOKS and dotted is None:
            return
        found = self._own(module, call.func)
        if found is None:
            life.given.append((module, call, dotted))
            return
        home, function, bound = found
        parameter = _parameter_for(call, node, function, bound)
        if parameter is None:
            life.escapes.append((module, node))
        else:
            waiting.append(Name(home, function, parameter))

    def _own(self, module: Module, func: ast.expr) -> tuple[Module, Function, bool] | None:
        """Return the experiment's function that is called, and whether its first parameter is given by itself."""
        if isinstance(func, ast.Attribute) and isinstance(func.value, ast.Name) and func.value.id == "self":
            owner = next((a for a in module.ancestors(func) if isinstance(a, ast.ClassDef)), None)
            method = _method(owner, func.attr) if owner is not None else None
            return None if method is None else (module, method, True)
        dotted = module.dotted(func)
        found = self._subject.find(dotted) if dotted else None
        if found is None:
            inner = self._inner(module, func)
            return None if inner is None else (module, inner, False)
        if isinstance(found[1], ast.ClassDef):
            method = _method(found[1], "__init__")
            return None if method is None else (found[0], method, True)
        return found[0], found[1], False

    @staticmethod
    def _inner(module: Module, func: ast.expr) -> Function | None:
        """Return the function defined inside of the function at hand that a name calls."""
        if not isinstance(func, ast.Name):
            return None
        around = [a for a in module.ancestors(func) if isinstance(a, ast.FunctionDef)]
        return next((f for f in module.functions if f.name == func.id and module.parent(f) in around), None)

    def _returned(self, life: Life, waiting: list[Name], module: Module, node: ast.AST, index: int | None) -> None:
        function = module.function_around(node)
        calls = self._calls_of(module, function) if function is not None else None
        if calls is None:
            life.escapes.append((module, node))
            return
        for home, call in calls:
            around = home.parent(call)
            target = around.targets[0] if isinstance(around, ast.Assign) else None
            if index is not None:
                target = (
                    target.elts[index]
                    if isinstance(target, ast.Tuple | ast.List) and index < len(target.elts)
                    else None
                )
            if target is None:
                life.escapes.append((home, call))
            else:
                self._bound(life, waiting, home, target, call)

    def _calls_of(self, module: Module, function: Function) -> list[tuple[Module, ast.Call]] | None:
        """Return the calls of a function; None for one that others may call unseen."""
        around = module.parent(function)
        if function.name in self._handed[0]:
            return None
        if isinstance(around, ast.Module):
            return self._calls.get(f"{module.name}.{function.name}", [])
        if isinstance(around, ast.ClassDef):
            return None
        return [
            (module, n)
            for n in (walk(around) if around is not None else ())
            if isinstance(n, ast.Call) and isinstance(n.func, ast.Name) and n.func.id == function.name
        ]

    @cached_property
    def _handed(self) -> tuple[frozenset[str], frozenset[str]]:
        """Names of functions that are handed on as values, and of attributes that are read from outside of a class."""
        values: set[str] = set()
        outside: set[str] = set()
        for module in self._subject.code:
            for node in module.nodes:
                if not isinstance(node, ast.Name | ast.Attribute) or not isinstance(node.ctx, ast.Load):
                    continue
                around = module.parent(node)
                if not (isinstance(around, ast.Call) and around.func is node):
                    values.add(node.id if isinstance(node, ast.Name) else node.attr)
                if isinstance(node, ast.Attribute) and not (
                    isinstance(node.value, ast.Name) and node.value.id == "self"
                ):
                    outside.add(node.attr)
        return frozenset(values), frozenset(outside)

    @cached_property
    def _calls(self) -> Mapping[str, list[tuple[Module, ast.Call]]]:
        found: dict[str, list[tuple[Module, ast.Call]]] = {}
        for module in self._subject.code:
            for node in module.nodes:
                dotted = module.dotted(node.func) if isinstance(node, ast.Call) else None
                if dotted is not None and isinstance(node, ast.Call):
                    found.setdefault(dotted, []).append((module, node))
        return found


def _method(owner: ast.ClassDef, name: str) -> Function | None:
    return next((n for n in owner.body if isinstance(n, ast.FunctionDef) and n.name == name), None)


def _parameter_for(call: ast.Call, node: ast.AST, function: Function, bound: bool) -> str | None:
    """Return the parameter that an argument of a call becomes."""
    for keyword in call.keywords:
        if keyword.value is node:
            return keyword.arg if keyword.arg in {a.arg for a in parameters(function)} else None
    if node not in call.args:
        return None
    index = call.args.index(node)
    if any(isinstance(a, ast.Starred) for a in call.args[: index + 1]):
        return None
    names = [a.arg for a in (*function.args.posonlyargs, *function.args.args)][1 if bound else 0 :]
    return names[index] if index < len(names) else None


def _only_looks(around: ast.AST | None) -> bool:
    """Return whether what stands around a name does nothing with the object but look at it."""
    if isinstance(around, ast.UnaryOp):
        return isinstance(around.op, ast.Not)
    return isinstance(around, ast.Expr | ast.Compare | ast.BoolOp | ast.If | ast.Assert)
