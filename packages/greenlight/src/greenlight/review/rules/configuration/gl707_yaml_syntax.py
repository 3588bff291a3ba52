"""GL707: a configuration file cannot be parsed."""

from __future__ import annotations

from collections.abc import Iterator

from greenlight.review.criteria import Criterion
from greenlight.review.finding import Finding, Severity
from greenlight.review.rule import Rule
from greenlight.review.subject import Subject


class YamlSyntax(Rule):
    """A configuration file cannot be parsed."""

    id = "GL707"
    name = "yaml-syntax"
    criterion = Criterion.CONFIGURATION
    severity = Severity.BLOCKER
    sentences = (
        "2.3",
        "7.2",
    )
    summary = "A configuration file is no YAML mapping, so nothing that reads it starts."
    why = (
        "An indentation that changes, a tab, or a colon inside of an unquoted text ends every command "
        "that composes the file."
    )
    remedy = "Mend the line that is named."
    valid = (
        {
            "config/config.yaml": """
                mode: ???
                prompt: "Question: {q}"
            """,
        },
    )
    invalid = (
        {
            "config/config.yaml": """
                mode: ???
                prompt: Question: {q}
            """,
        },
        {
            "config/runs/a.yaml": """
                  run_id: a
                method: proposed
            """,
        },
    )

    def check(self, subject: Subject) -> Iterator[Finding]:
        """Yield one finding for each file that cannot be parsed."""
        files = [*([subject.config] if subject.config is not None else []), *subject.runs.values()]
        for file in files:
            if file.error is not None:
                line, column, reason = file.error
                text = f"{file.path} cannot be parsed: {' '.join(reason.split())}"
                yield self.on(file, line, text, f"mend line {line}", column=column)
