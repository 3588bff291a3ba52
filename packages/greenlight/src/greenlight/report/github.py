"""Workflow commands of GitHub Actions, one annotation per finding."""

from __future__ import annotations

from greenlight.report.document import Document
from greenlight.review.finding import Finding, Severity
from greenlight.review.verdict import State

NAME = "github"


def render(document: Document) -> str:
    """Return one line per finding, and one per criterion that could not be checked."""
    verdict = document.verdict
    lines = [_annotation(finding, document) for finding in verdict.findings]
    for criterion in verdict.criteria:
        if criterion.asked and criterion.state in (State.NOT_CHECKED, State.CHECKER_ERROR):
            text = f"{criterion.criterion.title}: {criterion.state}: {'; '.join(criterion.reasons)}"
            lines.append(f"::error title=greenlight::{_data(text)}")
    lines += [f"::error title=greenlight::{_data(reason)}" for reason in verdict.unanswered]
    lines += [
        f"::notice file={_property(o.path)},line={o.line},title=opinion::{_data(f'{o.issue}; {o.suggestion}')}"
        for o in document.opinions
    ]
    return "".join(line + "\n" for line in lines)


def _annotation(finding: Finding, document: Document) -> str:
    rule = document.by_id.get(finding.rule)
    command = "warning" if finding.severity is Severity.MINOR else "error"
    where = {"file": finding.path, "line": str(finding.line), "col": str(finding.column)}
    if finding.end_line is not None:
        where["endLine"] = str(finding.end_line)
        if finding.end_column is not None and finding.end_line == finding.line:
            where["endColumn"] = str(finding.end_column)
    where["title"] = f"{finding.rule} {rule.name}" if rule else finding.rule
    properties = ",".join(f"{key}={_property(value)}" for key, value in where.items())
    return f"::{command} {properties}::{_data(f'{finding.message}; {finding.remedy}')}"


def _data(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _data(text).replace(":", "%3A").replace(",", "%2C")
