"""GR602: nothing is trained with what a search found."""

from __future__ import annotations

from collections.abc import Iterator

from greenlight.rehearse.rehearsal import Phase, Rehearsal
from greenlight.rehearse.rule import NotApplicable, ObservationRule
from greenlight.review.criteria import Criterion
from greenlight.review.finding import Finding, Severity


class NoRunAfterTheSearch(ObservationRule):
    """Looks at optimizer steps after the search has ended."""

    id = "GR602"
    name = "no-run-after-the-search"
    criterion = Criterion.CONFIGURATION
    severity = Severity.MAJOR
    sentences = ("6.5",)
    summary = "The search ends and nothing is trained with its best parameters: the result is the last trial's."
    why = (
        "After `study.optimize` returned, not one optimizer step was taken. What stands in the tracker is "
        "whichever trial came last."
    )
    remedy = "Train once more with `study.best_params`, tracked, and report that run."
    observed = "optimizer steps before and after the end of `Study.optimize`"

    def check(self, rehearsal: Rehearsal) -> Iterator[Finding]:
        """Yield one finding."""
        seen = False
        for act in rehearsal.through(Phase.FULL):
            for facts in act.seen.totals.get("search", ()):
                seen = True
                during = int(facts.get("steps_until_its_end") or 0)
                everything = sum(int(entry.get("all", 0)) for entry in act.seen.totals.get("steps", ()))
                if during and everything <= during:
                    said = f"{facts.get('trials')} trials took {during} optimizer steps, and none came after the search"
                    yield self.on(*_where(rehearsal), said)
                    return
        if not seen:
            raise NotApplicable("no search came to its end")


def _where(rehearsal: Rehearsal) -> tuple[str, int]:
    """Return the line that starts the search."""
    for path in ("src/train.py", "src/main.py"):
        for number, line in enumerate(rehearsal.submission.files.get(path, b"").splitlines(), start=1):
            if b".optimize(" in line:
                return path, number
    return "src/train.py", 1
