"""The verdict: the state of each criterion, and whether the code is ready."""

from __future__ import annotations

import enum
from dataclasses import dataclass

from greenlight.review.criteria import Criterion
from greenlight.review.finding import Finding


class State(enum.StrEnum):
    """What is known about a criterion; the worst of its rules decides."""

    PASS = "pass"  # noqa: S105 - a state
    FAIL = "fail"
    NOT_APPLICABLE = "not applicable"
    NOT_CHECKED = "not checked"
    CHECKER_ERROR = "checker error"


@dataclass(frozen=True)
class CriterionVerdict:
    """The state of one criterion, with the reasons where it is neither pass nor fail.

    ``asked`` is False for a criterion none of whose rules was selected: it does not stand in the way of *ready*.
    """

    criterion: Criterion
    state: State
    reasons: tuple[str, ...] = ()
    findings: int = 0
    asked: bool = True


@dataclass(frozen=True)
class Verdict:
    """What a review says about an experiment.

    Attributes
    ----------
    subject
        What was reviewed.
    findings
        In order of files, lines and rules; without what is suppressed or in the baseline.
    criteria
        One entry for each of the nine, in their order.
    suppressed, known
        How many findings a comment or the baseline took out.
    unanswered
        Why somebody who was asked beside the rules gave no answer, one line each.
    """

    subject: str
    findings: tuple[Finding, ...]
    criteria: tuple[CriterionVerdict, ...]
    suppressed: int = 0
    known: int = 0
    unanswered: tuple[str, ...] = ()

    @property
    def is_code_ready(self) -> bool:
        """Whether every criterion passes or does not apply, and nothing that was asked for went unchecked."""
        if self.findings or self.unanswered:
            return False
        return all(c.state in (State.PASS, State.NOT_APPLICABLE) or not c.asked for c in self.criteria)

    @property
    def exit_status(self) -> int:
        """0 for ready, 1 for not ready, 2 where the gate itself could not do its work."""
        if self.unanswered or any(c.state is State.CHECKER_ERROR for c in self.criteria):
            return 2
        return 0 if self.is_code_ready else 1
