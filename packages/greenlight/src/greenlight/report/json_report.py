"""The recorded reviewer's two fields, ``is_code_ready`` and ``code_issue``, with findings and criteria beside them."""

from __future__ import annotations

import dataclasses
import json
from typing import Any

from greenlight import __version__
from greenlight.report.document import Document, Staged
from greenlight.review.finding import Finding

NAME = "json"


def render(document: Document) -> str:
    """Return one JSON object on several lines."""
    verdict = document.verdict
    whole: dict[str, Any] = {
        "is_code_ready": verdict.is_code_ready,
        "code_issue": _issue(document),
        "subject": verdict.subject,
        "greenlight": __version__,
        "criteria": [
            {
                "number": int(c.criterion),
                "title": c.criterion.title,
                "state": str(c.state),
                "findings": c.findings,
                "reasons": list(c.reasons),
            }
            for c in verdict.criteria
        ],
        "findings": [_finding(finding, document) for finding in verdict.findings],
        "suppressed": verdict.suppressed,
        "in_baseline": verdict.known,
        "opinions": [
            {
                "path": o.path,
                "line": o.line,
                "quote": o.quote,
                "criterion": int(o.criterion),
                "issue": o.issue,
                "suggestion": o.suggestion,
            }
            for o in document.opinions
        ],
        "unanswered": list(verdict.unanswered),
        "notes": list(document.notes),
    }
    if document.staged is not None:
        whole["rehearsal"] = _rehearsal(document.staged)
    return json.dumps(whole, indent=2, ensure_ascii=False, allow_nan=False) + "\n"


def _rehearsal(staged: Staged) -> dict[str, Any]:
    return {
        "commands": [dataclasses.asdict(command) for command in staged.commands],
        "stand_ins": [
            {"kind": kind, "id": key, "served": served, "detail": detail} for kind, key, served, detail in staged.parts
        ],
        "environment": staged.environment,
        "shrunk": staged.shrunk,
        "sandbox": staged.confined,
    }


def _issue(document: Document) -> str:
    """Return what stands in the way as a numbered list; empty where nothing does."""
    verdict = document.verdict
    lines = [
        f"{number}. {f.path}:{f.line} {f.message} ({f.rule}, {f.severity}); {f.remedy}"
        for number, f in enumerate(sorted(verdict.findings, key=_by_weight), start=1)
    ]
    for criterion in verdict.criteria:
        if criterion.asked and str(criterion.state) in ("not checked", "checker error"):
            reasons = "; ".join(criterion.reasons) or "no reason given"
            lines.append(
                f"Criterion {int(criterion.criterion)} ({criterion.criterion.title}): {criterion.state}: {reasons}"
            )
    lines += [f"Not checked, though asked for: {reason}" for reason in verdict.unanswered]
    return "\n".join(lines)


def _by_weight(finding: Finding) -> tuple[int, Finding]:
    return ["blocker", "major", "minor"].index(finding.severity), finding


def _finding(finding: Finding, document: Document) -> dict[str, Any]:
    rule = document.by_id.get(finding.rule)
    return {
        "rule": finding.rule,
        "name": rule.name if rule else None,
        "criterion": int(rule.criterion) if rule else None,
        "severity": str(finding.severity),
        "confidence": finding.confidence,
        "path": finding.path,
        "line": finding.line,
        "column": finding.column,
        "end_line": finding.end_line,
        "end_column": finding.end_column,
        "message": finding.message,
        "remedy": finding.remedy,
        "fixable": bool(finding.edits),
        "fingerprint": document.fingerprints[finding],
    }
