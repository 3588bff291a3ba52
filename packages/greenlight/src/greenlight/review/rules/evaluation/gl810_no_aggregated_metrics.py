"""GL810: aggregated_metrics.json is never written."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from greenlight.review.criteria import Criterion
from greenlight.review.engines.readback import Readback
from greenlight.review.finding import Finding, Severity
from greenlight.review.rule import Rule
from greenlight.review.subject import Subject


class NoAggregatedMetrics(Rule):
    """evaluate.py never writes aggregated_metrics.json, the place where the comparison is read from."""

    id = "GL810"
    name = "no-aggregated-metrics"
    criterion = Criterion.EVALUATION
    severity = Severity.MAJOR
    sentences = ("8.7",)
    summary = "evaluate.py never writes aggregated_metrics.json, the place where the comparison is read from."
    why = (
        "The contract names {results_dir}/comparison/aggregated_metrics.json; what comes after the evaluation "
        "looks for that file and no other."
    )
    remedy = "Write the comparison to {results_dir}/comparison/aggregated_metrics.json."
    valid = (
        {
            "src/evaluate.py": """
            import json
            from pathlib import Path

            def export(results_dir, run_id, values):
                for name in ("metrics.json", "aggregated_metrics.json"):
                    (Path(results_dir) / run_id / name).write_text(json.dumps(values))
        """,
        },
        {
            "src/evaluate.py": """
            from my_lab_reports import export_everything

            def export(results_dir, runs):
                export_everything(results_dir, runs)
        """,
        },
    )
    invalid = (
        {
            "src/evaluate.py": """
            import json
            from pathlib import Path

            def export(results_dir, run_id, values):
                (Path(results_dir) / run_id / "results.json").write_text(json.dumps(values))
        """,
        },
    )

    def check(self, subject: Subject) -> Iterator[Finding]:
        """Yield what is wrong."""
        readback = subject.derived(Readback)
        module = readback.module
        if module is None:
            return

        if not readback.names_its_files or any("aggregated_metrics" in w for w in readback.words):
            return
        if any(isinstance(n, ast.Constant) and n.value == ".json" for m in readback.modules for n in m.nodes):
            return  # the name is put together

        yield self.on(
            module,
            1,
            "src/evaluate.py never writes aggregated_metrics.json",
            "write the comparison to {results_dir}/comparison/aggregated_metrics.json",
        )
