"""Recall and precision of the review on recorded bundles whose defects are known."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from benchmarks.review.report import Part, Table
from benchmarks.review.truth import Defect, Judgement, Naming, read_defects, read_list, read_table
from greenlight.contract.submission import submission
from greenlight.rehearsing import Request, rehearsed
from greenlight.review.engine import review
from greenlight.review.finding import Finding
from greenlight.review.registry import all_rules

_CLASSES: tuple[tuple[str, Callable[[Defect], bool]], ...] = (
    ("all", lambda _: True),
    ("S: static first of all", lambda defect: defect.detect == "S"),
    ("static, alone or besides", lambda defect: defect.is_static),
    ("D: by running", lambda defect: defect.detect == "D"),
    ("J: by judgement", lambda defect: defect.detect == "J"),
    ("blocker", lambda defect: defect.severity == "blocker"),
    ("static blocker", lambda defect: defect.severity == "blocker" and defect.is_static),
    ("major", lambda defect: defect.severity == "major"),
    ("minor", lambda defect: defect.severity == "minor"),
)


@dataclass(frozen=True)
class Score:
    """What the review made of one bundle.

    Attributes
    ----------
    bundle
        Its number, from 1.
    found
        The findings that name each known defect, by the defect's id.
    unmatched
        The findings that name none, each with what a reader decided, or None.
    findings
        How many there are.
    """

    bundle: int
    found: Mapping[str, tuple[Finding, ...]]
    unmatched: tuple[tuple[Finding, Judgement | None], ...]
    findings: int

    @property
    def precision(self) -> float | None:
        """The share of findings that are true; None where there is none, or one is not judged yet."""
        if not self.findings or any(judged is None for _, judged in self.unmatched):
            return None
        false = sum(1 for _, judged in self.unmatched if judged is not None and not judged.is_true)
        return 1.0 - false / self.findings


def names(namings: Sequence[Naming], defect: Defect, finding: Finding) -> bool:
    """Say whether a finding names a defect: by a rule of the tables, at one of its places."""
    return any(
        finding.rule in naming.rules
        and any(place.holds(finding) for place in (*defect.places, *naming.also_at))
        and (not naming.says or any(word in finding.message for word in naming.says))
        for naming in namings
    )


def score(
    bundle: int,
    findings: Sequence[Finding],
    defects: Iterable[Defect],
    naming: Mapping[str, Sequence[Naming]],
    judged: Sequence[Judgement] = (),
) -> Score:
    """Return which known defects of a bundle the findings name, and which findings name none."""
    own = [defect for defect in defects if defect.bundle == bundle]
    found = {defect.id: tuple(f for f in findings if names(naming.get(defect.id, ()), defect, f)) for defect in own}
    matched = {finding for several in found.values() for finding in several}
    unmatched = tuple((f, _judgement(bundle, f, judged)) for f in findings if f not in matched)
    return Score(bundle, found, unmatched, len(findings))


def measure(prompts: Sequence[Path], truth: Path, claims: Path | None = None, *, rehearse: bool = False) -> Part:
    """Review recorded prompts, and perhaps rehearse them, and compare with what is known about them.

    Parameters
    ----------
    prompts
        The recorded prompts; the first is bundle 1 of the truth.
    truth
        The known defects, a JSON list.
    claims
        What the recorded reviewer claimed, with a verdict on each, a JSON list.
    rehearse
        Whether they are rehearsed as well, which takes minutes.

    Raises
    ------
    GreenlightError
        If one of the files cannot be read.
    """
    defects, (naming, judged) = read_defects(truth), read_table()
    scores = [
        score(number, review(submission(path), all_rules(), heed_comments=False).findings, defects, naming, judged)
        for number, path in enumerate(prompts, start=1)
    ]
    listed = read_list(claims) if claims else None
    if not rehearse:
        tables = [_recall([scores], defects), _precision(scores, listed), _missed(scores, defects), _unmatched(scores)]
        return Part("bundles", tuple(tables), _data(scores))
    both = [score(number, _checked(path), defects, naming, judged) for number, path in enumerate(prompts, start=1)]
    tables = [_recall([scores, both], defects), _precision(scores, listed)]
    tables += [_precision(both, None, "Precision of review + rehearse"), _missed(both, defects), _unmatched(both)]
    return Part("bundles", tuple(tables), _data(both))


def _checked(path: Path) -> tuple[Finding, ...]:
    """Return what `greenlight check` finds; what goes on is told on the standard error."""
    request = Request(path, reviewed=True, isolated=True)
    return rehearsed(request, lambda line: print(line, file=sys.stderr)).verdict.findings


def _data(scores: Sequence[Score]) -> dict[str, object]:
    return {
        "found": {key: [asdict(f) for f in several] for s in scores for key, several in s.found.items()},
        "unmatched": [asdict(finding) for s in scores for finding, _ in s.unmatched],
    }


def _recall(ways: Sequence[Sequence[Score]], defects: Sequence[Defect]) -> Table:
    """Return what each way finds, the review first, beside the recorded reviewer."""
    rows = []
    scores = ways[0]
    for title, belongs in _CLASSES:
        cells = [title]
        for known in [[d for d in defects if d.bundle == s.bundle] for s in scores] + [_of(scores, defects)]:
            own = [defect for defect in known if belongs(defect)]
            keys = {defect.id for defect in own}
            for way in ways:
                hits = sum(bool(found) for s in way for key, found in s.found.items() if key in keys)
                cells.append(_share(hits, len(own)))
            cells.append(_share(sum(defect.reviewer_claim is not None for defect in own), len(own)))
        rows.append(tuple(cells))
    heads = [f"bundle {s.bundle}" for s in scores] + ["together"]
    kinds = ["", ": review + rehearse"][: len(ways)]
    columns = ("defects", *(f"{head}{kind}" for head in heads for kind in (*kinds, ": recorded reviewer")))
    return Table("Recall", columns, tuple(rows))


def _precision(
    scores: Sequence[Score], claims: Sequence[Mapping[str, object]] | None, title: str = "Precision"
) -> Table:
    rows = []
    for s in scores:
        open_ones = sum(judged is None for _, judged in s.unmatched)
        false = sum(1 for _, judged in s.unmatched if judged is not None and not judged.is_true)
        own = [claim for claim in claims or () if claim["bundle"] == s.bundle]
        wrong = sum(claim["verdict"] == "FALSE" for claim in own)
        half = sum(claim["verdict"] == "HALF" for claim in own)
        rows.append((
            str(s.bundle),
            str(s.findings),
            str(s.findings - len(s.unmatched)),
            str(len(s.unmatched) - false - open_ones),
            str(false),
            str(open_ones),
            "not judged yet" if s.precision is None else f"{s.precision:.1%}",
            f"{wrong} false, {half} half true of {len(own)}" if claims is not None else "not given",
        ))  # fmt: skip
    columns = ("bundle", "findings", "name a known defect", "other, true", "false", "unmatched: judge it")
    return Table(title, (*columns, "precision", "claims of the recorded reviewer"), tuple(rows))


def _missed(scores: Sequence[Score], defects: Sequence[Defect]) -> Table:
    found = {key for s in scores for key, several in s.found.items() if several}
    rows = [
        (defect.id, defect.detect, defect.severity, defect.loc, defect.title)
        for defect in _of(scores, defects)
        if defect.id not in found
    ]
    return Table("Defects that were not found", ("defect", "class", "severity", "place", "what"), tuple(rows))


def _unmatched(scores: Sequence[Score]) -> Table:
    rows = []
    for s in scores:
        for finding, judged in s.unmatched:
            said = "judge it" if judged is None else f"{'true' if judged.is_true else 'FALSE'}: {judged.because}"
            rows.append((str(s.bundle), finding.rule, f"{finding.path}:{finding.line}", finding.message, said))
    columns = ("bundle", "rule", "place", "message", "judgement")
    return Table("Findings that name no known defect", columns, tuple(rows))


def _judgement(bundle: int, finding: Finding, judged: Sequence[Judgement]) -> Judgement | None:
    key = (bundle, finding.rule, finding.path)
    return next((entry for entry in judged if (entry.bundle, entry.rule, entry.path) == key), None)


def _of(scores: Sequence[Score], defects: Sequence[Defect]) -> list[Defect]:
    numbers = {s.bundle for s in scores}
    return [defect for defect in defects if defect.bundle in numbers]


def _share(part: int, whole: int) -> str:
    return f"{part}/{whole} ({part / whole:.0%})" if whole else "none"
