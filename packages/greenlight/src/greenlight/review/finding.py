"""What a rule says: a place, what is wrong there, and how to mend it."""

from __future__ import annotations

import enum
from dataclasses import dataclass
from typing import Literal

Confidence = Literal["proven", "likely"]


class Severity(enum.StrEnum):
    """What a defect costs its user.

    A *blocker* ends the run or the comparison, or makes the package impossible to install; a *major* one lets wrong,
    missing or meaningless results through; a *minor* one is against the contract without changing a result.
    """

    BLOCKER = "blocker"
    MAJOR = "major"
    MINOR = "minor"


@dataclass(frozen=True)
class Edit:
    """A safe change of one file: the lines ``first`` to ``last`` (from 1, both included) become ``text``.

    ``last = first - 1`` inserts before line ``first``.
    """

    path: str
    first: int
    last: int
    text: str


@dataclass(frozen=True, order=True)
class Finding:
    """One defect at one place.

    Attributes
    ----------
    path, line, column, end_line, end_column
        The place, counted from 1; ``end_column`` is the column after the last character.
    rule
        The id of the rule, such as ``GL201``.
    message
        One line with the offending value in it.
    remedy
        One line that says how to mend this very finding.
    severity, confidence
        ``likely`` where the text alone cannot prove it; rules keep silent where it is less than that.
    edits
        A change that mends it and cannot break anything that worked, where there is one.
    """

    path: str
    line: int
    column: int
    rule: str
    message: str
    remedy: str
    severity: Severity
    confidence: Confidence = "proven"
    end_line: int | None = None
    end_column: int | None = None
    edits: tuple[Edit, ...] = ()
