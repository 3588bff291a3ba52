"""The safe edits of the review, for findings that speak of what has just crashed."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import ClassVar

from greenlight.contract.submission import Submission
from greenlight.rehearse.menders.mender import Mended, Mender
from greenlight.rehearse.observer.record import Raised
from greenlight.review.engine import review
from greenlight.review.finding import Finding
from greenlight.review.mending import mended
from greenlight.review.registry import all_rules

# Crashes that happen at another line than the finding stands at.
_ELSEWHERE = (
    (re.compile(r"Config name is missing"), "GL301"),
    (re.compile(r"on the same device"), "GL402"),
    (re.compile(r"[Kk]ey '?[\w.]+'? is not in struct|Missing key"), "GL206"),
    (re.compile(r"must be (?:a )?str|not (?:an? )?'?int'?\b|valid string|int\b.*\bto str"), "GL705"),
)
# The rules that write edits at all; the others need not be asked.
EDITING = ("GL206", "GL301", "GL402", "GL506", "GL507", "GL705")


class ReviewEdits(Mender):
    """What ``greenlight review --fix`` would write."""

    name: ClassVar[str] = "review-edits"
    rank: ClassVar[int] = 0

    def mend(self, raised: Raised, files: Mapping[str, bytes]) -> Mended | None:
        """Return the files with the edits of the rule that found this very mistake."""
        submission = Submission("scratch copy", "bundle", files)
        rules = [r for r in all_rules() if r.id in EDITING]
        for finding in review(submission, rules, heed_comments=False).findings:
            if finding.edits and _is_about(finding, raised):
                rule = next(r for r in rules if r.id == finding.rule)
                changed, gone = mended(submission, [rule], heed_comments=False)
                if changed:
                    return Mended({**files, **changed}, f"{gone[0].path}: {gone[0].remedy} ({finding.rule})")
        return None


def _is_about(finding: Finding, raised: Raised) -> bool:
    if raised.path.endswith(".toml"):
        return finding.path == raised.path
    last = finding.end_line or finding.line
    places = [(f.path, f.line) for f in raised.frames] or [(raised.path, raised.line)]
    if any(path == finding.path and finding.line <= line <= last for path, line in places):
        return True
    words = f"{raised.message}\n{raised.root_message}"
    return any(rule == finding.rule and said.search(words) for said, rule in _ELSEWHERE)
