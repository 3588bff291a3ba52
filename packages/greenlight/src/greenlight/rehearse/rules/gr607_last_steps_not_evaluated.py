"""GR607: the final value was measured before the last steps."""

from __future__ import annotations

import re
from collections.abc import Iterator

from greenlight.rehearse.rehearsal import Phase, Rehearsal
from greenlight.rehearse.rule import NotChecked, ObservationRule
from greenlight.review.criteria import Criterion
from greenlight.review.finding import Finding, Severity

_FINAL = re.compile(r"final|at_budget|test_|at_\d+_?min")


class LastStepsNotEvaluated(ObservationRule):
    """Looks at the steps that were taken after the last evaluation."""

    id = "GR607"
    name = "last-steps-not-evaluated"
    criterion = Criterion.EVALUATION
    severity = Severity.MAJOR
    sentences = ()
    summary = "The final score is that of an earlier step: what the rest of the budget bought is not measured."
    why = (
        "After the last time that the model was called in evaluation mode, more optimizer steps were taken. The "
        "value that the summary calls final is the last periodic one."
    )
    remedy = "Evaluate once when training ends, whatever ended it, within the budget."
    observed = "optimizer steps taken after the last call of a model in evaluation mode"

    def check(self, rehearsal: Rehearsal) -> Iterator[Finding]:
        """Yield one finding for the experiment."""
        done = rehearsal.through(Phase.FULL)
        if not done:
            raise NotChecked("no full run came to its end")
        for act in done:
            run = rehearsal.run_of(act.run_ids[0])
            everything = act.seen.optimizer_steps
            last = [
                int(facts["steps_at_last_evaluation"])
                for facts in act.seen.facts("forward")
                if "steps_at_last_evaluation" in facts
            ]
            if run is None or not last or everything <= max(last):
                continue
            final = [key for key in run.summary if _FINAL.search(key.lower())]
            if final:
                place = rehearsal.line_of([f'"{final[0]}"', f"'{final[0]}'"], ("src/train.py",))
                said = f"{everything - max(last)} of {everything} optimizer steps were taken after the last evaluation"
                yield self.on(*place, f"{said}, and the summary reports {final[0]}", confidence="likely")
                return
