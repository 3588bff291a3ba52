"""All rules, found by the files they stand in."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Iterator
from functools import cache

from greenlight.errors import GreenlightError
from greenlight.review import rules as room
from greenlight.review.rule import Rule


@cache
def all_rules() -> tuple[Rule, ...]:
    """Return one of every rule, in order of their ids."""
    found: dict[str, Rule] = {}
    for kind in _rule_classes():
        if kind.id in found and type(found[kind.id]) is not kind:
            raise AssertionError(
                f"two rules are called {kind.id}: {kind.__module__} and {type(found[kind.id]).__module__}"
            )
        found[kind.id] = kind()
    return tuple(found[key] for key in sorted(found))


def _rule_classes() -> Iterator[type[Rule]]:
    for info in pkgutil.walk_packages(room.__path__, room.__name__ + "."):
        if not info.ispkg and info.name.rpartition(".")[2].startswith("gl"):
            module = importlib.import_module(info.name)
            for value in vars(module).values():
                if isinstance(value, type) and issubclass(value, Rule) and value.__module__ == module.__name__:
                    yield value


def rule(key: str) -> Rule:
    """Return a rule by id or name.

    Raises
    ------
    GreenlightError
        If there is none; the message names the nearest.
    """
    import difflib

    by_key = {k: r for r in all_rules() for k in (r.id.lower(), r.name)}
    if key.lower() in by_key:
        return by_key[key.lower()]
    close = difflib.get_close_matches(key.lower(), by_key, n=1, cutoff=0.5)
    nearest = f"did you mean {by_key[close[0]].id} ({by_key[close[0]].name})?" if close else "see greenlight rules"
    raise GreenlightError(f"rule {key}: there is none of that id or name; {nearest}")


def matching(patterns: list[str] | tuple[str, ...]) -> frozenset[str]:
    """Return the ids that ids, names and prefixes such as ``GL2`` stand for.

    Raises
    ------
    GreenlightError
        For one that stands for nothing.
    """
    chosen: set[str] = set()
    for pattern in patterns:
        prefixed = {r.id for r in all_rules() if pattern.upper().startswith("GL") and r.id.startswith(pattern.upper())}
        chosen |= prefixed or {rule(pattern).id}
    return frozenset(chosen)
