"""Put each defect into each valid experiment and see whether the rule that names it finds it there."""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import cache
from typing import Any, Literal

from benchmarks.review.operators import OPERATORS, NotThere, Operator
from benchmarks.review.originals import folders, handed_in, original
from greenlight.review.engine import review
from greenlight.review.finding import Finding
from greenlight.review.registry import all_rules
from greenlight.review.rule import Rule

NEAR = 12  # lines between a change and the line that a rule names: a function's head and its body, a call and its end
Result = Literal["caught", "missed", "not there"]


@dataclass(frozen=True)
class Told:
    """A finding as the report of the benchmark shows it."""

    rule: str
    path: str
    line: int
    message: str


@dataclass(frozen=True)
class Outcome:
    """What became of one operator on one original.

    Attributes
    ----------
    operator, original, sentence
        Which defect in which experiment.
    expected
        The rules that name the defect.
    result
        ``caught`` if one of them found it at its place; ``not there`` if the experiment does not have what the operator
        changes, with the reason.
    by, also
        The findings that count, and the other ones that the original does not have.
    reason
        Why the operator did not apply.
    """

    operator: str
    original: str
    sentence: str
    expected: tuple[str, ...]
    result: Result
    by: tuple[Told, ...] = ()
    also: tuple[Told, ...] = ()
    reason: str | None = None

    def as_json(self) -> dict[str, Any]:
        """Return it as plain values."""
        return asdict(self)


def outcomes(
    names: Sequence[str] = (), operators: Sequence[Operator] = OPERATORS, *, only_named: bool = False
) -> Iterator[Outcome]:
    """Yield the outcome of every operator on every original, or on those named; see :func:`outcome`."""
    for operator in operators:
        for name in names or tuple(folders()):
            yield outcome(operator, name, only_named=only_named)


def outcome(operator: Operator, name: str, *, only_named: bool = False) -> Outcome:
    """Make one mutant, review it, and say whether the defect was found.

    Parameters
    ----------
    operator, name
        Which defect in which original.
    only_named
        Run only the rules that the operator names: quicker, and blind for what else is told.
    """
    before = original(name)
    blank = Outcome(operator.name, name, operator.sentence, operator.rules, "missed")
    try:
        after = operator.mutant(before)
    except NotThere as reason:
        return replace(blank, result="not there", reason=str(reason))
    old = {(finding.rule, finding.path, finding.message) for finding in findings_on_original(name)}
    chosen = [rule for rule in all_rules() if not only_named or rule.id in operator.rules]
    new = [f for f in findings(name, after, chosen) if (f.rule, f.path, f.message) not in old]
    places = changed_lines(before, after)
    by = [f for f in new if f.rule in operator.rules and is_at(f, places, operator.seen_at)]
    also = [f for f in new if f not in by]
    return replace(blank, result="caught" if by else "missed", by=_told(by), also=_told(also))


def findings(name: str, files: dict[str, str], rules: Sequence[Rule]) -> tuple[Finding, ...]:
    """Return what some rules find; comments that suppress a finding count for nothing here."""
    return review(handed_in(name, files), rules, heed_comments=False).findings


@cache
def findings_on_original(name: str) -> tuple[Finding, ...]:
    """Return what the review finds on an original; it should be nothing."""
    return findings(name, original(name), all_rules())


def changed_lines(before: Mapping[str, str], after: Mapping[str, str]) -> dict[str, list[tuple[int, int]]]:
    """Return, by path, the first and last lines of what changed, counted in the new file.

    Where lines were only taken away, the lines around the gap count. A file that is gone has no lines but its first.
    """
    places: dict[str, list[tuple[int, int]]] = {}
    for path in sorted(set(before) | set(after)):
        old, new = before.get(path), after.get(path)
        if old == new:
            continue
        if old is None or new is None:
            places[path] = [(1, 1 if new is None else len(new.splitlines()) + 1)]
            continue
        matcher = difflib.SequenceMatcher(None, old.splitlines(), new.splitlines(), autojunk=False)
        places[path] = [
            (first + 1, max(last, first + 1)) for tag, _, _, first, last in matcher.get_opcodes() if tag != "equal"
        ]
    return places


def is_at(finding: Finding, places: Mapping[str, list[tuple[int, int]]], seen_at: tuple[str, ...]) -> bool:
    """Say whether a finding is where the change was made.

    A finding about a whole file stands on its first line; one about something that is missed may stand in a file of
    ``seen_at``, on any line.
    """
    if finding.path in seen_at:
        return True
    spans = places.get(finding.path, [])
    last_line = finding.end_line or finding.line
    return any(
        finding.line == 1 or (finding.line <= last + NEAR and last_line >= first - NEAR) for first, last in spans
    )


def _told(found: Sequence[Finding]) -> tuple[Told, ...]:
    return tuple(Told(f.rule, f.path, f.line, f.message) for f in found)
