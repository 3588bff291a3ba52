"""SARIF 2.1.0 (OASIS), for code scanning services and editors."""

from __future__ import annotations

import json
from typing import Any

from greenlight import __version__
from greenlight.report.document import Document, Explained, Opined
from greenlight.review.finding import Finding, Severity
from greenlight.review.verdict import State

NAME = "sarif"
_SCHEMA = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"
_LEVELS = {Severity.BLOCKER: "error", Severity.MAJOR: "error", Severity.MINOR: "warning"}


def render(document: Document) -> str:
    """Return a log with one run; paths are relative to ``%SRCROOT%``."""
    verdict = document.verdict
    troubles = [c for c in verdict.criteria if c.asked and c.state in (State.NOT_CHECKED, State.CHECKER_ERROR)]
    positions = {rule.id: index for index, rule in enumerate(document.rules)}
    run: dict[str, Any] = {
        "tool": {
            "driver": {"name": "greenlight", "version": __version__, "rules": [_rule(rule) for rule in document.rules]}
        },
        "invocations": [
            {
                "executionSuccessful": verdict.exit_status != 2,
                "toolExecutionNotifications": [
                    {
                        "level": "error" if c.state is State.CHECKER_ERROR else "warning",
                        "message": {"text": f"{c.criterion.title}: {c.state}: {reason}"},
                    }
                    for c in troubles
                    for reason in (c.reasons or ("no reason given",))
                ]
                + [{"level": "error", "message": {"text": reason}} for reason in verdict.unanswered],
            }
        ],
        "columnKind": "unicodeCodePoints",
        "originalUriBaseIds": {"%SRCROOT%": {"description": {"text": "The experiment's folder."}}},
        "results": [
            *(_result(finding, document, positions) for finding in verdict.findings),
            *map(_opinion, document.opinions),
        ],
    }
    return json.dumps({"$schema": _SCHEMA, "version": "2.1.0", "runs": [run]}, indent=2, ensure_ascii=False) + "\n"


def _rule(rule: Explained) -> dict[str, Any]:
    return {
        "id": rule.id,
        "name": "".join(word.capitalize() for word in rule.name.split("-")),
        "shortDescription": {"text": rule.summary},
        "fullDescription": {"text": rule.why},
        "help": {"text": f"{rule.why} {rule.remedy}", "markdown": f"{rule.why}\n\n{rule.remedy}"},
        "defaultConfiguration": {"level": _LEVELS[rule.severity]},
        "properties": {"tags": [rule.criterion.title], "problem.severity": str(rule.severity)},
    }


def _result(finding: Finding, document: Document, positions: dict[str, int]) -> dict[str, Any]:
    region: dict[str, int] = {"startLine": finding.line, "startColumn": finding.column}
    if finding.end_line is not None and finding.end_column is not None:
        region |= {"endLine": finding.end_line, "endColumn": finding.end_column}
    result: dict[str, Any] = {
        "ruleId": finding.rule,
        "level": _LEVELS[finding.severity],
        "message": {"text": f"{finding.message}; {finding.remedy}"},
        "locations": [
            {
                "physicalLocation": {
                    "artifactLocation": {"uri": _uri(finding.path), "uriBaseId": "%SRCROOT%"},
                    "region": region,
                }
            }
        ],
        "partialFingerprints": {"greenlight/v1": document.fingerprints[finding]},
        "properties": {"severity": str(finding.severity), "confidence": finding.confidence},
    }
    if finding.rule in positions:
        result["ruleIndex"] = positions[finding.rule]
    return result


def _opinion(opinion: Opined) -> dict[str, Any]:
    return {
        "ruleId": "opinion",
        "level": "note",
        "message": {"text": f"opinion: {opinion.issue}; {opinion.suggestion}"},
        "locations": [
            {
                "physicalLocation": {
                    "artifactLocation": {"uri": _uri(opinion.path), "uriBaseId": "%SRCROOT%"},
                    "region": {"startLine": opinion.line},
                }
            }
        ],
    }


def _uri(path: str) -> str:
    from urllib.parse import quote

    return quote(path)
