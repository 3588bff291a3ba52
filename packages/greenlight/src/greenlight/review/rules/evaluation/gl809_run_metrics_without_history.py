"""GL809: metrics.json lacks the history."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

from greenlight.review.criteria import Criterion
from greenlight.review.engines.metrics import Metrics
from greenlight.review.engines.readback import Readback
from greenlight.review.engines.written import target_of, written
from greenlight.review.finding import Finding, Severity
from greenlight.review.rule import Rule
from greenlight.review.subject import Subject

_COURSE = ("history", "history-cut", "history-dict-cut", "rows", "column", "history-dict", "row")


_TABLE = re.compile(r"compar|table|aggregat|signific")


def _place(readback: Readback, call: ast.Call) -> str:
    """Return the name of the file that a table is written to; empty where it is not known."""
    return (target_of(readback, call) or "").lower()


class RunMetricsWithoutHistory(Rule):
    """A run's metrics.json is written without its history, so the course of training is not exported."""

    id = "GL809"
    name = "run-metrics-without-history"
    criterion = Criterion.EVALUATION
    severity = Severity.MAJOR
    sentences = ("8.5",)
    summary = "A run's metrics.json is written without its history, so the course of training is not exported."
    why = (
        "The contract asks for comprehensive metrics of each run: history, summary and configuration; from a "
        "summary alone no curve can be drawn again."
    )
    remedy = "Add the history's rows to metrics.json."
    valid = (
        {
            "src/evaluate.py": """
            import json
            import wandb

            def export(path, folder):
                run = wandb.Api().run(path)
                rows = list(run.scan_history())
                content = {"history": rows, "summary": run.summary._json_dict}
                with open(folder / "metrics.json", "w") as file:
                    json.dump(content, file)
        """,
        },
        {
            "src/evaluate.py": """
            import json
            import wandb

            def export(path, folder):
                run = wandb.Api().run(path)
                run.history(samples=100000).to_csv(folder / "history.csv")
                with open(folder / "metrics.json", "w") as file:
                    json.dump({"summary": run.summary._json_dict}, file)
        """,
        },
    )
    invalid = (
        {
            "src/evaluate.py": """
            import json
            import wandb

            def export(path, folder):
                run = wandb.Api().run(path)
                with open(folder / "metrics.json", "w") as file:
                    json.dump({"summary": run.summary._json_dict, "config": dict(run.config)}, file)
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
            not _TABLE.search(_place(readback, call))
            for call in module.method_calls("to_csv", "to_parquet", "to_json", "to_feather", "to_pickle")
        ):
            return
        metrics = subject.derived(Metrics)
        for found in written(readback):
            call, content = found.call, found.content
            target = target_of(readback, call)
            if target is None or not target.endswith("metrics.json") or "aggregated" in target:
                continue
            literal = module.assigned(content) if isinstance(content, ast.Name) else content
            named, is_complete = metrics.keys_of(module, content)
            keys = list(dict.fromkeys(key.name for key in named))
            if not isinstance(literal, ast.Dict) or not is_complete or "{}" in "".join(keys):
                continue
            if any(re.search("hist|curve|row|series|course|log|step|trajector", key.lower()) for key in keys):
                continue
            if not any(readback.is_summary(value) for value in literal.values):
                continue
            if any(readback.kind(n) in _COURSE for value in literal.values for n in readback.expanded(value)):
                continue
            yield self.at(
                module,
                call,
                f"metrics.json holds {' and '.join(keys)}, but not the history of the run",
                'add "history": the rows of run.scan_history()',
            )
