"""GL616: config.yaml has no W&B entity or project."""

from __future__ import annotations

import re
from collections.abc import Iterator

from greenlight.review.criteria import Criterion
from greenlight.review.finding import Finding, Severity
from greenlight.review.rule import Rule
from greenlight.review.subject import Subject

_STAND_IN = re.compile(r"^<.*>$|^your[-_ ]|^my[-_](entity|project|team)|placeholder|change[-_ ]?me|^xxx+$|^todo", re.I)


class NoPlaceInConfiguration(Rule):
    """config/config.yaml does not name W&B's entity and project."""

    id = "GL616"
    name = "no-place-in-configuration"
    criterion = Criterion.TRACKING
    severity = Severity.BLOCKER
    sentences = ("6.9", "8.3")
    summary = (
        "config/config.yaml does not name W&B's entity and project, so neither training nor evaluation knows "
        "where to go."
    )
    why = (
        "evaluate.py builds entity/project/run_id from it; a missing key raises ConfigAttributeError, null "
        "makes the path 'None/...'."
    )
    remedy = "Add wandb.entity and wandb.project to config/config.yaml."
    valid = (
        {
            "config/config.yaml": """
            wandb:
              entity: vision-lab
              project: pruning-2025
        """,
        },
        {
            "config/config.yaml": """
            defaults:
              - wandb: team
            mode: ???
        """,
        },
        {
            "config/config.yaml": """
            wandb:
              entity: ${oc.env:WANDB_ENTITY}
              project: pruning-2025
        """,
        },
    )
    invalid = (
        {
            "config/config.yaml": """
            mode: ???
            wandb:
              project: pruning-2025
        """,
        },
        {
            "config/config.yaml": """
            mode: ???
            results_dir: ???
        """,
        },
        {
            "config/config.yaml": """
            wandb:
              entity: your-entity
              project: null
        """,
        },
    )

    def check(self, subject: Subject) -> Iterator[Finding]:
        """Yield what is wrong."""
        config = subject.config
        if config is None or config.error is not None or not config.data:
            return
        defaults = config.get("defaults")
        if isinstance(defaults, list) and any("wandb" in str(entry) for entry in defaults):
            return
        section = config.get("wandb", default={})
        if not isinstance(section, dict | None):
            return
        wrong = []
        for word in ("entity", "project"):
            value = (section or {}).get(word)
            if value is None or value in ("", "???"):
                wrong.append(
                    (word, f"wandb.{word} is missing" if word not in (section or {}) else f"wandb.{word} is {value!r}")
                )
            elif isinstance(value, str) and _STAND_IN.search(value):
                wrong.append((word, f"wandb.{word} is still the stand-in {value!r}"))
        if wrong:
            elsewhere = bool(subject.runs) and all(
                run.get("wandb", "entity") and run.get("wandb", "project") for run in subject.runs.values()
            )
            yield self.on(
                config,
                config.line("wandb", wrong[0][0]),
                "; ".join(text for _, text in wrong),
                "set " + " and ".join(f"wandb.{word}" for word, _ in wrong) + " to what the runs are filed under",
                severity=Severity.MAJOR if elsewhere else Severity.BLOCKER,
            )
