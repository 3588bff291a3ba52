"""GL705: a name is read as a number."""

from __future__ import annotations

import re
from collections.abc import Iterator

from greenlight.review.criteria import Criterion
from greenlight.review.finding import Edit, Finding, Severity
from greenlight.review.rule import Rule
from greenlight.review.subject import Subject


def _made_text(text: str, key: str) -> bool:
    return "str(" in text and f"{key})" in text


_NAMES = (("wandb", "project"), ("wandb", "entity"), ("run_id",))
_LINE = re.compile(r"^(?P<key>\s*[\w-]+:\s*)(?P<value>[\w.+-]+)(?P<rest>\s*(?:#.*)?)$")


class NameReadAsNumber(Rule):
    """A name is read as a number."""

    id = "GL705"
    name = "name-read-as-number"
    criterion = Criterion.CONFIGURATION
    severity = Severity.BLOCKER
    sentences = (
        "6.9",
        "7.2",
    )
    summary = "A W&B project or entity, or a run id, is read as a number where a text is needed."
    why = (
        "project: 251109 is an integer in YAML; wandb.init and paths built with it fail, or W&B refuses "
        "the type. It was seen in generated configurations whose project is a date."
    )
    remedy = "Put the value into quotes."
    valid = (
        {
            "config/config.yaml": """
                wandb:
                  entity: lab
                  project: "251109"
            """,
        },
        {
            "config/config.yaml": """
                wandb:
                  entity: lab
                  project: 251109-test
            """,
        },
        {
            "config/config.yaml": """
                wandb:
                  entity: lab
                  project: 251109
            """,
            "src/train.py": """
                import wandb


                def start(cfg):
                    wandb.init(project=str(cfg.wandb.project))
            """,
        },
    )
    invalid = (
        {
            "config/config.yaml": """
                wandb:
                  entity: lab
                  project: 251109
            """,
        },
        {
            "config/runs/20251.yaml": """
                run_id: 20251
            """,
        },
    )

    def check(self, subject: Subject) -> Iterator[Finding]:
        """Yield one finding for each name that is a number."""
        files = [*([subject.config] if subject.config is not None else []), *subject.runs.values()]
        for file in files:
            for path in _NAMES:
                value = file.get(*path)
                if not isinstance(value, int | float) or any(_made_text(m.text, path[-1]) for m in subject.code):
                    continue
                line = file.line(*path)
                match = _LINE.match(file.lines[line - 1]) if 0 < line <= len(file.lines) else None
                edits: tuple[Edit, ...] = ()
                if match is not None:
                    edits = (Edit(file.path, line, line, f'{match["key"]}"{match["value"]}"{match["rest"]}\n'),)
                text = f"{'.'.join(path)}: {value} is a {type(value).__name__}, where a text is needed"
                yield self.on(file, line, text, f'write {path[-1]}: "{value}"', edits=edits)
