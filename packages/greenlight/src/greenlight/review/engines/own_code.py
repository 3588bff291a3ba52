"""The experiment's own functions and classes: what a call of them accepts, and what their instances have."""

from __future__ import annotations

import ast
from dataclasses import dataclass
from functools import cached_property

from greenlight.review.engines.library_uses import is_parameter
from greenlight.review.engines.names import Names
from greenlight.review.module import Function, Module, has_open_arguments
from greenlight.review.subject import Subject

# Decorators that leave a function's parameters as they are.
_TRANSPARENT = frozenset(
    {"torch.no_grad", "torch.inference_mode", "torch.enable_grad", "functools.lru_cache", "functools.cache"}
)
KNOWN_BASES = frozenset({"object", "torch.nn.Module", "torch.utils.data.Dataset", "abc.ABC"})


@dataclass(frozen=True)
class Callee:
    """A function of the experiment that a call reaches, and how many of its first parameters are filled already."""

    name: str
    function: Function
    filled: int = 0


class OwnCode:
    """Functions and classes of the experiment by full dotted name, where the text leaves no doubt about them."""

    def __init__(self, subject: Subject) -> None:
        self.subject = subject
        self._names = subject.derived(Names)
        self._classes = {
            f"{module.name}.{name}": (module, node)
            for module in subject.code
            for name, node in module.top_level.items()
            if isinstance(node, ast.ClassDef) and self._is_bound_once(module, name)
        }
        self._functions = {
            f"{module.name}.{name}": (module, node)
            for module in subject.code
            for name, node in module.top_level.items()
            if not isinstance(node, ast.ClassDef) and self._is_bound_once(module, name)
        }

    def _is_bound_once(self, module: Module, name: str) -> bool:
        names = self._names.of(module)
        return names is not None and not names.is_open and len(names.top.bound.get(name, ())) == 1

    # -- attributes --------------------------------------------------------------------------------------------

    @cached_property
    def stored(self) -> frozenset[str]:
        """Every attribute that anything is given anywhere, every name of a class body, and every quoted word."""
        found: set[str] = set()
        for module in self.subject.code:
            for node in module.nodes:
                if isinstance(node, ast.Attribute) and not isinstance(node.ctx, ast.Load):
                    found.add(node.attr)
                elif isinstance(node, ast.Constant) and isinstance(node.value, str) and len(node.value) < 80:
                    found.add(node.value)
        for names in self._names.files:
            for space in names.spaces:
                if space.kind == "class":
                    found.update(space.bound)
        return frozenset(found)

    @cached_property
    def has_dynamic_attributes(self) -> bool:
        """Whether attributes are set under names that the text does not tell."""
        for module in self.subject.code:
            for node in module.nodes:
                if isinstance(node, ast.Attribute) and node.attr in ("__dict__", "__getattr__", "__setattr__"):
                    return True
                if isinstance(node, ast.Call):
                    name = getattr(node.func, "id", getattr(node.func, "attr", ""))
                    if name in ("setattr", "vars", "register_buffer", "register_parameter", "add_module"):
                        position = 1 if name == "setattr" else 0
                        given = node.args[position] if position < len(node.args) else None
                        if not (isinstance(given, ast.Constant) and isinstance(given.value, str)):
                            return True
        return False

    def own_class(self, dotted: str | None) -> tuple[Module, ast.ClassDef] | None:
        """Return a class of the experiment by full dotted name."""
        return None if dotted is None else self._classes.get(dotted)

    def bases(self, module: Module, kind: ast.ClassDef) -> frozenset[str] | None:
        """Return the foreign classes that a class derives from; None where not all of them are known."""
        if kind.keywords or not all(_is_dataclass(module, decorator) for decorator in kind.decorator_list):
            return None
        found: set[str] = set()
        for base in kind.bases:
            dotted = module.dotted(base) or (base.id if isinstance(base, ast.Name) else None)
            own = self.own_class(dotted)
            if own is not None and own[1] is not kind:
                inner = self.bases(*own)
                if inner is None:
                    return None
                found |= inner
            elif dotted in KNOWN_BASES:
                found.add(str(dotted))
            else:
                return None
        return frozenset(found)

    def method(self, module: Module, kind: ast.ClassDef, name: str) -> Function | None:
        """Return a method that a class or its own bases define once and that nothing overrides."""
        found = [
            node for node in kind.body if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.name == name
        ]
        if not found:
            for base in kind.bases:
                own = self.own_class(module.dotted(base))
                if own is not None and own[1] is not kind:
                    return self.method(*own, name)
        return found[0] if len(found) == 1 else None

    @cached_property
    def _overridden(self) -> frozenset[tuple[str, str]]:
        """Pairs of a class's name and a method's that a subclass of it defines."""
        found = set()
        for module in self.subject.code:
            for kind in module.classes:
                for base in kind.bases:
                    name = getattr(base, "id", getattr(base, "attr", ""))
                    for node in kind.body:
                        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                            found.add((name, node.name))
        return frozenset(found)

    @cached_property
    def parents(self) -> frozenset[str]:
        """The names of all classes that another class of the experiment derives from."""
        return frozenset(
            getattr(base, "id", getattr(base, "attr", ""))
            for module in self.subject.code
            for kind in module.classes
            for base in kind.bases
        )

    # -- calls -------------------------------------------------------------------------------------------------

    def instance_of(self, module: Module, node: ast.expr) -> tuple[Module, ast.ClassDef] | None:
        """Return the class of an expression that is surely an own one's instance: ``self``, or a name so assigned."""
        if isinstance(node, ast.Call):
            return self.own_class(module.dotted(node.func))  # Meter(...).update(...)
        if not isinstance(node, ast.Name):
            return None
        function = module.function_around(node)
        if node.id == "self" and function is not None:
            around = module.parent(function)
            if isinstance(around, ast.ClassDef) and function.args.args and function.args.args[0].arg == "self":
                return self.own_class(f"{module.name}.{around.name}")
            return None
        value = None if is_parameter(module, node) else module.assigned(node)
        return self.own_class(module.dotted(value.func)) if isinstance(value, ast.Call) else None

    def callee(self, module: Module, call: ast.Call) -> Callee | None:
        """Return the function that a call reaches, where the text leaves no doubt."""
        dotted = module.dotted(call.func)
        found = self._functions.get(dotted) if dotted is not None else None
        if found is not None:
            where, function = found
            if isinstance(function, ast.ClassDef) or not _is_plain(where, function, ()):
                return None
            return Callee(function.name, function)
        own = self.own_class(dotted)
        if own is not None:
            return self._constructor(*own)
        if isinstance(call.func, ast.Attribute):
            own = self.instance_of(module, call.func.value)
            if own is not None and self.bases(*own) is not None:
                return self._method_call(*own, call.func.attr)
        elif isinstance(call.func, ast.Name):
            own = self.instance_of(module, call.func)
            if own is not None and call.func.id != "self" and self.bases(*own) is not None:
                kind = "forward" if "torch.nn.Module" in (self.bases(*own) or ()) else "__call__"
                return self._method_call(*own, kind)
        return None

    def _constructor(self, module: Module, kind: ast.ClassDef) -> Callee | None:
        if self.bases(module, kind) is None or self.method(module, kind, "__new__") is not None:
            return None
        function = self.method(module, kind, "__init__")
        if function is None or function.decorator_list:
            return None
        return Callee(kind.name, function, 1)

    def _method_call(self, module: Module, kind: ast.ClassDef, name: str) -> Callee | None:
        function = self.method(module, kind, name)
        if function is None or (kind.name, name) in self._overridden or name in self._attributes:
            return None
        if not _is_plain(module, function, ("staticmethod", "classmethod")):
            return None
        static = any(isinstance(d, ast.Name) and d.id == "staticmethod" for d in function.decorator_list)
        return Callee(f"{kind.name}.{name}", function, 0 if static else 1)

    @cached_property
    def _attributes(self) -> frozenset[str]:
        return frozenset(
            node.attr
            for module in self.subject.code
            for node in module.nodes
            if isinstance(node, ast.Attribute) and not isinstance(node.ctx, ast.Load)
        )


def _is_plain(module: Module, function: Function, allowed: tuple[str, ...]) -> bool:
    for decorator in function.decorator_list:
        node = decorator.func if isinstance(decorator, ast.Call) else decorator
        if isinstance(node, ast.Name) and node.id in allowed:
            continue
        if module.dotted(node) not in _TRANSPARENT:
            return False
    return True


def refusal(callee: Callee, call: ast.Call) -> str | None:
    """Return why a call does not fit a function's parameters; None where it does or may.

    The wording follows Python's own TypeError.
    """
    given = callee.function.args
    ordered = [a.arg for a in (*given.posonlyargs, *given.args)][callee.filled :]
    if callee.filled > len(given.posonlyargs) + len(given.args):
        return None  # a method without self is a matter of its own
    named = {a.arg for a in given.args[max(0, callee.filled - len(given.posonlyargs)) :]}
    named |= {a.arg for a in given.kwonlyargs}
    keywords = [k.arg for k in call.keywords if k.arg is not None]
    starred = any(isinstance(a, ast.Starred) for a in call.args)
    if given.kwarg is None:
        for name in keywords:
            if name not in named:
                return f"has no parameter {name}"
    if not starred:
        if given.vararg is None and len(call.args) > len(ordered):
            return f"takes {len(ordered)} positional argument{'s' * (len(ordered) != 1)}, not {len(call.args)}"
        for name in ordered[: len(call.args)]:
            if name in keywords and name in named:
                return f"gets {name} twice"
    if has_open_arguments(call):
        return None
    required = ordered[len(call.args) : max(len(ordered) - len(given.defaults), 0)]
    missing = [name for name in required if name not in keywords]
    missing += [
        a.arg
        for a, default in zip(given.kwonlyargs, given.kw_defaults, strict=True)
        if default is None and a.arg not in keywords
    ]
    return f"is not given {', '.join(missing)}" if missing else None


def returns_nothing(function: Function) -> bool:
    """Return whether a function surely gives None: it has no ``return`` with a value and is no generator."""
    if isinstance(function, ast.AsyncFunctionDef) or isinstance(function.body[-1], ast.Raise):
        return False
    waiting: list[ast.AST] = list(function.body)
    while waiting:
        node = waiting.pop()
        if isinstance(node, ast.Yield | ast.YieldFrom) or (isinstance(node, ast.Return) and node.value is not None):
            return False
        if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda | ast.ClassDef):
            waiting.extend(ast.iter_child_nodes(node))
    return True


def _is_dataclass(module: Module, decorator: ast.expr) -> bool:
    """Return whether a decorator gives a class no name that its body does not show."""
    named = decorator.func if isinstance(decorator, ast.Call) else decorator
    return module.dotted(named) == "dataclasses.dataclass"
