"""What is found while a program is followed with the configuration in hand; see `config_flow`."""

from __future__ import annotations

import ast
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from greenlight.review.engines.config_values import Path, Root, Value
from greenlight.review.module import Module

MOST_STEPS = 60_000
MOST_KEYS = 40


@dataclass
class Access:
    """An expression that reads a configuration, and in which scenarios the key was not there.

    Attributes
    ----------
    path
        The whole path of the key.
    absent, absent_guarded, present
        Scenarios in which it was not there, not there under a condition that is not known, and there.
    above
        What stands beside the key: the names in its parent.
    mandatory
        Whether it is there but ``???``.
    plain
        Whether an attribute is read from a plain dictionary, which has none.
    """

    module: Module
    node: ast.AST
    path: Path
    root: Root
    absent: set[int] = field(default_factory=set)
    absent_guarded: set[int] = field(default_factory=set)
    present: set[int] = field(default_factory=set)
    above: set[str] = field(default_factory=set)
    mandatory: bool = False
    plain: bool = False


@dataclass
class Write:
    """A value that is set in a configuration; ``refused`` are the scenarios in which struct mode raises.

    ``computed_key`` tells that the key does not stand in the code as it is.
    """

    module: Module
    node: ast.AST
    path: Path
    root: Root
    scenarios: set[int] = field(default_factory=set)
    added: set[int] = field(default_factory=set)
    refused: set[int] = field(default_factory=set)
    guarded: bool = False
    computed_key: bool = False
    order: int = 0
    values: dict[int, Any] = field(default_factory=dict)


@dataclass
class Merge:
    """A merge into a configuration in struct mode whose right side has keys that the left side lacks."""

    module: Module
    node: ast.AST
    keys: dict[int, list[str]] = field(default_factory=dict)
    guarded: bool = False


@dataclass
class Load:
    """An ``OmegaConf.load`` or ``open`` of a path below config; ``paths`` by scenario, with HOLE for unknown parts."""

    module: Module
    node: ast.AST
    paths: dict[int, str] = field(default_factory=dict)
    guarded: bool = False
    is_open: bool = False


@dataclass
class Call:
    """A call of a library, with its constant arguments and the environment by scenario."""

    module: Module
    node: ast.Call
    name: str
    scenarios: frozenset[int]
    guarded: bool
    arguments: dict[str, tuple[Any, ...]]
    environment: Mapping[str, tuple[Any, ...]]
    open_arguments: bool


@dataclass
class Frame:
    """A function that is being followed: how sure its call is, and what it returned, in which scenarios."""

    guard: int
    loop: int
    returned: list[tuple[Value, frozenset[int]]] = field(default_factory=list)


@dataclass
class Null:
    """A value of the configuration that is null where it is computed with."""

    module: Module
    node: ast.AST
    path: Path
    scenarios: set[int] = field(default_factory=set)


@dataclass
class Raised:
    """A ``raise`` that is reached for certain entries of a mapping that is gone through, by scenario."""

    module: Module
    node: ast.AST
    entries: set[tuple[int, Path]] = field(default_factory=set)


@dataclass
class Lookup:
    """A key that a dictionary of the code is asked for and does not have."""

    module: Module
    node: ast.AST
    key: str
    scenarios: set[int] = field(default_factory=set)


@dataclass(frozen=True)
class Defaulted:
    """A key that no run has and that is read with a default."""

    module: Module
    node: ast.AST
    path: Path
    default: Any
