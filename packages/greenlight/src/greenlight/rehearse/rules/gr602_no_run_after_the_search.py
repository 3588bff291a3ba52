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
            for facts in act.seen.facts("search"):
                seen = True
                during = int(facts.get("steps_until_its_end") or 0)
                if during and act.seen.optimizer_steps <= during:
                    said = f"{facts.get('trials')} trials took {during} optimizer steps, and none came after the search"
                    yield self.on(*rehearsal.line_of([".optimize("], ("src/train.py", "src/main.py")), said)
                    return
        if not seen:
            raise NotApplicable("no search came to its end")
