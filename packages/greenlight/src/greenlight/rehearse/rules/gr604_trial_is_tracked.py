"""GR604: a trial is logged to W&B."""

from __future__ import annotations

from collections.abc import Iterator

from greenlight.rehearse.rehearsal import Phase, Rehearsal
from greenlight.rehearse.rule import NotChecked, ObservationRule
from greenlight.review.criteria import Criterion
from greenlight.review.finding import Finding, Severity


class TrialIsTracked(ObservationRule):
    """Looks at the tracker after all trials."""

    id = "GR604"
    name = "trial-is-tracked"
    criterion = Criterion.MODES
    severity = Severity.MAJOR
    sentences = ("6.6",)
    summary = "Trial mode logs to W&B: a run of two batches stands where the result should."
    why = (
        "After the trials, and before any full run, the tracker held runs. Under the run's own id the trial's "
        "rows come first in its history."
    )
    remedy = "In trial mode set W&B to disabled before `wandb.init`."
    observed = "the tracker's runs after all trials"

    def check(self, rehearsal: Rehearsal) -> Iterator[Finding]:
        """Yield one finding for each run."""
        if not rehearsal.last(Phase.TRIAL):
            raise NotChecked("no trial was performed")
        for run in rehearsal.tracked_after_trial:
            name = f"{run.entity}/{run.project}/{run.run_id}"
            said = f"the trials left the run {name} with {len(run.rows)} rows in the tracker"
            yield self.on("src/train.py", 1, said)
