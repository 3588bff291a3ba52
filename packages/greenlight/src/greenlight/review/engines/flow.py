"""Where a file's own functions are called, and what each of their parameters is given."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from functools import cached_property

from greenlight.review.module import Function, Module, parameters, walk
from greenlight.review.subject import Subject

_LOOPS = (ast.For, ast.AsyncFor, ast.While)
_COMPREHENSIONS = (ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp)
_FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)


class Flow:
    """The calls of an experiment's own functions, over all of its files.

    Functions are known by their name alone, top-level ones over files, nested ones and methods inside of their file;
    two of one name in a file are not told apart, so their calls are counted for both.
    """

    def __init__(self, subject: Subject) -> None:
        self._subject = subject

    @cached_property
    def _functions(self) -> dict[str, list[tuple[Module, Function]]]:
        found: dict[str, list[tuple[Module, Function]]] = {}
        for module in self._subject.code:
            for function in module.functions:
                found.setdefault(function.name, []).append((module, function))
        return found

    @cached_property
    def _calls(self) -> dict[Function, list[tuple[Module, ast.Call]]]:
        found: dict[Function, list[tuple[Module, ast.Call]]] = {}
        for module in self._subject.code:
            for node in module.nodes:
                if isinstance(node, ast.Call):
                    target = self.target(module, node)
                    if target is not None:
                        found.setdefault(target[1], []).append((module, node))
        return found

    def target(self, module: Module, call: ast.Call) -> tuple[Module, Function] | None:
        """Return the experiment's own function that a call runs, if there is exactly one it can be."""
        return self.function(module, call.func)

    def function(self, module: Module, node: ast.AST) -> tuple[Module, Function] | None:
        """Return the experiment's own function that an expression names."""
        dotted = module.dotted(node)
        if dotted is not None:
            found = self._subject.find(dotted)
            return (found[0], found[1]) if found is not None and isinstance(found[1], _FUNCTIONS) else None
        if isinstance(node, ast.Name):
            name = node.id
        elif isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id in ("self", "cls"):
            name = node.attr
        else:
            return None
        here = [pair for pair in self._functions.get(name, []) if pair[0] is module]
        return here[0] if len(here) == 1 else None

    def calls_of(self, function: Function) -> list[tuple[Module, ast.Call]]:
        """Return the calls of a function."""
        return self._calls.get(function, [])

    def is_only_called(self, module: Module, function: Function) -> bool:
        """Return whether a function is used by calls that are all known, never handed on as a value or decorated."""
        if function.decorator_list:
            return False
        calls = {id(call.func) for _, call in self.calls_of(function)}
        is_top = module.top_level.get(function.name) is function
        for other, node in self._mentions.get(function.name, ()):
            if id(node) in calls:
                continue
            # An attribute of an object, model.train, or a local name is no function of the module.
            dotted = other.dotted(node) or ""
            if not is_top or dotted == f"{module.name}.{function.name}":
                return False
            if dotted.startswith("src.") and self._subject.find(dotted) is None:
                return False  # handed on by another file's import
        return True

    @cached_property
    def _mentions(self) -> dict[str, list[tuple[Module, ast.AST]]]:
        """Return the names and attributes that are read, by name."""
        found: dict[str, list[tuple[Module, ast.AST]]] = {}
        for module in self._subject.code:
            for node in module.nodes:
                if isinstance(node, ast.Name | ast.Attribute) and isinstance(node.ctx, ast.Load):
                    name = node.id if isinstance(node, ast.Name) else node.attr
                    found.setdefault(name, []).append((module, node))
        return found

    def argument_of(self, function: Function, name: str, call: ast.Call) -> ast.expr | None:
        """Return what a call gives for a parameter: the argument, or the parameter's default; None where unknown."""
        if any(isinstance(a, ast.Starred) for a in call.args) or any(k.arg is None for k in call.keywords):
            return None
        for keyword in call.keywords:
            if keyword.arg == name:
                return keyword.value
        names = [a.arg for a in (*function.args.posonlyargs, *function.args.args)]
        is_bound = isinstance(call.func, ast.Attribute) and bool(names) and names[0] in ("self", "cls")
        if is_bound:
            names = names[1:]
        if name in names:
            index = names.index(name)
            if index < len(call.args):
                return call.args[index]
            defaults = function.args.defaults
            from_end = len(names) - index
            return defaults[-from_end] if from_end <= len(defaults) else None
        for parameter, default in zip(function.args.kwonlyargs, function.args.kw_defaults, strict=True):
            if parameter.arg == name:
                return default
        return None

    def reached(self, module: Module, start: ast.AST) -> list[tuple[Module, ast.AST]]:
        """Return a function or lambda and every own function that calls in it can run, the nearest first."""
        found: list[tuple[Module, ast.AST]] = [(module, start)]
        seen = {id(start)}
        for where, body in found:  # grows while it is walked
            for node in walk(body):
                if isinstance(node, ast.Call):
                    target = self.target(where, node)
                    if target is not None and id(target[1]) not in seen:
                        seen.add(id(target[1]))
                        found.append(target)
        return found

    def loops_around(self, module: Module, node: ast.AST, depth: int = 4) -> int:
        """Return how many loops a node runs inside of, those around calls of its function included; 9 where unknown."""
        count = 0
        function: Function | None = None
        for around in module.ancestors(node):
            if isinstance(around, _LOOPS + _COMPREHENSIONS):
                count += 1
            elif isinstance(around, ast.Lambda | ast.ClassDef):
                return 9
            elif isinstance(around, _FUNCTIONS):
                function = around
                break
        if function is None:
            return count
        calls = self.calls_of(function)
        if depth == 0 or not self.is_only_called(module, function):
            return count if _is_entry(function) else 9
        return count + max((self.loops_around(where, call, depth - 1) for where, call in calls), default=0)


def _is_entry(function: Function) -> bool:
    return any("main" in ast.dump(d) for d in function.decorator_list)


def is_parameter(function: ast.AST, name: str) -> bool:
    """Return whether a function has a parameter of a name."""
    return isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda) and any(
        a.arg == name for a in parameters(function)
    )


def returns(module: Module, function: Function) -> Iterator[ast.Return]:
    """Yield the return statements of a function itself."""
    for node in walk(function):
        if isinstance(node, ast.Return) and module.scope(node) is function:
            yield node
