"""GL703: a run file's run_id is not the name of the file."""

from __future__ import annotations

from collections.abc import Iterator

from greenlight.review.criteria import Criterion
from greenlight.review.engines.config_flow import ConfigFlow
from greenlight.review.finding import Finding, Severity
from greenlight.review.rule import NotApplicable, Rule
from greenlight.review.subject import Subject


class RunIdOfFile(Rule):
    """A run file's run_id is not the name of the file."""

    id = "GL703"
    name = "run-id-of-file"
    criterion = Criterion.CONFIGURATION
    severity = Severity.BLOCKER
    sentences = (
        "2.3",
        "7.2",
    )
    summary = "The run file's run_id is missing or differs from the file's name."
    why = (
        "run=<id> selects the file by its name, while tracking and evaluation use run_id: with two names "
        "the evaluation asks W&B for a run that does not exist, or two runs write into one."
    )
    remedy = "Write run_id: <name of the file without .yaml>."
    valid = (
        {
            "config/runs/proposed-tiny.yaml": """
                run_id: proposed-tiny
            """,
        },
    )
    invalid = (
        {
            "config/runs/proposed-tiny.yaml": """
                run_id: proposed-small
            """,
        },
        {
            "config/runs/proposed-tiny.yaml": """
                method: proposed
            """,
            "config/config.yaml": """
                run: ???
            """,
            "src/train.py": """
                def train(cfg):
                    print(cfg.run_id)
            """,
        },
    )

    def check(self, subject: Subject) -> Iterator[Finding]:
        """Yield one finding for each run file whose run_id is not its name."""
        if not subject.runs:
            raise NotApplicable("there are no run files")
        if any(write.path == ("run_id",) for write in subject.derived(ConfigFlow).writes.values()):
            return  # the program sets it from the file's name
        for name, file in subject.runs.items():
            if file.error is not None or not file.data:
                continue
            stated = file.get("run_id")
            if "run_id" not in file.data:
                default = subject.config.get("run_id") if subject.config is not None else None
                if default in (None, "???"):
                    severity = Severity.MINOR
                    yield self.on(file, 1, f"{file.path} has no run_id", f"add run_id: {name}", severity=severity)
            elif isinstance(stated, str) and stated != name and "${" not in stated and stated != "???":
                text = f"run_id is {stated}, but the file that run=... selects is {name}.yaml"
                yield self.on(file, file.line("run_id"), text, f"write run_id: {name}")
