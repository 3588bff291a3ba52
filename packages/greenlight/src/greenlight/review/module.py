"""A Python file as rules see it: its syntax tree, its lines, and what its names stand for."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from typing import Any, TypeAlias

Function: TypeAlias = ast.FunctionDef | ast.AsyncFunctionDef
Scope: TypeAlias = ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda
_SHARED = (ast.expr_context, ast.boolop, ast.operator, ast.unaryop, ast.cmpop)
_SCOPES = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)
_STRETCH = "greenlight stretch"
UNKNOWN: Any = object()
"""What :meth:`Module.value` returns for an expression whose value the text alone does not tell."""


class Module:
    """A parsed Python file; the tree is empty where the text cannot be parsed.

    Parameters
    ----------
    path
        Relative to the experiment, such as ``src/train.py``.
    content
        The file's bytes.
    """

    def __init__(self, path: str, content: bytes) -> None:
        self.path = path
        self.error: tuple[int, int, str] | None = None  # line, column, reason
        try:
            self.text = content.decode("utf-8-sig")
        except UnicodeDecodeError as error:
            self.text = content.decode("utf-8", errors="replace")
            line = content[: error.start].count(b"\n") + 1
            self.error = (line, 1, f"byte 0x{content[error.start]:02x} is not UTF-8")
        self.lines = self.text.splitlines()
        self.tree = ast.Module(body=[], type_ignores=[])
        if self.error is None:
            self._parse()

    def _parse(self) -> None:
        if "\0" in self.text:
            line = self.text[: self.text.index("\0")].count("\n") + 1
            self.error = (line, 1, "a NUL byte")
            return
        try:
            self.tree = ast.parse(self.text)
            self._number()
        except SyntaxError as error:
            self.error = (error.lineno or 1, error.offset or 1, error.msg)
        except (RecursionError, MemoryError, ValueError) as error:
            self.error = (1, 1, f"nested too deeply to be parsed ({type(error).__name__})")

    @property
    def name(self) -> str:
        """The dotted name under which the experiment imports it, such as ``src.train``."""
        return self.path.removesuffix(".py").removesuffix("/__init__").replace("/", ".")

    @property
    def is_blank(self) -> bool:
        """Whether there is nothing in it but blank lines and comments."""
        return all(not line.strip() or line.lstrip().startswith("#") for line in self.lines)

    # -- the tree ----------------------------------------------------------------------------------------------

    @cached_property
    def nodes(self) -> tuple[ast.AST, ...]:
        """Every node in order of the text: parents before children, children before later siblings."""
        return self._tree[0]

    @property
    def _parents(self) -> dict[ast.AST, ast.AST]:
        return self._tree[1]

    @property
    def _scopes(self) -> dict[ast.AST, Scope]:
        return self._tree[2]

    @cached_property
    def _tree(self) -> tuple[tuple[ast.AST, ...], dict[ast.AST, ast.AST], dict[ast.AST, Scope]]:
        """Walk the tree once: its nodes, and for each the node and the scope around it."""
        nodes: list[ast.AST] = []
        parents: dict[ast.AST, ast.AST] = {}
        scopes: dict[ast.AST, Scope] = {}
        waiting: list[ast.AST] = [self.tree]
        while waiting:  # no recursion: a subject may nest as deeply as it likes
            node = waiting.pop()
            nodes.append(node)
            own = node if isinstance(node, _SCOPES) else scopes[node]
            # Contexts and operators are singletons that all nodes of a kind share; they have no place of their own.
            children = [child for child in ast.iter_child_nodes(node) if not isinstance(child, _SHARED)]
            for child in children:
                parents[child], scopes[child] = node, own
            children.reverse()
            waiting.extend(children)
        return tuple(nodes), parents, scopes

    def _number(self) -> None:
        """Note on each node which stretch of :attr:`nodes` it and everything in it are, for :func:`walk`."""
        nodes = self.nodes
        ends = list(range(1, len(nodes) + 1))
        places = {node: place for place, node in enumerate(nodes)}
        for place in range(len(nodes) - 1, 0, -1):
            around = places[self._parents[nodes[place]]]
            ends[around] = max(ends[around], ends[place])
        for place, node in enumerate(nodes):
            node.__dict__[_STRETCH] = (nodes, place, ends[place])

    def parent(self, node: ast.AST) -> ast.AST | None:
        """Return the node around a node; None for the module."""
        return self._parents.get(node)

    def ancestors(self, node: ast.AST) -> Iterator[ast.AST]:
        """Yield the nodes around a node, the nearest first."""
        around = self._parents.get(node)
        while around is not None:
            yield around
            around = self._parents.get(around)

    def scope(self, node: ast.AST) -> Scope:
        """Return the function, class, lambda or module that a node stands in."""
        return self._scopes.get(node, self.tree)

    def function_around(self, node: ast.AST) -> Function | None:
        """Return the innermost function that a node stands in; None at module level."""
        for around in self.ancestors(node):
            if isinstance(around, ast.FunctionDef | ast.AsyncFunctionDef):
                return around
        return None

    def statement(self, node: ast.AST) -> ast.stmt | None:
        """Return the statement that a node is part of."""
        if isinstance(node, ast.stmt):
            return node
        return next((around for around in self.ancestors(node) if isinstance(around, ast.stmt)), None)

    @cached_property
    def functions(self) -> tuple[Function, ...]:
        """Every function and method."""
        return tuple(n for n in self.nodes if isinstance(n, ast.FunctionDef | ast.AsyncFunctionDef))

    @cached_property
    def classes(self) -> tuple[ast.ClassDef, ...]:
        """Every class."""
        return tuple(n for n in self.nodes if isinstance(n, ast.ClassDef))

    @cached_property
    def top_level(self) -> Mapping[str, Function | ast.ClassDef]:
        """Functions and classes of the module itself by name, the last definition of a name."""
        return {
            n.name: n for n in self.tree.body if isinstance(n, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef)
        }

    # -- names -------------------------------------------------------------------------------------------------

    @cached_property
    def imports(self) -> Mapping[str, str]:
        """What each imported name stands for: ``np`` -> ``numpy``, ``load`` -> ``datasets.load_dataset``.

        Relative imports are resolved against the module's place: ``from .model import build`` in ``src/train.py`` is
        ``src.model.build``. Imports inside of functions count for the whole module.
        """
        names: dict[str, str] = {}
        for node in self.nodes:
            if isinstance(node, ast.Import):
                for alias in node.names:
                    if alias.asname:
                        names[alias.asname] = alias.name
                    else:
                        first = alias.name.partition(".")[0]
                        names[first] = first
            elif isinstance(node, ast.ImportFrom):
                source = self.source_of(node)
                for alias in node.names:
                    if alias.name != "*":
                        names[alias.asname or alias.name] = f"{source}.{alias.name}"
        return names

    def source_of(self, node: ast.ImportFrom) -> str:
        """Return the absolute dotted name of the module that a ``from ... import`` reads."""
        if not node.level:
            return node.module or ""
        package = self.name.split(".") if self.path.endswith("/__init__.py") else self.name.split(".")[:-1]
        kept = package[: len(package) - node.level + 1]
        return ".".join([*kept, *([node.module] if node.module else [])])

    def dotted(self, node: ast.AST) -> str | None:
        """Return the full dotted name of a name or attribute chain that starts at an import; None otherwise.

        ``F.softmax`` is ``torch.nn.functional.softmax`` after ``import torch.nn.functional as F``. A name that the
        function at hand binds anew is not resolved. Names defined in this module get the module's name.
        """
        attributes: list[str] = []
        while isinstance(node, ast.Attribute):
            attributes.append(node.attr)
            node = node.value
        if not isinstance(node, ast.Name):
            return None
        origin = self.imports.get(node.id)
        if origin is not None:
            if self._is_rebound(node):
                return None
        elif node.id in self.top_level and not self._is_rebound(node):
            origin = f"{self.name}.{node.id}"
        else:
            return None
        return ".".join([origin, *reversed(attributes)])

    def _is_rebound(self, name: ast.Name) -> bool:
        scope: ast.AST | None = self.scope(name)
        while scope is not None and not isinstance(scope, ast.Module):
            if name.id in self._bound(scope):
                return True
            scope = self.scope(scope)
        return False

    def _bound(self, scope: ast.AST) -> frozenset[str]:
        """Return the names that a scope binds itself, parameters included, imports excluded."""
        return self._bindings.get(scope, frozenset())

    @cached_property
    def _bindings(self) -> dict[ast.AST, frozenset[str]]:
        names: dict[ast.AST, set[str]] = {}
        for node in self.nodes:
            if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
                names.setdefault(self.scope(node), set()).add(node.id)
            elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
                names.setdefault(node, set()).update(a.arg for a in parameters(node))
        return {scope: frozenset(bound) for scope, bound in names.items()}

    def calls(self, *names: str) -> Iterator[ast.Call]:
        """Yield the calls of functions by full dotted name; a name that ends in ``.*`` is everything below it."""
        exact = {name for name in names if not name.endswith(".*")}
        below = tuple(name[:-1] for name in names if name.endswith(".*"))
        for call, dotted in self._dotted_calls:
            if dotted in exact or (below and dotted.startswith(below)):
                yield call

    @cached_property
    def _dotted_calls(self) -> tuple[tuple[ast.Call, str], ...]:
        pairs = ((n, self.dotted(n.func)) for n in self.nodes if isinstance(n, ast.Call))
        return tuple((call, dotted) for call, dotted in pairs if dotted is not None)

    def method_calls(self, *names: str) -> Iterator[ast.Call]:
        """Yield the calls ``anything.name(...)`` of methods by name, those of imported modules included."""
        for node in self.nodes:
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in names:
                yield node

    # -- values ------------------------------------------------------------------------------------------------

    def value(self, node: ast.AST | None, depth: int = 8) -> Any:
        """Return the value of a literal, or of a name that is assigned one exactly once; `UNKNOWN` otherwise."""
        if node is None or depth == 0:
            return UNKNOWN
        if isinstance(node, ast.Name):
            assigned = self.assigned(node)
            return UNKNOWN if assigned is None else self.value(assigned, depth - 1)
        try:
            return ast.literal_eval(node)
        except (ValueError, TypeError, SyntaxError, MemoryError, RecursionError):
            return UNKNOWN

    def assigned(self, name: ast.Name) -> ast.expr | None:
        """Return the expression that a name was assigned, if its scope or the module assigns it exactly once."""
        scope: ast.AST = self.scope(name)
        while True:
            found = self._assignments.get((scope, name.id), [])
            if found or isinstance(scope, ast.Module):
                break
            if name.id in self._bound(scope):
                return None
            scope = self.scope(scope)
        return found[0] if len(found) == 1 else None

    @cached_property
    def _assignments(self) -> dict[tuple[ast.AST, str], list[ast.expr | None]]:
        found: dict[tuple[ast.AST, str], list[ast.expr | None]] = {}
        for node in self.nodes:
            if not (isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store | ast.Del)):
                continue
            around = self.parent(node)
            value: ast.expr | None = None
            if (isinstance(around, ast.Assign) and node in around.targets) or (
                isinstance(around, ast.AnnAssign | ast.NamedExpr) and around.target is node
            ):
                value = around.value
            found.setdefault((self.scope(node), node.id), []).append(value)
        return found

    def string(self, node: ast.AST | None) -> str | None:
        """Return the text of a string expression with ``{}`` for what is not known; None for anything else.

        Literals, f-strings, ``+`` of strings, ``"...".format(...)`` and names assigned such once are read.

        Examples
        --------
        >>> module = Module("src/a.py", b"x = f'{a}/runs/{b}.yaml'")
        >>> module.string(module.tree.body[0].value)
        '{}/runs/{}.yaml'
        """
        if isinstance(node, ast.JoinedStr):
            parts = [
                value.value if isinstance(value, ast.Constant) and isinstance(value.value, str) else self._filled(value)
                for value in node.values
            ]
            return "".join(parts)
        if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add):
            left, right = self.string(node.left), self.string(node.right)
            return None if left is None and right is None else (left or "{}") + (right or "{}")
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "format":
            template = self.value(node.func.value)
            return re.sub(r"\{[^{}]*\}", "{}", template) if isinstance(template, str) else None
        if isinstance(node, ast.Name):
            assigned = self.assigned(node)
            if assigned is not None and not isinstance(assigned, ast.Name):
                return self.string(assigned)
        value = self.value(node)
        return value if isinstance(value, str) else None

    def _filled(self, node: ast.expr) -> str:
        inner = node.value if isinstance(node, ast.FormattedValue) else node
        value = self.value(inner)
        return str(value) if isinstance(value, str | int) else "{}"

    def source(self, node: ast.AST) -> str:
        """Return the text of a node on one line, shortened where it is long."""
        text = " ".join((ast.get_source_segment(self.text, node) or ast.unparse(node)).split())
        return text if len(text) <= 80 else text[:77] + "..."

    @cached_property
    def comments(self) -> tuple[tuple[int, int, str], ...]:
        """Every comment as line, column (both from 1) and text with its ``#``."""
        import contextlib
        import io
        import tokenize

        found: list[tuple[int, int, str]] = []
        # A file that breaks off has the comments up to there.
        with contextlib.suppress(tokenize.TokenError, SyntaxError):
            found.extend(
                (token.start[0], token.start[1] + 1, token.string)
                for token in tokenize.generate_tokens(io.StringIO(self.text).readline)
                if token.type == tokenize.COMMENT
            )
        return tuple(found)


def walk(node: ast.AST) -> Sequence[ast.AST]:
    """Return a node and everything in it in order of the text, without contexts and operators.

    What ``ast.walk`` yields at a fraction of its cost, for nodes of a :class:`Module`.
    """
    stretch = node.__dict__.get(_STRETCH)
    if stretch is None:
        return list(ast.walk(node))  # a node that a rule has made itself
    nodes, first, end = stretch
    part: Sequence[ast.AST] = nodes[first:end]
    return part


def parameters(function: Function | ast.Lambda) -> tuple[ast.arg, ...]:
    """Return the parameters of a function in order, ``*args`` and ``**kwargs`` included."""
    given = function.args
    starred = [a for a in (given.vararg, given.kwarg) if a is not None]
    return (*given.posonlyargs, *given.args, *given.kwonlyargs, *starred)


def argument(call: ast.Call, name: str, position: int | None = None) -> ast.expr | None:
    """Return the argument of a call by keyword, or by position; None where it is not given in the open."""
    for keyword in call.keywords:
        if keyword.arg == name:
            return keyword.value
    if position is not None and position < len(call.args):
        before = call.args[: position + 1]
        if not any(isinstance(a, ast.Starred) for a in before):
            return call.args[position]
    return None


def has_open_arguments(call: ast.Call) -> bool:
    """Return whether a call passes ``*args`` or ``**kwargs``, so that what it passes is not known."""
    return any(isinstance(a, ast.Starred) for a in call.args) or any(k.arg is None for k in call.keywords)
