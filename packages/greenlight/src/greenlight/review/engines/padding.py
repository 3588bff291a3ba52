"""What batches are padded with: tensors filled with the id of the padding token, and the keys that they end under."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping
from functools import cached_property
from typing import Any

from greenlight.review.module import UNKNOWN, Function, Module, argument, parameters, walk
from greenlight.review.subject import Subject

_FULL = frozenset({"torch.full"})
_JOINED = frozenset({"torch.nn.utils.rnn.pad_sequence"})


class Padding:
    """Answers questions about padding, over all files.

    Parameters
    ----------
    subject
        The experiment.
    """

    def __init__(self, subject: Subject) -> None:
        self._subject = subject

    def constant(self, module: Module, node: ast.AST | None) -> Any:
        """Return the value of a literal or of a constant, also one that is imported from another file."""
        value = module.value(node)
        if value is not UNKNOWN or not isinstance(node, ast.Name):
            return value
        source, _, name = module.imports.get(node.id, "").rpartition(".")
        for other in self._subject.code:
            if other.name == source and other is not module:
                value = other.value(next((n for n in other.nodes if isinstance(n, ast.Name) and n.id == name), None))
        return value

    def is_pad_id(self, module: Module, node: ast.AST | None, depth: int = 4) -> bool:
        """Return whether an expression is the tokenizer's ``pad_token_id`` for sure, wherever it was handed on."""
        if node is None or depth == 0:
            return False
        if isinstance(node, ast.Attribute):
            return node.attr == "pad_token_id"
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "int" and node.args:
            return self.is_pad_id(module, node.args[0], depth)
        if not isinstance(node, ast.Name):
            return False
        function = module.function_around(node)
        names = [a.arg for a in parameters(function)] if function is not None else []
        if function is None or node.id not in names:
            return self.is_pad_id(module, module.assigned(node), depth - 1)
        given = [
            (home, argument(call, node.id, names.index(node.id) + shift))
            for home, call, shift in self._calls.get(f"{module.name}.{function.name}", [])
        ]
        return bool(given) and all(self.is_pad_id(home, one, depth - 1) for home, one in given)

    @cached_property
    def _calls(self) -> Mapping[str, list[tuple[Module, ast.Call, int]]]:
        """Calls of functions by full name, with ``partial(f, ...)`` among them, whose arguments stand one later."""
        found: dict[str, list[tuple[Module, ast.Call, int]]] = {}
        for module in self._subject.code:
            for node in module.nodes:
                if not isinstance(node, ast.Call):
                    continue
                dotted = module.dotted(node.func)
                if dotted == "functools.partial" and node.args:
                    found.setdefault(module.dotted(node.args[0]) or "", []).append((module, node, 1))
                elif dotted is not None:
                    found.setdefault(dotted, []).append((module, node, 0))
        return found

    def padded(self, module: Module, function: Function) -> Iterator[tuple[str, ast.expr, bool]]:
        """Yield the padded tensors of a function by name, with what makes them and whether it pads with the pad id."""
        for node in walk(function):
            if not (isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name)):
                continue
            if module.function_around(node) is not function or not isinstance(node.value, ast.Call):
                continue
            if module.assigned(node.targets[0]) is not node.value:
                continue
            dotted = module.dotted(node.value.func)
            if dotted in _FULL:
                filling = argument(node.value, "fill_value", 1)
            elif dotted in _JOINED:
                filling = argument(node.value, "padding_value", 2)
            else:
                continue
            yield node.targets[0].id, node.value, self.is_pad_id(module, filling)

    def under(self, module: Module, function: Function, key: str) -> Iterator[ast.expr]:
        """Yield what a function puts under a key: into a dictionary, a keyword, or a field of an own dataclass."""
        for node in walk(function):
            if isinstance(node, ast.Dict):
                for name, value in zip(node.keys, node.values, strict=True):
                    if name is not None and module.value(name) == key:
                        yield value
            elif isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Subscript):
                if module.value(node.targets[0].slice) == key:
                    yield node.value
            elif isinstance(node, ast.Call):
                yield from (k.value for k in node.keywords if k.arg == key)
                fields = self._fields(module, node)
                if key in fields and fields.index(key) < len(node.args):
                    yield node.args[fields.index(key)]

    def _fields(self, module: Module, call: ast.Call) -> list[str]:
        """Return the fields of the own class without ``__init__`` that a call makes, in order."""
        dotted = module.dotted(call.func)
        found = self._subject.find(dotted) if dotted and call.args else None
        if found is None or not isinstance(found[1], ast.ClassDef) or found[1].bases:
            return []
        if any(isinstance(n, ast.FunctionDef) and n.name == "__init__" for n in found[1].body):
            return []
        return [n.target.id for n in found[1].body if isinstance(n, ast.AnnAssign) and isinstance(n.target, ast.Name)]

    @staticmethod
    def parts_written(module: Module, function: Function, name: str) -> list[tuple[ast.Subscript, ast.expr]] | None:
        """Return what is written into parts of a tensor, ``name[i, :n] = x``; None where more may happen to it."""
        parts = []
        for node in walk(function):
            if not (isinstance(node, ast.Name) and node.id == name and isinstance(node.ctx, ast.Load)):
                continue
            around = module.parent(node)
            if isinstance(around, ast.Subscript) and around.value is node and isinstance(around.ctx, ast.Store):
                statement = module.parent(around)
                if not isinstance(statement, ast.Assign):
                    return None
                parts.append((around, statement.value))
            elif (
                isinstance(around, ast.Attribute) and around.attr not in ("shape", "device", "size", "to", "clone")
            ) or isinstance(around, ast.Compare | ast.BinOp | ast.AugAssign):
                return None
        return parts
