"""GL708: a number is a text in one run and a number in another."""

from __future__ import annotations

import re
from collections.abc import Iterator

from greenlight.review.criteria import Criterion
from greenlight.review.finding import Finding, Severity
from greenlight.review.rule import NotApplicable, Rule
from greenlight.review.subject import Subject

_ARITHMETIC = frozenset({"training", "optimizer", "scheduler", "evaluation"})


def _is_number(text: str) -> bool:
    return re.fullmatch(r"[-+]?\d+(\.\d*)?([eE][-+]?\d+)?", text) is not None


class NumberAsText(Rule):
    """A number is a text in one run and a number in another."""

    id = "GL708"
    name = "number-as-text"
    criterion = Criterion.CONFIGURATION
    severity = Severity.MAJOR
    sentences = ("7.3",)
    summary = "The same key is a number in one run and a text in another."
    why = 'lr: "2e-4" in quotes is a text: arithmetic with it raises TypeError, in that run alone.'
    remedy = "Write the number without quotes."
    valid = (
        {
            "config/runs/a.yaml": """
                training:
                  lr: 2e-4
            """,
            "config/runs/b.yaml": """
                training:
                  lr: 0.1
            """,
        },
        {
            "config/runs/a.yaml": """
                model:
                  bits: 8
            """,
            "config/runs/b.yaml": """
                model:
                  bits: 4-bit
            """,
        },
    )
    invalid = (
        {
            "config/runs/a.yaml": """
                training:
                  lr: "2e-4"
            """,
            "config/runs/b.yaml": """
                training:
                  lr: 0.1
            """,
        },
    )

    def check(self, subject: Subject) -> Iterator[Finding]:
        """Yield one finding for each text that is a number elsewhere."""
        if len(subject.runs) < 2:
            raise NotApplicable("there are not two runs to compare")
        numbers: dict[tuple[str, ...], str] = {}
        for file in subject.runs.values():
            for path, value in file.leaves:
                if isinstance(value, int | float) and not isinstance(value, bool):
                    numbers.setdefault(path, file.path)
        for file in subject.runs.values():
            for path, value in file.leaves:
                if path in numbers and path[0] in _ARITHMETIC and isinstance(value, str) and _is_number(value):
                    text = f"{'.'.join(path)} is the text '{value}' here and a number in {numbers[path]}"
                    yield self.on(file, file.line(*path), text, f"write {path[-1]}: {value}", confidence="likely")
