"""GL806: W&B's summary object is written as JSON."""

from __future__ import annotations

from collections.abc import Iterator

from greenlight.review.criteria import Criterion
from greenlight.review.engines.readback import Readback
from greenlight.review.engines.written import parts, written
from greenlight.review.finding import Finding, Severity
from greenlight.review.rule import Rule
from greenlight.review.subject import Subject


class SummaryObjectAsJson(Rule):
    """W&B's own summary object is handed to json.dump, which raises a TypeError and leaves half a file."""

    id = "GL806"
    name = "summary-object-as-json"
    criterion = Criterion.EVALUATION
    severity = Severity.BLOCKER
    sentences = ("8.4", "8.5")
    summary = "W&B's own summary object is handed to json.dump, which raises a TypeError and leaves half a file."
    why = (
        "dict(run.summary) keeps W&B's objects inside: the entry _wandb is a SummarySubDict ('not JSON "
        "serializable'; wandb 0.16.6 and 0.31.0)."
    )
    remedy = "Use run.summary._json_dict."
    valid = (
        {
            "src/evaluate.py": """
            import json
            import wandb

            def export(path, file):
                run = wandb.Api().run(path)
                json.dump({"summary": run.summary._json_dict, "config": dict(run.config)}, file)
        """,
        },
        {
            "src/evaluate.py": """
            import json
            import wandb

            def export(path, file):
                summary = dict(wandb.Api().run(path).summary)
                json.dump(summary, file, default=str)
        """,
        },
    )
    invalid = (
        {
            "src/evaluate.py": """
            import json
            import wandb

            def save(content, path):
                with open(path, "w") as file:
                    json.dump(content, file, indent=2)

            def export(path, target):
                run = wandb.Api().run(path)
                summary = dict(run.summary)
                save({"summary": summary, "config": dict(run.config)}, target)
        """,
        },
    )

    def check(self, subject: Subject) -> Iterator[Finding]:
        """Yield what is wrong."""
        readback = subject.derived(Readback)
        module = readback.module
        if module is None:
            return

        for call, content in written(readback):
            for node in parts(readback, content):
                if readback.kind(node) in ("summary", "summary-dict"):
                    yield self.at(
                        module,
                        call,
                        f"{module.source(node)} goes into JSON with W&B's own objects inside: this raises a TypeError",
                        "take run.summary._json_dict instead",
                    )
                    return
