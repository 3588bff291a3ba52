"""GL808: metrics.json is never written."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from greenlight.review.criteria import Criterion
from greenlight.review.engines.readback import Readback
from greenlight.review.finding import Finding, Severity
from greenlight.review.rule import Rule
from greenlight.review.subject import Subject


class NoRunMetrics(Rule):
    """evaluate.py never writes metrics.json, the place where each run's metrics is read from."""

    id = "GL808"
    name = "no-run-metrics"
    criterion = Criterion.EVALUATION
    severity = Severity.MAJOR
    sentences = ("8.5",)
    summary = "evaluate.py never writes metrics.json, the place where each run's metrics is read from."
    why = (
        "The contract names {results_dir}/{run_id}/metrics.json; what comes after the evaluation looks for "
        "that file and no other."
    )
    remedy = "Write each run's metrics to {results_dir}/{run_id}/metrics.json."
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

        if not readback.is_seen or any(
            "metrics" in w and "aggregated" not in w and w.endswith((".json", "metrics")) and "." in w
            for w in readback.words
        ):
            return
        if any(isinstance(n, ast.Constant) and n.value == ".json" for m in readback.modules for n in m.nodes):
            return  # the name is put together

        yield self.on(
            module,
            1,
            "src/evaluate.py never writes metrics.json",
            "write each run's metrics to {results_dir}/{run_id}/metrics.json",
        )
