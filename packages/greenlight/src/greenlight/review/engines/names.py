"""Where each name of a file is bound and where it is read: Python's scopes, without running anything."""

from __future__ import annotations

import ast
import builtins
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property
from typing import Literal

from greenlight.review.module import Module, walk
from greenlight.review.subject import Subject

Kind = Literal["module", "class", "function", "comprehension"]
BUILTINS = frozenset(dir(builtins)) | {
    "__file__", "__name__", "__doc__", "__package__", "__spec__", "__path__", "__loader__", "__builtins__",
    "__annotations__", "__dict__", "__module__", "__qualname__", "__class__", "__firstlineno__", "WindowsError",
}  # fmt: skip
_BINDS_BY_STRING = frozenset({"globals", "exec"})
_READS_BY_STRING = frozenset({"globals", "exec", "eval", "locals", "vars"})
_COMPREHENSIONS = (ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp)


@dataclass(eq=False)
class Space:
    """One scope: the names it binds, by the nodes that bind them, and the names that are read in it."""

    kind: Kind
    node: ast.AST
    parent: Space | None
    bound: dict[str, list[ast.AST]] = field(default_factory=dict)
    outside: set[str] = field(default_factory=set)  # declared global or nonlocal
    reads: list[ast.Name] = field(default_factory=list)

    def home(self, name: str) -> Space | None:
        """Return the scope that a name read here belongs to; None where no scope of the file binds it."""
        space: Space | None = self
        first = True
        while space is not None:
            if name in space.bound and name not in space.outside and (first or space.kind != "class"):
                return space
            # A comprehension sees the class it stands in only in its first iterable; being lenient costs nothing.
            first = first and space.kind == "comprehension"
            space = space.parent
        return None


class FileNames:
    """The scopes of one file.

    Attributes
    ----------
    spaces
        Every scope, the module first.
    quoted
        Words that stand in annotations written as strings, in ``__all__`` and in type comments.
    is_open
        Whether names can come from where the text does not tell: a star import, ``globals()``, ``exec``.
    reads_by_string
        Whether names can be read where the text does not tell: ``locals()``, ``eval``.
    """

    def __init__(self, module: Module) -> None:
        self.module = module
        # id() of a scope stays unique: all of them live as long as this object.
        self.top = Space("module", module.tree, None)
        self.spaces: list[Space] = [self.top]
        self.quoted: set[str] = set()
        self.is_open = False
        self.reads_by_string = False
        self._space_of: dict[ast.AST, Space] = {}
        self._collect()

    def _collect(self) -> None:
        waiting: list[tuple[ast.AST, Space]] = [(statement, self.top) for statement in reversed(self.module.tree.body)]
        while waiting:
            node, space = waiting.pop()
            waiting.extend(reversed(list(self._visit(node, space))))

    def _open(self, kind: Kind, node: ast.AST, parent: Space) -> Space:
        space = Space(kind, node, parent)
        self.spaces.append(space)
        return space

    def _bind(self, space: Space, name: str, node: ast.AST) -> None:
        target: Space | None = space
        while target is not None and target.kind == "comprehension" and isinstance(node, ast.NamedExpr):
            target = target.parent
        target = target or space
        target.bound.setdefault(name, []).append(node)
        if name in target.outside:
            self.top.bound.setdefault(name, []).append(node)

    def _visit(self, node: ast.AST, space: Space) -> Iterator[tuple[ast.AST, Space]]:
        self._space_of[node] = space
        if isinstance(node, ast.Name):
            if isinstance(node.ctx, ast.Load):
                space.reads.append(node)
                self.is_open = self.is_open or node.id in _BINDS_BY_STRING
                self.reads_by_string = self.reads_by_string or node.id in _READS_BY_STRING
            else:
                self._bind(space, node.id, node)
            return
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
            yield from self._function(node, space)
            return
        if isinstance(node, ast.ClassDef):
            self._bind(space, node.name, node)
            inner = self._open("class", node, space)
            for outer in (*node.decorator_list, *node.bases, *node.keywords):
                yield outer, space
            self._type_parameters(node, space)
            for statement in node.body:
                yield statement, inner
            return
        if isinstance(node, ast.Call) and node.args and getattr(node.func, "id", "") == "cast":
            self._read_quoted(node.args[0])
        if isinstance(node, _COMPREHENSIONS):
            inner = self._open("comprehension", node, space)
            for number, generator in enumerate(node.generators):
                yield generator.iter, inner if number else space
                yield generator.target, inner
                for test in generator.ifs:
                    yield test, inner
            for part in (node.key, node.value) if isinstance(node, ast.DictComp) else (node.elt,):
                yield part, inner
            return
        self._statement(node, space)
        annotation = getattr(node, "annotation", None)
        if annotation is not None:
            self._read_quoted(annotation)
        for child in ast.iter_child_nodes(node):
            yield child, space

    def _function(
        self, node: ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda, space: Space
    ) -> Iterator[tuple[ast.AST, Space]]:
        given = node.args
        inner = self._open("function", node, space)
        every = [*given.posonlyargs, *given.args, *given.kwonlyargs]
        every += [argument for argument in (given.vararg, given.kwarg) if argument is not None]
        for argument in every:
            inner.bound.setdefault(argument.arg, []).append(argument)
        for default in (*given.defaults, *given.kw_defaults):
            if default is not None:
                yield default, space
        if isinstance(node, ast.Lambda):
            yield node.body, inner
            return
        self._bind(space, node.name, node)
        self._type_parameters(node, space)
        for annotation in (*(argument.annotation for argument in every), node.returns):
            if annotation is not None:
                self._read_quoted(annotation)
                yield annotation, space
        for decorator in node.decorator_list:
            yield decorator, space
        for statement in node.body:
            yield statement, inner

    def _type_parameters(self, node: ast.AST, space: Space) -> None:
        for parameter in getattr(node, "type_params", ()):
            space.bound.setdefault(parameter.name, []).append(parameter)

    def _statement(self, node: ast.AST, space: Space) -> None:
        if isinstance(node, ast.Import):
            for alias in node.names:
                self._bind(space, alias.asname or alias.name.partition(".")[0], alias)
        elif isinstance(node, ast.ImportFrom):
            for alias in node.names:
                if alias.name == "*":
                    self.is_open = True
                else:
                    self._bind(space, alias.asname or alias.name, alias)
        elif isinstance(node, ast.Global | ast.Nonlocal):
            space.outside.update(node.names)
            if isinstance(node, ast.Global):
                for name in node.names:
                    self.top.bound.setdefault(name, []).append(node)
        elif isinstance(node, ast.ExceptHandler | ast.MatchAs | ast.MatchStar) and node.name:
            self._bind(space, node.name, node)
        elif isinstance(node, ast.MatchMapping) and node.rest:
            self._bind(space, node.rest, node)
        elif isinstance(node, ast.Assign | ast.AugAssign):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            if any(isinstance(target, ast.Name) and target.id == "__all__" for target in targets):
                self._read_strings(node.value)
        elif type(node).__name__ == "TypeAlias":  # Python 3.12
            self._type_parameters(node, space)

    def _read_strings(self, node: ast.AST) -> None:
        self.quoted.update(n.value for n in walk(node) if isinstance(n, ast.Constant) and isinstance(n.value, str))

    def _read_quoted(self, annotation: ast.AST) -> None:
        for node in walk(annotation):
            if isinstance(node, ast.Constant) and isinstance(node.value, str) and len(node.value) < 500:
                try:
                    tree = ast.parse(node.value.strip(), mode="eval")
                except (SyntaxError, ValueError, RecursionError, MemoryError):
                    continue
                self.quoted.update(n.id for n in walk(tree) if isinstance(n, ast.Name))

    def space(self, node: ast.AST) -> Space:
        """Return the scope that a node is evaluated in."""
        return self._space_of.get(node, self.top)

    def unresolved(self) -> Iterator[tuple[ast.Name, Space]]:
        """Yield the names that are read and that neither a scope of the file nor Python itself binds."""
        if self.is_open:
            return
        for space in self.spaces:
            for name in space.reads:
                if name.id not in BUILTINS and space.home(name.id) is None and name.id not in self.top.bound:
                    yield name, space

    def reads_of(self, home: Space, name: str) -> list[ast.Name]:
        """Return where a name of a scope is read, nested scopes included."""
        return self._reads.get((id(home), name), [])

    @cached_property
    def _reads(self) -> dict[tuple[int, str], list[ast.Name]]:
        found: dict[tuple[int, str], list[ast.Name]] = {}
        for space in self.spaces:
            for name in space.reads:
                home = space.home(name.id) or self.top
                found.setdefault((id(home), name.id), []).append(name)
        return found


class Names:
    """The scopes of every file of an experiment that can be parsed."""

    def __init__(self, subject: Subject) -> None:
        self.files: tuple[FileNames, ...] = tuple(
            FileNames(module) for module in subject.code if module.error is None and not module.is_blank
        )
        self._by_path = {names.module.path: names for names in self.files}

    def of(self, module: Module) -> FileNames | None:
        """Return the scopes of a file; None where it cannot be parsed or is blank."""
        return self._by_path.get(module.path)
