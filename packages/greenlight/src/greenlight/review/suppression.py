"""Comments that take a finding out: ``# greenlight: ignore[GL201] reason``."""

from __future__ import annotations

import re
from collections.abc import Sequence

from greenlight.contract.submission import Submission
from greenlight.review.finding import Finding
from greenlight.review.subject import Subject

IGNORE = re.compile(r"#\s*greenlight:\s*ignore\[(?P<rules>[A-Za-z0-9,\s-]+)\]\s*(?P<reason>.*)$")


def suppressed(subject: Subject, findings: Sequence[Finding]) -> tuple[list[Finding], list[Finding]]:
    """Return the findings that stand and those that a comment with a reason takes out.

    The comment stands on the finding's first line, or alone on the line before. One without a reason takes out nothing.
    """
    lines: dict[str, list[str]] = {}
    kept: list[Finding] = []
    muted: list[Finding] = []
    for finding in findings:
        if finding.path not in lines:
            content = subject.submission.files.get(finding.path, b"")
            lines[finding.path] = content.decode("utf-8", errors="replace").splitlines()
        (muted if _is_ignored(finding, lines[finding.path]) else kept).append(finding)
    return kept, muted


def _is_ignored(finding: Finding, lines: list[str]) -> bool:
    for number in (finding.line, finding.line - 1):
        if not 0 < number <= len(lines):
            continue
        text = lines[number - 1]
        if number != finding.line and not text.lstrip().startswith("#"):
            continue
        comment = IGNORE.search(text)
        if comment and comment["reason"].strip():
            named = {part.strip().upper() for part in comment["rules"].split(",")}
            if finding.rule.upper() in named:
                return True
    return False


def without_reason(submission: Submission) -> list[str]:
    """Return the places of comments that give no reason, such as ``src/train.py:12 ignore[GL401]``."""
    places = []
    for path, content in submission.files.items():
        if b"greenlight:" not in content:
            continue
        for number, line in enumerate(content.decode("utf-8", errors="replace").splitlines(), start=1):
            comment = IGNORE.search(line)
            if comment and not comment["reason"].strip():
                places.append(f"{path}:{number} ignore[{comment['rules']}]")
    return places
