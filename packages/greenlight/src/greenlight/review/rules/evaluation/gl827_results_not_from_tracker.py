"""GL827: evaluate.py never asks W&B."""

from __future__ import annotations

from collections.abc import Iterator

from greenlight.review.criteria import Criterion
from greenlight.review.engines.readback import Readback
from greenlight.review.finding import Finding, Severity
from greenlight.review.rule import Rule
from greenlight.review.subject import Subject


class ResultsNotFromTracker(Rule):
    """evaluate.py never uses W&B's API, so it depends on files of the machine that trained."""

    id = "GL827"
    name = "results-not-from-tracker"
    criterion = Criterion.EVALUATION
    severity = Severity.MAJOR
    sentences = ("8.4",)
    summary = "evaluate.py never uses W&B's API, so it depends on files of the machine that trained."
    why = "The evaluation is an independent command: only W&B has history, summary and configuration of every run."
    remedy = "Read the runs with wandb.Api().run(entity/project/run_id)."
    valid = (
        {
            "src/evaluate.py": """
            import wandb

            def read(cfg, run_id):
                return wandb.Api().run(f"{cfg.wandb.entity}/{cfg.wandb.project}/{run_id}")
        """,
        },
        {
            "src/evaluate.py": """
            from my_lab_reports import compare

            def main(run_ids):
                compare(run_ids)
        """,
        },
    )
    invalid = (
        {
            "src/evaluate.py": """
            import json
            from pathlib import Path

            def read(results_dir, run_id):
                return json.loads((Path(results_dir) / run_id / "history.json").read_text())
        """,
        },
    )

    def check(self, subject: Subject) -> Iterator[Finding]:
        """Yield what is wrong."""
        readback = subject.derived(Readback)
        module = readback.module
        if module is None:
            return

        if (
            not readback.is_seen
            or "api" in readback.words
            or any("api.wandb" in w or "graphql" in w for w in readback.words)
        ):
            return
        yield self.on(module, 1, "src/evaluate.py never uses wandb.Api(): the runs are not read from W&B")
