"""Applies the edits of findings that carry one, and takes back what makes anything worse."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path

from greenlight.contract.submission import Submission
from greenlight.errors import GreenlightError
from greenlight.review.engine import review
from greenlight.review.finding import Edit, Finding
from greenlight.review.rule import Rule

_ROUNDS = 5  # mending one line can bring the next one to light


def mended(
    submission: Submission, rules: Sequence[Rule], *, heed_comments: bool
) -> tuple[dict[str, bytes], list[Finding]]:
    """Return the files that mending changes, with their new content, and the findings that are gone.

    A finding's edits are kept only if the finding is gone afterwards and no other one came.
    """
    files = dict(submission.files)
    gone: list[Finding] = []
    for _ in range(_ROUNDS):
        before = review(dataclasses.replace(submission, files=files), rules, heed_comments=heed_comments).findings
        improved = False
        for finding in before:
            if not finding.edits:
                continue
            tried = _edited(files, finding.edits)
            if tried is None:
                continue
            after = review(dataclasses.replace(submission, files=tried), rules, heed_comments=heed_comments).findings
            if len(after) < len(before) and _kinds(after) <= _kinds(before):
                files, improved = tried, True
                gone.append(finding)
                break
        if not improved:
            break
    changed = {path: content for path, content in files.items() if content != submission.files.get(path)}
    return changed, gone


def _kinds(findings: Sequence[Finding]) -> set[tuple[str, str]]:
    return {(finding.rule, finding.path) for finding in findings}


def _edited(files: Mapping[str, bytes], edits: Sequence[Edit]) -> dict[str, bytes] | None:
    """Return the files with some edits made, or None where they do not fit."""
    result = dict(files)
    for edit in sorted(edits, key=lambda e: (e.path, -e.first)):
        if edit.path not in result:
            return None
        try:
            lines = result[edit.path].decode("utf-8").splitlines(keepends=True)
        except UnicodeDecodeError:
            return None
        if not 1 <= edit.first <= edit.last + 1 <= len(lines) + 1:
            return None
        text = edit.text if not edit.text or edit.text.endswith("\n") else edit.text + "\n"
        lines[edit.first - 1 : edit.last] = [text]
        result[edit.path] = "".join(lines).encode("utf-8")
    return result


def write(root: Path, changed: Mapping[str, bytes]) -> None:
    """Write changed files below a folder; each is there whole or as it was.

    Raises
    ------
    GreenlightError
        Where a file cannot be written.
    """
    for path, content in changed.items():
        target = root / path
        half = target.with_name(target.name + ".part")
        try:
            half.write_bytes(content)
            half.replace(target)
        except OSError as error:
            half.unlink(missing_ok=True)
            raise GreenlightError(f"{target}: cannot be written ({error.strerror}); make it writable") from error
