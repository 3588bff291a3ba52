"""GR402: a loss is NaN or infinite."""

from __future__ import annotations

import math
from collections.abc import Iterator

from greenlight.rehearse.rehearsal import Phase, Rehearsal
from greenlight.rehearse.rule import NotChecked, ObservationRule
from greenlight.review.criteria import Criterion
from greenlight.review.finding import Finding, Severity


class LossNotFinite(ObservationRule):
    """Looks at the numbers that the tracker holds."""

    id = "GR402"
    name = "loss-not-finite"
    criterion = Criterion.MODEL
    severity = Severity.MAJOR
    sentences = ()
    summary = "A logged loss is NaN or infinite."
    why = (
        "On the tiny stand-in, with the run's own learning rate and precision, the loss left the numbers. What is "
        "trained after that is not trained."
    )
    remedy = "Find the first step with such a value and what it is computed from; skip a batch without a counted token."
    observed = "histories of full runs in the tracker"

    def check(self, rehearsal: Rehearsal) -> Iterator[Finding]:
        """Yield one finding for each run and key."""
        if not rehearsal.through(Phase.FULL):
            raise NotChecked("no full run came to its end")
        for run in rehearsal.tracked:
            for key in run.keys:
                values = run.series(key)
                bad = [value for value in values if not math.isfinite(value)]
                if bad and "loss" in key.lower():
                    at = (
                        values.index(bad[0])
                        if not math.isnan(bad[0])
                        else next(i for i, v in enumerate(values) if math.isnan(v))
                    )
                    where = f"{len(bad)} of {len(values)} rows, first in row {at + 1}"
                    said = f"run {run.run_id}: {key} is {bad[0]} in {where}"
                    yield self.on("src/train.py", 1, said, confidence="likely")
