"""The values that the configuration's flow is followed with: references into trees, constants by scenario, functions.

A *scenario* is one run in one mode. Trees and constants hold one entry per scenario, so that ``if cfg.mode == "trial"``
or ``if cfg.method == "proposed"`` is decided for each of them. `None` stands for a value that nothing is known of.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from greenlight.review.module import UNKNOWN, Function, Module

HOLE = "\0"
"""Stands in a string for a part that is not known."""
MISSING: Any = object()
Path: TypeAlias = tuple[str, ...]
_WHOLE_INTERPOLATION = re.compile(r"^\$\{([A-Za-z_][\w.-]*)\}$")


@dataclass(frozen=True)
class Scenario:
    """One run in one mode."""

    run_id: str
    mode: str


class Root:
    """A configuration object: one tree per scenario.

    Attributes
    ----------
    prefix
        Where the tree's top stands in the whole configuration.
    trees
        Nested dictionaries.
    opened
        Paths below which anything may stand, because unknown code had the object.
    struct
        Whether OmegaConf refuses new keys; None where unknown.
    plain
        Whether it is a plain dictionary rather than a DictConfig.
    composed
        Whether it is the program's configuration, rather than one file alone.
    after_failure
        Whether it came out of a merge that raises, so that it never exists.
    view
        The class of the experiment of which it is an instance, validated and never changed; else None.
    """

    def __init__(
        self, trees: list[Any], *, prefix: Path = (), struct: bool | None = False, plain: bool = False, composed: bool
    ) -> None:
        self.trees = trees
        self.prefix = prefix
        self.opened: list[set[Path]] = [set() for _ in trees]
        self.written: list[set[Path]] = [set() for _ in trees]
        self.struct: list[bool | None] = [struct for _ in trees]
        self.plain = plain
        self.composed = composed
        self.after_failure = False
        self.view: Cls | None = None

    def at(self, scenario: int, path: Path) -> Any:
        """Return the value at a path, MISSING where its parent is a mapping without the key, UNKNOWN otherwise."""
        if path in self.written[scenario]:
            return self._walk(scenario, path)
        opened = self.opened[scenario]
        if opened and any(path[:length] in opened for length in range(len(path) + 1)):
            return UNKNOWN
        return self._walk(scenario, path)

    def _walk(self, scenario: int, path: Path) -> Any:
        node = self.trees[scenario]
        for key in path:
            if not isinstance(node, dict):
                return UNKNOWN
            if key not in node:
                return MISSING
            node = node[key]
        return self._resolved(scenario, node)

    def _resolved(self, scenario: int, value: Any, depth: int = 5) -> Any:
        if not isinstance(value, str) or "${" not in value:
            return value
        match = _WHOLE_INTERPOLATION.match(value)
        if match is None or self.prefix or not depth or self.plain:
            return UNKNOWN
        node = self.trees[scenario]
        for key in match[1].split("."):
            if not isinstance(node, dict) or key not in node:
                return UNKNOWN
            node = node[key]
        return self._resolved(scenario, node, depth - 1)

    def open(self, scenario: int, path: Path) -> None:
        """Note that anything may stand below a path from now on."""
        self.opened[scenario].add(path)
        self.written[scenario] = {p for p in self.written[scenario] if p[: len(path)] != path}

    def write(self, scenario: int, path: Path, value: Any) -> None:
        """Set a value; what stands in the way becomes a mapping."""
        node = self.trees[scenario]
        if not isinstance(node, dict) or not path:
            return
        for key in path[:-1]:
            inner = node.get(key)
            if not isinstance(inner, dict):
                inner = node[key] = {}
            node = inner
        node[path[-1]] = value
        self.written[scenario].add(path)

    def copy(self, path: Path, *, plain: bool, struct: bool | None = None, keep_struct: bool = False) -> Root:
        """Return an independent copy of what stands below a path."""
        trees = []
        for scenario in range(len(self.trees)):
            value = self.at(scenario, path)
            trees.append(copied(value) if isinstance(value, dict) else {})
        new = Root(trees, prefix=self.prefix + path, struct=struct, plain=plain, composed=self.composed)
        new.after_failure = self.after_failure
        new.view = None if path or plain else self.view
        for scenario in range(len(self.trees)):
            if not isinstance(self.at(scenario, path), dict):
                new.opened[scenario].add(())
            new.opened[scenario] |= {p[len(path) :] for p in self.opened[scenario] if p[: len(path)] == path}
            new.written[scenario] = {p[len(path) :] for p in self.written[scenario] if p[: len(path)] == path}
            if keep_struct:
                new.struct[scenario] = self.struct[scenario]
        return new


def joined_root(chosen: list[list[Ref]]) -> Root:
    """Return one root for places that stand for each other: the list has the possible ones of each scenario.

    Where there is one, what is written to the new root is written to it as well.
    """
    first = chosen[0][0]
    roots = [ref.root for several in chosen for ref in several]
    joined = Root(
        [{} for _ in chosen], prefix=first.full, plain=first.root.plain, composed=any(r.composed for r in roots)
    )
    for s, several in enumerate(chosen):
        opened: set[Path] = set()
        tree: Any = None
        for ref in several:
            root, length = ref.root, len(ref.path)
            mine = root.at(s, ref.path)
            if len(several) == 1 and not length:
                joined.opened[s], joined.written[s] = root.opened[s], root.written[s]
            else:
                opened |= {p[length:] for p in root.opened[s] if p[:length] == ref.path}
            tree = mine if tree is None else _blended(tree, mine, (), opened)
        joined.trees[s] = tree
        joined.opened[s] |= opened
        joined.struct[s] = several[0].root.struct[s] if len({r.root.struct[s] for r in several}) == 1 else None
    views = {id(ref.root.view): ref.root.view for several in chosen for ref in several}
    if any(view is not None for view in views.values()):
        joined.view = next(iter(views.values())) if len(views) == 1 and not first.path else None
        for s in range(len(chosen)) if joined.view is None else ():
            joined.open(s, ())
    joined.after_failure = any(root.after_failure for root in roots)
    return joined


def _blended(first: dict[str, Any], second: dict[str, Any], path: Path, opened: set[Path]) -> dict[str, Any]:
    """Return a tree of what two trees agree on, and open the rest."""
    blended: dict[str, Any] = {}
    for key in first.keys() | second.keys():
        one, other, place = first.get(key, MISSING), second.get(key, MISSING), (*path, key)
        if isinstance(one, dict) and isinstance(other, dict):
            blended[key] = _blended(one, other, place, opened)
        elif one is not MISSING and other is not MISSING and equal(one, other):
            blended[key] = copied(one)
        else:
            blended[key] = UNKNOWN
            opened.add(place)
    return blended


@dataclass(frozen=True)
class Ref:
    """A place in a configuration object."""

    root: Root
    path: Path

    @property
    def full(self) -> Path:
        """The path in the whole configuration."""
        return self.root.prefix + self.path


@dataclass(frozen=True)
class Const:
    """A Python constant for each scenario, UNKNOWN where it is not known."""

    values: tuple[Any, ...]


class Env:
    """The names of a function or module and what they stand for."""

    def __init__(self, module: Module, parent: Env | None = None) -> None:
        self.module = module
        self.parent = parent
        self.names: dict[str, Value] = {}

    def find(self, name: str) -> tuple[bool, Value]:
        """Return whether a name is bound here or around, and its value."""
        env: Env | None = self
        while env is not None:
            if name in env.names:
                return True, env.names[name]
            env = env.parent
        return False, None


@dataclass(frozen=True, eq=False)
class Fn:
    """A function of the experiment with its surroundings and the arguments that are bound already."""

    node: Function | ast.Lambda
    env: Env
    args: tuple[Value, ...] = ()
    kwargs: tuple[tuple[str, Value], ...] = ()


@dataclass(frozen=True, eq=False)
class Cls:
    """A class of the experiment."""

    node: ast.ClassDef
    env: Env


@dataclass(eq=False)
class Obj:
    """An object of a class of the experiment."""

    cls: Cls
    attributes: dict[str, Value] = field(default_factory=dict)


@dataclass(frozen=True, eq=False)
class Seq:
    """A list, tuple or dictionary display that holds something worth following."""

    items: tuple[Value, ...]
    keys: tuple[Any, ...] | None = None


Value: TypeAlias = Ref | Const | Fn | Cls | Obj | Seq | None


def copied(value: Any) -> Any:
    """Return an independent copy of a tree; UNKNOWN stays itself, which copy.deepcopy would not see to."""
    if isinstance(value, dict):
        return {key: copied(inner) for key, inner in value.items()}
    return [copied(inner) for inner in value] if isinstance(value, list) else value


def same(first: Value, second: Value) -> bool:
    """Return whether two values are the same place, object or constants."""
    if isinstance(first, Ref) and isinstance(second, Ref):
        return first.root is second.root and first.path == second.path
    if isinstance(first, Const) and isinstance(second, Const):
        return all(equal(a, b) for a, b in zip(first.values, second.values, strict=True))
    return first is second


def equal(first: Any, second: Any) -> bool:
    """Return whether two constants are known and equal, type included."""
    if first is UNKNOWN or second is UNKNOWN:
        return first is second
    return type(first) is type(second) and bool(first == second)


def known_text(value: Any) -> bool:
    """Return whether a constant is known through and through."""
    return value is not UNKNOWN and not (isinstance(value, str) and HOLE in value)


def truth(value: Any) -> bool | None:
    """Return the truth of a constant; None where it is not known."""
    return bool(value) if known_text(value) else None


def leaves(value: Any, path: Path = ()) -> Iterator[tuple[Path, Any]]:
    """Yield the values of a tree that are no non-empty mapping, with their paths."""
    if isinstance(value, dict) and value:
        for key, inner in value.items():
            yield from leaves(inner, (*path, key))
    else:
        yield path, value


def dotted_key(path: Iterable[str]) -> str:
    """Return a path as it is written in code and on the command line."""
    return ".".join(path)


def merged(first: Seq, second: Seq) -> Seq | None:
    """Return ``first | second`` of two dictionary displays."""
    if first.keys is None or second.keys is None:
        return None
    items = dict(zip(first.keys, first.items, strict=True)) | dict(zip(second.keys, second.items, strict=True))
    return Seq(tuple(items.values()), tuple(items))
