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
    sentences = ("6.1", "6.2")
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
        silent = [
            act
            for act in done
            if rehearsal.run_of(act.run_ids[0]) is None
            and not any(not entry.get("disabled") for entry in act.seen.notes.get("wandb init", ()))
        ]
        if silent:
            others = f" and {len(silent) - 1} more" if len(silent) > 1 else ""
            said = f"the full run of {silent[0].run_ids[0]}{others} ends with status 0 and begins no run of W&B"
            yield self.on("src/train.py", 1, f"{said}; it took {silent[0].seconds:.0f} s")
        for act in done:
            run = rehearsal.run_of(act.run_ids[0])
            if run is not None and not run.keys:
                held = ", ".join(list(run.summary)[:5])
                kept = f"its summary holds {held}" if held else "its summary is empty too"
                severity = Severity.MAJOR if held else None
                yield self.on(
                    "src/train.py", 1, f"run {run.run_id} has no row with a metric; {kept}", severity=severity
                )
