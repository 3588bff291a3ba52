"""Figures of src/evaluate.py: which call saves which, through own functions that save what they are handed."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from greenlight.review.engines.flow import is_parameter
from greenlight.review.engines.readback import Readback
from greenlight.review.module import Function, Module, argument, walk
from greenlight.review.subject import Subject


class Figures:
    """The calls of ``savefig`` in src/evaluate.py and the paths that reach them.

    Attributes
    ----------
    saved
        The path of each figure as an expression: the argument of ``savefig``, or what a caller gives where that is a
        parameter of an own function.
    """

    def __init__(self, subject: Subject) -> None:
        self.readback = subject.derived(Readback)
        self.saved: tuple[ast.expr, ...] = ()
        if self.readback.module is not None:
            module = self.readback.module
            paths = (argument(call, "fname", 0) for call in module.method_calls("savefig"))
            self.saved = tuple(p for path in paths if path is not None for p in self._given(module, path, 4))

    def _given(self, module: Module, node: ast.expr, depth: int) -> Iterator[ast.expr]:
        if isinstance(node, ast.Name) and depth:
            assigned = module.assigned(node)
            function = module.function_around(node)
            if assigned is not None:
                yield from self._given(module, assigned, depth - 1)
            elif function is not None and is_parameter(function, node.id):
                for where, call in self.readback.flow.calls_of(function):
                    given = self.readback.flow.argument_of(function, node.id, call)
                    if where is module and given is not None:
                        yield from self._given(module, given, depth - 1)
        else:
            yield node

    def drawing(self, function: Function) -> tuple[ast.Call, ...]:
        """Return the calls of a function that saves a figure, those of its saving helpers included; else nothing.

        A function that hands its figure to another own function that draws is told nothing about.
        """
        module = self.readback.module
        if module is None:
            return ()
        calls = [n for n in walk(function) if isinstance(n, ast.Call)]
        found = list(calls)
        for call in calls:
            target = self.readback.flow.target(module, call)
            if target is None:
                continue
            helper = [n for n in walk(target[1]) if isinstance(n, ast.Call)]
            found += helper
            if not _saves(helper) and any(isinstance(a, ast.Name) and a.id in _CANVAS for a in call.args):
                return ()
        return tuple(found) if _saves(found) else ()


_CANVAS = frozenset({"ax", "axes", "axis", "fig", "figure", "plt", "bars", "ax1", "ax2"})


def _saves(calls: list[ast.Call]) -> bool:
    return any(isinstance(c.func, ast.Attribute) and c.func.attr == "savefig" for c in calls)
