"""GR805: a comparison of one run names a rival and a gap."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from greenlight.rehearse.rehearsal import Rehearsal
from greenlight.rehearse.rule import NotChecked, ObservationRule
from greenlight.review.criteria import Criterion
from greenlight.review.finding import Finding, Severity


class GapWithoutARival(ObservationRule):
    """Looks at what evaluate makes of a single run."""

    id = "GR805"
    name = "gap-without-a-rival"
    criterion = Criterion.EVALUATION
    severity = Severity.MAJOR
    sentences = ()
    summary = "Without a baseline the comparison reports one all the same, with a value and a gap that nobody measured."
    why = (
        "evaluate was performed with a single run id. There is nothing to compare it with, and yet the aggregated "
        "metrics give the rival a value or the gap a number."
    )
    remedy = "Where there is no rival, write null for it and for the gap."
    observed = "comparison/aggregated_metrics.json of an evaluation of one run"

    def check(self, rehearsal: Rehearsal) -> Iterator[Finding]:
        """Yield one finding."""
        file = rehearsal.produced_alone.json.get("comparison/aggregated_metrics.json")
        if file is None or not isinstance(file.content, dict):
            raise NotChecked("there was no evaluation of one run, or it left no comparison/aggregated_metrics.json")
        gap = file.content.get("gap")
        rivals = {key: file.content.get(key) for key in ("best_proposed", "best_baseline")}
        made_up = [
            key
            for key, value in rivals.items()
            if isinstance(value, dict) and not value.get("run_id") and _is_number(value.get("value"))
        ]
        if _is_number(gap) or made_up:
            said = f"gap is {gap}" if _is_number(gap) else f"{made_up[0]} has a value"
            extra = f" and {made_up[0]} is {file.content[made_up[0]]}" if _is_number(gap) and made_up else ""
            place = rehearsal.line_of(['"gap"', "'gap'"], ("src/evaluate.py",))
            yield self.on(*place, f"an evaluation of one run reports a rival: {said}{extra}")


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
