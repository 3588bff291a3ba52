"""GR901: a trial takes more than two optimizer steps."""

from __future__ import annotations

from collections.abc import Iterator

from greenlight.rehearse.rehearsal import Phase, Rehearsal
from greenlight.rehearse.rule import NotChecked, ObservationRule
from greenlight.review.criteria import Criterion
from greenlight.review.finding import Finding, Severity

_MOST = 2


class TrialTrainsOn(ObservationRule):
    """Looks at the optimizer steps of trials."""

    id = "GR901"
    name = "trial-trains-on"
    criterion = Criterion.MODES
    severity = Severity.MAJOR
    sentences = ("9.2",)
    summary = "Trial mode is not limited to two batches: trying the code out costs what training costs."
    why = (
        "A trial is limited to one or two batches. With a stand-in of a few rows it took more optimizer steps "
        "than that; with the real data it would take all of an epoch."
    )
    remedy = "In trial mode stop after two batches."
    observed = "optimizer steps of every trial"

    def check(self, rehearsal: Rehearsal) -> Iterator[Finding]:
        """Yield one finding for the experiment."""
        done = rehearsal.last(Phase.TRIAL)
        if not done:
            raise NotChecked("no trial was performed")
        for act in done:
            most, place = 0, ("", 0)
            for facts in act.seen.facts("optimizer"):
                if int(facts.get("steps", 0)) > most:
                    most, place = int(facts["steps"]), rehearsal.place(facts.get("at", {}))
            if most > _MOST:
                said = f"the trial of {act.run_ids[0]} took {most} optimizer steps; a trial has one or two batches"
                yield self.on(place[0] or "src/train.py", place[1], said)
                return
