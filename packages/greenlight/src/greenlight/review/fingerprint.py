"""What identifies a finding while the lines around it move."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Callable, Iterable, Mapping

from greenlight.review.finding import Finding


def fingerprints(findings: Iterable[Finding], line: Callable[[str, int], str]) -> dict[Finding, str]:
    """Return a hash for each finding of its rule, its file, the line's own text, and which of its like it is.

    Parameters
    ----------
    findings
        In order of their lines.
    line
        Returns a line of a file by path and number.
    """
    seen: Counter[tuple[str, str, str]] = Counter()
    found = {}
    for finding in findings:
        key = (finding.rule, finding.path, " ".join(line(finding.path, finding.line).split()))
        found[finding] = hashlib.sha256("\n".join([*key, str(seen[key])]).encode("utf-8", "replace")).hexdigest()[:20]
        seen[key] += 1
    return found


def lines_of(files: Mapping[str, bytes]) -> Callable[[str, int], str]:
    """Return a function that gives a line of a file by path and number from 1; empty where there is none."""
    split: dict[str, list[str]] = {}

    def line(path: str, number: int) -> str:
        if path not in split:
            split[path] = files.get(path, b"").decode("utf-8", errors="replace").splitlines()
        return split[path][number - 1] if 0 < number <= len(split[path]) else ""

    return line
