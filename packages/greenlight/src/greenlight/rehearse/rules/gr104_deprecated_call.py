"""GR104: a library says that something the experiment uses will be removed."""

from __future__ import annotations

import re
from collections.abc import Iterator

from greenlight.rehearse.rehearsal import Rehearsal
from greenlight.rehearse.rule import ObservationRule
from greenlight.review.criteria import Criterion
from greenlight.review.finding import Finding, Severity

_NAMED = re.compile(r"[`'\"](\w+)[`'\"] (?:is|was|has been) deprecated")
_KINDS = frozenset({"DeprecationWarning", "PendingDeprecationWarning", "FutureWarning"})


class DeprecatedCall(ObservationRule):
    """Looks at warnings that were shown for the experiment's own lines."""

    id = "GR104"
    name = "deprecated-call"
    criterion = Criterion.COMPLETE
    severity = Severity.MINOR
    sentences = ()
    summary = "A library warns that a call of the experiment is deprecated: the next release may end the run."
    why = (
        "The warning was shown while the documented commands ran, and names a line of the experiment. "
        "Requirements without an upper bound will meet the release that removes it."
    )
    remedy = "Use what the warning names in its place."
    observed = "warnings that Python shows, by the line that they are about, and what libraries log about an argument"

    def check(self, rehearsal: Rehearsal) -> Iterator[Finding]:
        """Yield a finding for each line that a deprecation was shown for."""
        told: set[tuple[str, int]] = set()
        for act in rehearsal.acts:
            for entry in act.seen.notes.get("warning", ()):
                place = rehearsal.place(entry)
                if entry.get("category") not in _KINDS or not place[0] or place in told:
                    continue
                told.add(place)
                yield self.on(*place, f"{entry['category']}: {_cut(str(entry.get('message', '')))}")
            for line in act.deprecations:
                passed = _argument(rehearsal, line)
                if passed is not None and passed not in told:
                    told.add(passed)
                    yield self.on(*passed, f"the library logs: {_cut(line)}", confidence="likely")


def _argument(rehearsal: Rehearsal, line: str) -> tuple[str, int] | None:
    """Return the only line of the experiment that passes the argument which a message calls deprecated."""
    for name in _NAMED.findall(line):
        passes = re.compile(rf"[(,\s]{re.escape(name)}\s*=[^=]")
        places = [
            (path, number)
            for path, content in rehearsal.submission.files.items()
            if path.endswith(".py")
            for number, text in enumerate(content.decode("utf-8", errors="replace").splitlines(), start=1)
            if passes.search(text) and "def " not in text
        ]
        if len(places) == 1:
            return places[0]
    return None


def _cut(said: str) -> str:
    text = " ".join(said.split())
    return text if len(text) <= 240 else text[:237] + "..."
