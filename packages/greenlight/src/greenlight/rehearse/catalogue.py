"""The rules about observations on paper."""

from __future__ import annotations

from greenlight.errors import GreenlightError
from greenlight.rehearse.rule import ObservationRule, all_rules
from greenlight.review import catalogue
from greenlight.review.criteria import Criterion


def page(rule: ObservationRule) -> str:
    """Return the page of a rule in Markdown."""
    parts = [
        f"# {rule.id} {rule.name}",
        rule.summary,
        f"Criterion {int(rule.criterion)} ({rule.criterion.title}), {rule.severity}. Found by `greenlight rehearse`.",
        f"## What is observed\n\n{rule.observed[0].upper()}{rule.observed[1:]}.",
        f"## Why\n\n{rule.why}",
        f"## How to mend it\n\n{rule.remedy}",
    ]
    return "\n\n".join(parts) + "\n"


def rule(key: str) -> ObservationRule | None:
    """Return a rule by id or name, or None where it is none about observations.

    Raises
    ------
    GreenlightError
        For an id that begins with GR and is none.
    """
    for one in all_rules():
        if key.lower() in (one.id.lower(), one.name):
            return one
    if key.upper().startswith("GR"):
        raise GreenlightError(f"rule {key}: there is none of that id; see greenlight rules")
    return None


def overview() -> str:
    """Return the list of all rules by criterion: those that read the text, and those that judge a rehearsal."""
    lines = []
    for text in catalogue.overview().splitlines():
        lines.append(text)
        heading = text.partition(" ")[0]
        if heading.isdecimal():
            own = [r for r in all_rules() if int(r.criterion) == int(heading)]
            lines += [f"  {r.id} {r.name:<36} {r.severity:<8} {r.summary}" for r in own]
    return "\n".join(lines) + "\n"


def pages() -> dict[str, str]:
    """Return every generated page by file name, of both kinds of rules."""
    found = catalogue.pages(all_rules())
    lines = ["", "# Rules of a rehearsal", "", "What `greenlight rehearse` looks for in what it observed.", ""]
    for criterion in Criterion:
        own = [r for r in all_rules() if r.criterion is criterion]
        if own:
            lines += [f"## {int(criterion)} {criterion.title} (rehearsal)", ""]
            lines += ["| rule | severity | what goes wrong |", "|---|---|---|"]
            lines += [f"| [{r.id}]({r.id}.md) {r.name} | {r.severity} | {r.summary} |" for r in own]
            lines.append("")
    return {
        **found,
        "README.md": found["README.md"] + "\n".join(lines) + "\n",
        **{f"{r.id}.md": page(r) for r in all_rules()},
    }
