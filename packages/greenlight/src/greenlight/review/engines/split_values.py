"""What is known of a value that may hold data: the splits it comes from, and what stands under its keys."""

from __future__ import annotations

import ast
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from greenlight.review.module import Module

UNKNOWN_SPLIT = "?"
"""Stands for data whose split the text does not tell."""


@dataclass(frozen=True)
class Value:
    """What is known of a value.

    Attributes
    ----------
    splits
        The splits that it comes from, `UNKNOWN_SPLIT` for data of which that is not known.
    fields
        The values under its constant keys, attributes or places.
    texts
        The texts that it can be; none where that is not known.
    whole
        Whether it is a data set with all its splits by name.
    is_tuple
        Whether its fields are the places of a tuple.
    owner
        The own class that it is an instance of, with the file.
    frame
        The names of the function that made it, for an instance.
    """

    splits: frozenset[str] = frozenset()
    fields: Mapping[str, Value] = field(default_factory=dict)
    texts: frozenset[str] = frozenset()
    whole: bool = False
    is_tuple: bool = False
    owner: tuple[Module, ast.ClassDef] | None = None
    frame: Frame | None = None

    @property
    def all_splits(self) -> frozenset[str]:
        """The splits of it and all that is in it."""
        inside = [value.all_splits for value in self.fields.values()]
        return frozenset().union(self.splits, *inside, [UNKNOWN_SPLIT] if self.whole else [])


@dataclass(frozen=True, eq=False)
class Frame:
    """The names of one call of a function: what its parameters are given."""

    scope: ast.AST
    given: Mapping[str, Value]
    outer: Frame | None = None
    depth: int = 0


NOTHING = Value()
UNKNOWN_DATA = Value(frozenset({UNKNOWN_SPLIT}))


def joined(values: Iterable[Value]) -> Value:
    """Return what a value is that can be any of some."""
    found = [value for value in values if value is not NOTHING]
    if not found:
        return NOTHING
    if len(found) == 1:
        return found[0]
    names = dict.fromkeys(name for value in found for name in value.fields)
    owners = {value.owner for value in found}
    return Value(
        frozenset().union(*(value.splits for value in found)),
        {name: joined(value.fields[name] for value in found if name in value.fields) for name in names},
        frozenset().union(*(value.texts for value in found)) if all(value.texts for value in found) else frozenset(),
        any(value.whole for value in found),
        all(value.is_tuple for value in found),
        found[0].owner if len(owners) == 1 else None,
        found[0].frame if len(owners) == 1 else None,
    )


def mixed(values: Iterable[Value]) -> Value:
    """Return what a value is that is computed from all of some."""
    return Value(frozenset().union(*(value.all_splits for value in values)))


def item_of(value: Value) -> Value:
    """Return what a list of a value is known to hold: the places of a tuple are not those of the list."""
    return Value(value.all_splits) if value.is_tuple else value
