"""GL101: a Python file cannot be parsed."""

from __future__ import annotations

from collections.abc import Iterator

from greenlight.review.criteria import Criterion
from greenlight.review.finding import Finding, Severity
from greenlight.review.rule import Rule
from greenlight.review.subject import Subject


class SyntaxErrorRule(Rule):
    """Python cannot parse a file."""

    id = "GL101"
    name = "syntax-error"
    criterion = Criterion.COMPLETE
    severity = Severity.BLOCKER
    sentences = ("1.4",)
    summary = "A Python file cannot be parsed, so importing it ends the run."
    why = (
        "Generated files break off in the middle, carry a sentence instead of code, or hold NUL bytes. What other "
        "rules would find in such a file is not checked until it can be parsed."
    )
    remedy = "Mend the line that Python names; where the file breaks off, write the rest of it."
    valid = ({"src/model.py": "def build(size: int) -> list[int]:\n    return [0] * size\n"},)
    invalid = (
        {"src/model.py": "def build(size):\n    return [0] * (size\n"},
        {"src/train.py": "def train(:\n    pass\n"},
    )

    def check(self, subject: Subject) -> Iterator[Finding]:
        """Yield one finding for each file that cannot be parsed."""
        for module in subject.code:
            if module.error is not None:
                line, column, reason = module.error
                yield self.on(
                    module, line, f"{module.path} cannot be parsed: {reason}", f"mend line {line}", column=column
                )
