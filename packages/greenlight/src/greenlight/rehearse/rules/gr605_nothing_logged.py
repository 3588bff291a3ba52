"""GR605: a full run leaves no metrics in the tracker."""

from __future__ import annotations

from collections.abc import Iterator

from greenlight.rehearse.rehearsal import Phase, Rehearsal
from greenlight.rehearse.rule import NotChecked, ObservationRule
from greenlight.review.criteria import Criterion
from greenlight.review.finding import Finding, Severity


class NothingLogged(ObservationRule):
    """Looks at histories and summaries of full runs."""

    id = "GR605"
    name = "nothing-logged"
    criterion = Criterion.TRACKING
    severity = Severity.BLOCKER
    sentences = ()
    summary = "A full run ends with status 0 and the tracker holds no row of metrics of it."
    why = (
        "What is not logged cannot be evaluated, and a curve cannot be drawn afterwards. The run was begun and "
        "finished, and its history is empty."
    )
    remedy = "Log the loss and the metrics of every step with `wandb.log`, and do not switch W&B off in full mode."
    observed = "rows of the tracker's runs after all full runs"

    def check(self, rehearsal: Rehearsal) -> Iterator[Finding]:
        """Yield one finding for each run."""
        done = rehearsal.through(Phase.FULL)
        if not done:
            raise NotChecked("no full run came to its end")
        for act in done:
            run = rehearsal.run_of(act.run_ids[0])
            if run is not None and not run.keys:
                kept = (
                    f"its summary holds {', '.join(list(run.summary)[:5])}"
                    if run.summary
                    else "its summary is empty too"
                )
                yield self.on(
                    "src/train.py",
                    1,
                    f"run {run.run_id} has no row with a metric; {kept}",
                    severity=None if not run.summary else Severity.MAJOR,
                )
