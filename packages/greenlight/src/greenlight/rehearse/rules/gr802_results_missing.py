"""GR802: evaluate leaves out files that the contract names."""

from __future__ import annotations

from collections.abc import Iterator

from greenlight.rehearse.rehearsal import Phase, Rehearsal
from greenlight.rehearse.rule import NotChecked, ObservationRule
from greenlight.review.criteria import Criterion
from greenlight.review.finding import Finding, Severity


class ResultsMissing(ObservationRule):
    """Looks at the results folder after evaluate."""

    id = "GR802"
    name = "results-missing"
    criterion = Criterion.EVALUATION
    severity = Severity.BLOCKER
    sentences = ()
    summary = "evaluate ends with status 0 and a file that the contract names is not there."
    why = (
        "The contract asks for `<run id>/metrics.json`, figures, and "
        "`comparison/aggregated_metrics.json` in the results folder that is passed to evaluate."
    )
    remedy = "Write the file below `results_dir`."
    observed = "files below the results folder after evaluate"

    def check(self, rehearsal: Rehearsal) -> Iterator[Finding]:
        """Yield one finding for each file."""
        done = rehearsal.through(Phase.EVALUATE)
        if not done:
            raise NotChecked("evaluate did not come to its end")
        sizes, figures = rehearsal.produced.sizes, rehearsal.produced.figures()
        for run_id in dict.fromkeys(run_id for act in done for run_id in act.run_ids):
            if f"{run_id}/metrics.json" not in sizes:
                yield self.on(
                    "src/evaluate.py", 1, f"{run_id}/metrics.json is not in the results folder after evaluate"
                )
        # Not run by run: a shrunk run may lack what its figure shows, such as a periodic evaluation.
        if not figures:
            yield self.on("src/evaluate.py", 1, "there is no figure after evaluate", severity=Severity.MAJOR)
        if "comparison/aggregated_metrics.json" not in sizes:
            yield self.on(
                "src/evaluate.py", 1, "comparison/aggregated_metrics.json is not in the results folder after evaluate"
            )
