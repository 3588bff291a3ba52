"""GR606: a score of zero is reported though nothing was evaluated."""

from __future__ import annotations

import re
from collections.abc import Iterator

from greenlight.rehearse.rehearsal import Phase, Rehearsal
from greenlight.rehearse.rule import NotChecked, ObservationRule
from greenlight.review.criteria import Criterion
from greenlight.review.finding import Finding, Severity

_SCORE = re.compile(
    r"(?:^|[_/.-])(?:em|exact|exact_match|acc|accuracy|f1|bleu|rouge\w*|score|auc|auroc|map|recall|precision)(?:$|[_/.-])"
)


class ScoreOfNothing(ObservationRule):
    """Looks at summaries, and at whether the model was ever called in evaluation mode."""

    id = "GR606"
    name = "score-of-nothing"
    criterion = Criterion.EVALUATION
    severity = Severity.MAJOR
    sentences = ()
    summary = "The summary reports a score of 0 while the model was never evaluated: a missing value became a result."
    why = (
        "During the whole full run no model was called in evaluation mode and nothing was generated, and yet the "
        "summary names a score and gives it the value 0. A comparison will take it for a measurement."
    )
    remedy = "Evaluate once when training ends, whatever ended it, and report a missing value as missing."
    observed = "calls of models by mode, calls of `generate`, and the summary in the tracker"

    def check(self, rehearsal: Rehearsal) -> Iterator[Finding]:
        """Yield one finding for each key of a summary."""
        done = rehearsal.through(Phase.FULL)
        if not done:
            raise NotChecked("no full run came to its end")
        told: set[str] = set()
        for act in done:
            run = rehearsal.run_of(act.run_ids[0])
            forwards = act.seen.facts("forward")
            if run is None or not forwards or act.seen.facts("generate"):
                continue
            if any(int(facts["calls"]) > int(facts["training"]) for facts in forwards):
                continue
            for key, value in run.summary.items():
                if _SCORE.search(key.lower()) and value == 0 and not isinstance(value, bool) and key not in told:
                    told.add(key)
                    place = rehearsal.line_of([f'"{key}"', f"'{key}'"], ("src/train.py",))
                    yield self.on(*place, f"summary of {run.run_id}: {key} is {value}, and nothing was evaluated")
