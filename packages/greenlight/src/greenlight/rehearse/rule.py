"""What a rule about a rehearsal is: one file that judges what was observed; the rules of the review judge the text."""

from __future__ import annotations

import importlib
import pkgutil
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator
from functools import cache
from typing import ClassVar

from greenlight.rehearse import rules as room
from greenlight.rehearse.rehearsal import Rehearsal
from greenlight.review.criteria import Criterion
from greenlight.review.engine import Outcome, outcome_of
from greenlight.review.finding import Confidence, Finding, Severity
from greenlight.review.rule import NotApplicable
from greenlight.review.subject import NotChecked

__all__ = ["NotApplicable", "NotChecked", "ObservationRule", "all_rules", "outcomes"]


class ObservationRule(ABC):
    """A rule about what was observed; a subclass in a file of its own below ``rules`` is found by itself.

    The file's name is ``gr101_command_crashed.py`` for the rule ``GR101``, ``command-crashed``; the first digit is the
    criterion.

    Attributes
    ----------
    id, name, criterion, severity, sentences, summary, why, remedy
        As for :class:`greenlight.review.rule.Rule`.
    observed
        What is looked at and how it was seen, in one sentence.
    """

    id: ClassVar[str]
    name: ClassVar[str]
    criterion: ClassVar[Criterion]
    severity: ClassVar[Severity]
    sentences: ClassVar[tuple[str, ...]] = ()
    summary: ClassVar[str]
    why: ClassVar[str]
    remedy: ClassVar[str]
    observed: ClassVar[str]

    @abstractmethod
    def check(self, rehearsal: Rehearsal) -> Iterator[Finding]:
        """Yield what is wrong.

        Raises
        ------
        NotChecked
            Where what the rule needs was not observed, for instance because no full run came to its end.
        NotApplicable
            Where there is nothing for the rule to look at.
        """

    def on(
        self,
        path: str,
        line: int,
        message: str,
        remedy: str | None = None,
        *,
        severity: Severity | None = None,
        confidence: Confidence = "proven",
    ) -> Finding:
        """Return a finding on a line of a file, line 1 where a whole file is meant."""
        return Finding(
            path,
            max(1, line),
            1,
            self.id,
            " ".join(message.split()),
            " ".join((remedy or self.remedy).split()),
            severity or self.severity,
            confidence,
        )


@cache
def all_rules() -> tuple[ObservationRule, ...]:
    """Return one of every rule, in order of their ids."""
    found: dict[str, ObservationRule] = {}
    for info in pkgutil.iter_modules(room.__path__, room.__name__ + "."):
        if not info.name.rpartition(".")[2].startswith("gr"):
            continue
        module = importlib.import_module(info.name)
        for value in vars(module).values():
            if isinstance(value, type) and issubclass(value, ObservationRule) and value.__module__ == module.__name__:
                if value.id in found:
                    raise AssertionError(f"two rules are called {value.id}")
                found[value.id] = value()
    return tuple(found[key] for key in sorted(found))


def outcomes(rehearsal: Rehearsal, rules: Iterable[ObservationRule]) -> list[Outcome]:
    """Return what rules say about a rehearsal; whatever one raises is an outcome."""
    return [_outcome(rule, rehearsal) for rule in rules]


def _outcome(rule: ObservationRule, rehearsal: Rehearsal) -> Outcome:
    return outcome_of(rule, lambda: rule.check(rehearsal))
