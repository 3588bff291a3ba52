"""GR601: trials of a search are logged to W&B."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from greenlight.rehearse.rehearsal import Phase, Rehearsal
from greenlight.rehearse.rule import NotApplicable, ObservationRule
from greenlight.review.criteria import Criterion
from greenlight.review.finding import Finding, Severity


class SearchIsTracked(ObservationRule):
    """Looks at the runs that are begun while a search goes on."""

    id = "GR601"
    name = "search-is-tracked"
    criterion = Criterion.TRACKING
    severity = Severity.MAJOR
    sentences = ("6.5",)
    summary = "Trials of the search are logged: the run that is read back mixes them with the final one."
    why = (
        "`wandb.init` was called while the search went on. Under one id all trials write into one run, and its "
        "history and summary are those of several trainings; under ids of their own they stand among the results."
    )
    remedy = "Train trials without W&B, and begin the run after the search."
    observed = "calls of `wandb.init` while a search goes on"

    def check(self, rehearsal: Rehearsal) -> Iterator[Finding]:
        """Yield one finding for each place that begins such runs."""
        told: set[tuple[str, int]] = set()
        searched = any(act.seen.facts("search") for act in rehearsal.acts)
        if not searched:
            raise NotApplicable("no search was made")
        for act in rehearsal.last(Phase.FULL):
            begun = [e for e in act.seen.notes.get("wandb init", ()) if e.get("searching") and _is_on(e)]
            if begun:
                place = rehearsal.place(begun[0].get("at", {}))
                if place not in told:
                    told.add(place)
                    ids = len({str(e.get("id")) for e in begun})
                    under = "one id" if ids == 1 else f"{ids} ids"
                    said = f"trials of the search called wandb.init {len(begun)} times, under {under}"
                    yield self.on(place[0] or "src/train.py", place[1], said)


def _is_on(entry: Mapping[str, Any]) -> bool:
    return not entry.get("disabled") and entry.get("mode") != "disabled"
