"""Kinds of dictionaries with constant keys, of tuples, and of objects with fields: each field has a kind of its own."""

from __future__ import annotations

from collections.abc import Mapping

EMPTY = "empty"
"""The kind of None and of an empty container: what stands in where there is nothing, of whatever kind."""
_PREFIX = "record#"


class Records:
    """A table of records; a record's kind is its number, so that kinds are plain text and can be compared.

    Examples
    --------
    >>> records = Records()
    >>> kind = records.kind({"history": "history", "seconds": None})
    >>> records.fields(kind)["history"]
    'history'
    """

    def __init__(self) -> None:
        self._fields: list[Mapping[str, str | None]] = []
        self._numbers: dict[tuple[tuple[str, str | None], ...], int] = {}

    def kind(self, fields: Mapping[str, str | None]) -> str | None:
        """Return the kind of a record with some fields; None where no field's kind is known."""
        if set(fields.values()) == {EMPTY}:
            return EMPTY
        if not any(kind is not None and kind != EMPTY for kind in fields.values()):
            return None
        key = tuple(sorted(fields.items()))
        if key not in self._numbers:
            if len(self._fields) > 500:
                return None  # grown by a loop of definitions
            self._numbers[key] = len(self._fields)
            self._fields.append(dict(fields))
        return f"{_PREFIX}{self._numbers[key]}"

    def fields(self, kind: str | None) -> dict[str, str | None] | None:
        """Return the fields of a kind; None where it is no record's."""
        if kind is None or not kind.startswith(_PREFIX):
            return None
        return dict(self._fields[int(kind.removeprefix(_PREFIX))])

    def merged(self, kinds: set[str | None]) -> str | None:
        """Return what a value is that is one of several kinds; None where they do not agree."""
        some = kinds - {EMPTY}
        if len(some) == 1:
            return some.pop()
        if not some:
            return EMPTY if kinds else None
        if some == {"history", "history-cut"}:
            return "history-cut"
        several = [self.fields(kind) for kind in some]
        known = [fields for fields in several if fields is not None]
        if len(known) < len(several):
            return None
        names = {name for fields in known for name in fields}
        return self.kind({name: self.merged({f[name] for f in known if name in f}) for name in names})
