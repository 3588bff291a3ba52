"""GL505: pyproject.toml cannot be parsed."""

from __future__ import annotations

from collections.abc import Iterator

from greenlight.review.criteria import Criterion
from greenlight.review.finding import Finding, Severity
from greenlight.review.rule import Rule
from greenlight.review.subject import Subject


class TomlSyntax(Rule):
    """TOML cannot be parsed, so nothing can be installed."""

    id = "GL505"
    name = "toml-syntax"
    criterion = Criterion.FILES
    severity = Severity.BLOCKER
    sentences = ("5.5", "1.4")
    summary = "pyproject.toml is no TOML, so that uv stops before it installs anything."
    why = "Every documented command starts with `uv run`, which reads pyproject.toml first and ends on a parse error."
    remedy = "Mend the line that the parser names."
    valid = ({"pyproject.toml": '[project]\nname = "study"\nversion = "0.1.0"\ndependencies = ["torch>=2.4"]\n'},)
    invalid = (
        {"pyproject.toml": '[project]\nname = "study\nversion = "0.1.0"\n'},
        {"pyproject.toml": '[project]\nname = "a"\nname = "b"\n'},
    )

    def check(self, subject: Subject) -> Iterator[Finding]:
        """Yield one finding if the file cannot be parsed."""
        file = subject.pyproject
        if file is not None and file.error is not None:
            line, column, reason = file.error
            line = max(1, min(line, len(file.lines)))
            yield self.on(file, line, f"pyproject.toml cannot be parsed: {reason}", f"mend line {line}", column=column)
