"""GR404: two runs of different methods have the same curve."""

from __future__ import annotations

from collections.abc import Iterator

from greenlight.rehearse.rehearsal import Rehearsal
from greenlight.rehearse.rule import NotApplicable, ObservationRule
from greenlight.review.criteria import Criterion
from greenlight.review.finding import Finding, Severity

_LEAST = 6  # rows; fewer can agree by chance


class MethodsTrainTheSame(ObservationRule):
    """Looks at the losses of full runs in the tracker."""

    id = "GR404"
    name = "methods-train-the-same"
    criterion = Criterion.MODEL
    severity = Severity.MAJOR
    sentences = ()
    summary = "Two runs whose files differ log the same losses to the last digit: what they differ in has no effect."
    why = (
        "Two methods that are compared have to differ in something that training depends on. Where every logged "
        "loss agrees in all digits, the key that tells them apart is not read."
    )
    remedy = "Follow the key that differs between the two run files to where it should change the training."
    observed = "histories of full runs in the tracker, row by row"

    def check(self, rehearsal: Rehearsal) -> Iterator[Finding]:
        """Yield one finding for each pair."""
        curves: dict[tuple[float, ...], str] = {}
        runs = [run for run in rehearsal.tracked if run.run_id in rehearsal.run_ids]
        if len(runs) < 2:
            raise NotApplicable("fewer than two runs were tracked")
        for run in runs:
            key = next((key for key in run.keys if "loss" in key.lower()), None)
            curve = tuple(run.series(key)) if key else ()
            if len(curve) < _LEAST or len(set(curve)) < _LEAST // 2:
                continue
            other = curves.setdefault(curve, run.run_id)
            if other != run.run_id:
                path = rehearsal.submission.run_files.get(run.run_id, "src/train.py")
                said = f"{key} of {run.run_id} and of {other} agrees in all {len(curve)} rows"
                yield self.on(path, 1, said, confidence="likely")
