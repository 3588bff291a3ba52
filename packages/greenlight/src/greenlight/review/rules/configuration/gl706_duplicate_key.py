"""GL706: a key stands twice in one mapping."""

from __future__ import annotations

from collections.abc import Iterator

from greenlight.review.criteria import Criterion
from greenlight.review.finding import Finding, Severity
from greenlight.review.rule import Rule
from greenlight.review.subject import Subject


class DuplicateKey(Rule):
    """A key stands twice in one mapping."""

    id = "GL706"
    name = "duplicate-key"
    criterion = Criterion.CONFIGURATION
    severity = Severity.BLOCKER
    sentences = ("2.3",)
    summary = "A key stands twice in one mapping of a configuration file, which OmegaConf refuses."
    why = (
        "OmegaConf and Hydra raise ConstructorError: found duplicate key. Other YAML readers take the "
        "later value without a word."
    )
    remedy = "Delete one of the two."
    valid = (
        {
            "config/config.yaml": """
                seed: 1
                training:
                  seed: 2
            """,
        },
    )
    invalid = (
        {
            "config/config.yaml": """
                seed: 1
                mode: ???
                seed: 2
            """,
        },
        {
            "config/runs/a.yaml": """
                run_id: a
                training:
                  lr: 1
                  lr: 2
            """,
        },
    )

    def check(self, subject: Subject) -> Iterator[Finding]:
        """Yield one finding for each key that is repeated."""
        files = [*([subject.config] if subject.config is not None else []), *subject.runs.values()]
        for file in files:
            for path, line in file.duplicates:
                text = f"{'.'.join(path)} stands twice: OmegaConf refuses the file"
                yield self.on(file, line, text, f"delete one of the two {path[-1]}")
