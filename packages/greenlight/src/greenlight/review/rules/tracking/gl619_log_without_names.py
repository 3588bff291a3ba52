"""GL619: wandb.log gets no dictionary."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from greenlight.review.criteria import Criterion
from greenlight.review.finding import Finding, Severity
from greenlight.review.rule import Rule
from greenlight.review.subject import Subject


class LogWithoutNames(Rule):
    """wandb.log is given something else than a dictionary and raises a TypeError."""

    id = "GL619"
    name = "log-without-names"
    criterion = Criterion.TRACKING
    severity = Severity.BLOCKER
    sentences = ("6.2",)
    summary = "wandb.log is given something else than a dictionary and raises a TypeError."
    why = "wandb.log takes a dictionary from names to values; 'wandb.log must be passed a dictionary' ends the run."
    remedy = "Write wandb.log({name: value})."
    valid = (
        {
            "src/train.py": """
            import wandb

            def note(loss, row):
                wandb.log({"loss": loss}, step=3)
                wandb.log(row)
        """,
        },
    )
    invalid = (
        {
            "src/train.py": """
            import wandb

            def note(loss):
                wandb.log("loss", loss)
        """,
        },
    )

    def check(self, subject: Subject) -> Iterator[Finding]:
        """Yield what is wrong."""
        for module in subject.code:
            for call in module.calls("wandb.log", "wandb.run.log"):
                given = call.args[0] if call.args else None
                if isinstance(given, ast.Constant | ast.JoinedStr | ast.List | ast.Tuple | ast.Set):
                    yield self.at(
                        module,
                        call,
                        f"{module.source(call)}: the first argument is no dictionary, so this raises a TypeError",
                        "write wandb.log({name: value})",
                    )
