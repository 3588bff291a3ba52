"""What the interpreter of rows and batches knows values to be: data sets, rows, loaders, and the keys they have."""

from __future__ import annotations

import ast
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from typing import Any, TypeAlias

from greenlight.review.module import UNKNOWN, Function, Module


@dataclass(frozen=True)
class Columns:
    """Keys that are there for sure, keys that may be there, and whether any other may be there too."""

    sure: frozenset[str] = frozenset()
    perhaps: frozenset[str] = frozenset()
    open: bool = True

    def lacks(self, key: str) -> bool:
        """Return whether a key is certainly not there."""
        return not self.open and key not in self.sure and key not in self.perhaps

    def plus(self, *keys: str) -> Columns:
        """Return these and more keys."""
        return replace(self, sure=self.sure | set(keys), perhaps=self.perhaps - set(keys))

    def minus(self, keys: Iterable[str]) -> Columns:
        """Return these without some keys."""
        gone = set(keys)
        return replace(self, sure=self.sure - gone, perhaps=self.perhaps - gone)

    def listed(self) -> str:
        """Return the keys for a message."""
        return ", ".join(sorted(self.sure)) or "none"


OPEN = Columns()


@dataclass(frozen=True)
class Data:
    """A data set: its columns, whether it streams, and whether nothing but loading has touched its columns."""

    columns: Columns = OPEN
    streaming: bool | None = None
    by_split: bool = False
    raw: str | None = None  # the name of the public data set as long as its columns are its own
    texts: frozenset[str] = frozenset()  # columns that hold text for sure


@dataclass(frozen=True)
class Loader:
    """A ``DataLoader``: the call, what it loads, and what its batches have."""

    module: Module
    call: ast.Call
    data: Data | None
    columns: Columns
    collate: Function | None = None


@dataclass(frozen=True)
class Row:
    """One example, batch or dictionary: the loader of a batch, whether it is of a data set, and what made it."""

    columns: Columns
    raw: str | None = None
    loader: Loader | None = None
    of_data: bool = False
    made: ast.AST | None = field(default=None, compare=False)


@dataclass(frozen=True)
class Tokenizer:
    """A tokenizer."""


@dataclass(frozen=True)
class Several:
    """A tuple of values."""

    items: tuple[Any, ...]


@dataclass(frozen=True)
class Listing:
    """A list or an iterator all of whose elements are alike."""

    element: Any


@dataclass(frozen=True)
class Own:
    """An object of a class of the experiment."""

    module: Module
    owner: ast.ClassDef


@dataclass(frozen=True)
class Column:
    """``ds.column_names`` of a data set."""

    data: Data


@dataclass(frozen=True)
class Read:
    """A key that is read from a row or batch.

    Attributes
    ----------
    module, node
        Where.
    key
        The key.
    row
        What it is read from.
    """

    module: Module
    node: ast.AST
    key: str
    row: Row


Value: TypeAlias = Any
Environment: TypeAlias = dict[str, Value]


@dataclass
class Frame:
    """One call of a function that is being interpreted."""

    module: Module
    function: Function | None
    env: Environment
    returned: list[Value] = field(default_factory=list)
    yielded: list[Value] = field(default_factory=list)


def join(one: Value, other: Value) -> Value:
    """Return what is known of a value that is one of two; an empty list takes the other's elements."""
    if one == other:
        return one
    for empty, filled in ((one, other), (other, one)):
        if empty == Several(()) and isinstance(filled, Listing):
            return filled
    return UNKNOWN


def element(items: Value) -> Value:
    """Return what a loop over a value gets."""
    if isinstance(items, Loader):
        return Row(items.columns, loader=items, of_data=True)
    if isinstance(items, Data) and not items.by_split:
        return Row(items.columns, items.raw, of_data=True)
    if isinstance(items, Listing):
        return items.element
    return UNKNOWN
