"""A review as a colleague writes it: decision, summary, and for each finding file, issue, suggestion and reasoning."""

from __future__ import annotations

from collections import Counter

from greenlight.report.document import Document, Opined
from greenlight.review.finding import Finding
from greenlight.review.verdict import State

NAME = "review"


def render(document: Document) -> str:
    """Return the review in Markdown."""
    verdict = document.verdict
    decision = "Approve" if verdict.is_code_ready else "Request Changes"
    parts = [f"# Review: {verdict.subject}", f"**Decision:** {decision}", f"**Summary:**\n{_summary(document)}"]
    if verdict.findings:
        parts += ["---", "**Detailed Feedback:**", *(_feedback(finding, document) for finding in verdict.findings)]
    if document.opinions:
        parts += ["---", "**Opinions of a language model, not proven:**", *map(_opinion, document.opinions)]
    return "\n\n".join(parts) + "\n"


def _summary(document: Document) -> str:
    verdict = document.verdict
    passed = [c for c in verdict.criteria if c.state in (State.PASS, State.NOT_APPLICABLE)]
    sentences = []
    if verdict.findings:
        counts = Counter(str(finding.severity) for finding in verdict.findings)
        counted = ", ".join(f"{counts[key]} {key}" for key in ("blocker", "major", "minor") if counts[key])
        files = len({finding.path for finding in verdict.findings})
        plural = "s" if files > 1 else ""
        failed = [f"{int(c.criterion)} ({c.criterion.title})" for c in verdict.criteria if c.state is State.FAIL]
        sentences.append(f"The code is not ready: {counted} in {files} file{plural}.")
        sentences.append(f"Criteria that fail: {', '.join(failed)}.")
    else:
        sentences.append(f"No defect was found by {len(document.rules)} rules.")
    sentences.append(f"{len(passed)} of {len(verdict.criteria)} criteria pass or do not apply.")
    for criterion in verdict.criteria:
        if criterion.state in (State.NOT_CHECKED, State.CHECKER_ERROR):
            reasons = "; ".join(criterion.reasons)
            sentences.append(
                f"Criterion {int(criterion.criterion)} ({criterion.criterion.title}) is {criterion.state}: {reasons}."
            )
    sentences += [f"Not checked, though asked for: {reason}." for reason in verdict.unanswered]
    if document.staged is None:
        sentences.append("What only a run can show was not looked at.")
    else:
        commands = document.staged.commands
        ended_badly = sum(1 for command in commands if command.ended != "exit 0")
        sentences.append(f"The documented commands were performed {len(commands)} times; {ended_badly} of them failed.")
    return " ".join(sentences)


def _feedback(finding: Finding, document: Document) -> str:
    rule = document.by_id.get(finding.rule)
    title = rule.name.replace("-", " ").capitalize() if rule else finding.rule
    reasoning = f"{rule.summary} {rule.why}" if rule else finding.remedy
    return "\n".join(
        [
            f"*   **Finding:** {title} ({finding.rule}, {finding.severity})",
            f"    *   **File:** `{finding.path}`, line {finding.line}",
            f"    *   **Issue:** {finding.message}",
            f"    *   **Suggestion:** {finding.remedy}",
            f"    *   **Reasoning:** {reasoning}",
        ]
    )


def _opinion(opinion: Opined) -> str:
    return "\n".join(
        [
            f"*   **Opinion** on criterion {int(opinion.criterion)} ({opinion.criterion.title})",
            f"    *   **File:** `{opinion.path}`, line {opinion.line}",
            f"    *   **Issue:** {opinion.issue}",
            f"    *   **Suggestion:** {opinion.suggestion}",
        ]
    )
