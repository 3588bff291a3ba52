"""GR603: a full run is tracked under another id than its own."""

from __future__ import annotations

from collections.abc import Iterator

from greenlight.rehearse.rehearsal import Phase, Rehearsal
from greenlight.rehearse.rule import NotChecked, ObservationRule
from greenlight.review.criteria import Criterion
from greenlight.review.finding import Finding, Severity


class RunUnderAnotherId(ObservationRule):
    """Looks at the ids in the tracker."""

    id = "GR603"
    name = "run-under-another-id"
    criterion = Criterion.TRACKING
    severity = Severity.MAJOR
    sentences = ()
    summary = "A full run is not to be found under its run id: evaluation asks for that id."
    why = (
        "The evaluation reads runs back by the ids that it is given. The tracker holds runs, and none has the id "
        "of this run file."
    )
    remedy = "Pass `id=cfg.run_id` to `wandb.init`."
    observed = "ids of the tracker's runs after all full runs"

    def check(self, rehearsal: Rehearsal) -> Iterator[Finding]:
        """Yield one finding for each run that is missing while another one is there."""
        done = rehearsal.through(Phase.FULL)
        if not done:
            raise NotChecked("no full run came to its end")
        for act in done:
            (run_id,) = act.run_ids
            if rehearsal.run_of(run_id) is not None:
                continue
            begun = act.seen.notes.get("wandb init", ())
            others = sorted({str(e.get("id")) for e in begun if not e.get("disabled")} - {run_id})
            if others:  # that nothing is logged at all is another matter
                place = rehearsal.place(begun[0].get("at", {}))
                said = f"the tracker holds no run {run_id} after its full run; it was logged as {', '.join(others[:3])}"
                yield self.on(place[0] or "src/train.py", place[1], said)
