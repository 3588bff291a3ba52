"""GR804: W&B's own entries are reported as metrics."""

from __future__ import annotations

from collections.abc import Iterator

from greenlight.rehearse.rehearsal import Rehearsal
from greenlight.rehearse.rule import NotChecked, ObservationRule
from greenlight.review.criteria import Criterion
from greenlight.review.finding import Finding, Severity

_INTERNALS = frozenset({"_step", "_runtime", "_timestamp", "_wandb"})


class InternalsAsMetrics(ObservationRule):
    """Looks at the keys of the aggregated metrics."""

    id = "GR804"
    name = "internals-as-metrics"
    criterion = Criterion.EVALUATION
    severity = Severity.MINOR
    sentences = ()
    summary = "Time stamps and other entries of W&B's own stand among the metrics."
    why = (
        "A summary holds `_step`, `_runtime`, `_timestamp` and `_wandb` beside what was logged. Copied as they "
        "are they become metrics, and tables compare time stamps."
    )
    remedy = "Leave out keys that begin with an underscore."
    observed = "keys of comparison/aggregated_metrics.json"

    def check(self, rehearsal: Rehearsal) -> Iterator[Finding]:
        """Yield one finding."""
        file = rehearsal.produced.json.get("comparison/aggregated_metrics.json")
        if file is None or not isinstance(file.content, dict):
            raise NotChecked("evaluate left no comparison/aggregated_metrics.json that can be read")
        metrics = file.content.get("metrics", file.content)
        found = (
            [key for key in metrics if isinstance(key, str) and key in _INTERNALS] if isinstance(metrics, dict) else []
        )
        if found:
            said = f"comparison/aggregated_metrics.json has {', '.join(found)} among its metrics"
            yield self.on("src/evaluate.py", 1, said)
