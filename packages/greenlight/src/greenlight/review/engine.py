"""Runs the rules over an experiment; a rule that crashes is told as that, never as a pass and never as a finding."""

from __future__ import annotations

import traceback
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from greenlight.contract.submission import Submission
from greenlight.review.criteria import Criterion
from greenlight.review.finding import Finding
from greenlight.review.fingerprint import fingerprints, lines_of
from greenlight.review.rule import NotApplicable, NotChecked, Rule
from greenlight.review.subject import Subject
from greenlight.review.suppression import suppressed
from greenlight.review.verdict import CriterionVerdict, State, Verdict


class Asked(Protocol):
    """What the verdict needs to know of a rule, whatever it looks at."""

    @property
    def id(self) -> str: ...  # noqa: D102
    @property
    def criterion(self) -> Criterion: ...  # noqa: D102


@dataclass(frozen=True)
class Outcome:
    """What one rule came to: its findings, or a state with a reason."""

    rule: Asked
    state: State
    findings: tuple[Finding, ...] = ()
    reason: str | None = None


def run_rule(rule: Rule, subject: Subject) -> Outcome:
    """Return what a rule says about an experiment; whatever it raises is an outcome."""
    return outcome_of(rule, lambda: rule.check(subject))


def outcome_of(rule: Asked, check: Callable[[], Iterable[Finding]]) -> Outcome:
    """Return what a rule's check comes to; whatever it raises is an outcome."""
    findings: list[Finding] = []
    state, reason = State.PASS, None
    try:
        # What was found before a rule gave up is true all the same.
        findings.extend(check())
    except NotApplicable as error:
        state, reason = State.NOT_APPLICABLE, str(error)
    except NotChecked as error:
        state, reason = State.NOT_CHECKED, f"{rule.id}: {error}"
    except Exception as error:  # noqa: BLE001 - a rule meets code that nobody foresaw
        last = traceback.extract_tb(error.__traceback__)[-1]
        where = f"{last.filename.rpartition('/')[2]}:{last.lineno}"
        state, reason = State.CHECKER_ERROR, f"{rule.id} {type(error).__name__} at {where}: {error}"
    if findings and state in (State.PASS, State.NOT_APPLICABLE):
        state, reason = State.FAIL, None
    return Outcome(rule, state, tuple(sorted(set(findings))), reason)


def review(
    submission: Submission, rules: Sequence[Rule], *, known: frozenset[str] = frozenset(), heed_comments: bool = True
) -> Verdict:
    """Return the verdict of some rules on an experiment.

    Parameters
    ----------
    submission
        The experiment.
    rules
        The rules to run, see :func:`greenlight.review.registry.all_rules`.
    known
        Fingerprints of findings that do not count, see :mod:`greenlight.review.baseline`.
    heed_comments
        Whether ``# greenlight: ignore[...]`` with a reason takes a finding out.
    """
    subject = Subject(submission)
    return judged(subject, [run_rule(rule, subject) for rule in rules], known=known, heed_comments=heed_comments)


def judged(
    subject: Subject, outcomes: Sequence[Outcome], *, known: frozenset[str] = frozenset(), heed_comments: bool = True
) -> Verdict:
    """Return the verdict that follows from what rules came to; parameters as for :func:`review`."""
    submission = subject.submission
    everything = sorted({finding for outcome in outcomes for finding in outcome.findings})
    kept, muted = suppressed(subject, everything) if heed_comments else (everything, [])
    prints = fingerprints(kept, lines_of(submission.files))
    standing = [finding for finding in kept if prints[finding] not in known]
    return Verdict(
        submission.name,
        tuple(standing),
        criteria_of(outcomes, standing, subject.unreadable),
        suppressed=len(muted),
        known=len(kept) - len(standing),
    )


def criteria_of(
    outcomes: Sequence[Outcome], kept: Sequence[Finding], unreadable: Mapping[str, str]
) -> tuple[CriterionVerdict, ...]:
    """Return the state of each criterion from what its rules came to.

    Parameters
    ----------
    outcomes
        Of all rules that were asked.
    kept
        The findings that count.
    unreadable
        Files whose content is not known, with what is the matter: a criterion about them does not pass.
    """
    standing = {finding.rule for finding in kept}
    verdicts = []
    for criterion in Criterion:
        own = [outcome for outcome in outcomes if outcome.rule.criterion is criterion]
        count = sum(1 for finding in kept if any(finding.rule == outcome.rule.id for outcome in own))
        states = {o.state for o in own if o.state is not State.FAIL or o.rule.id in standing}
        if not own:
            state = State.NOT_CHECKED
            reasons: tuple[str, ...] = ("none of its rules was selected",)
        else:
            state = next((s for s in _WORST_FIRST if s in states), State.PASS)
            if count and state is not State.CHECKER_ERROR:
                state = State.FAIL
            reasons = tuple(dict.fromkeys(o.reason for o in own if o.reason and o.state in (state, *_ALWAYS_TOLD)))
            unseen = [f"{path} {unreadable[path]}" for path in _ABOUT[criterion] if path in unreadable]
            if unseen and state in (State.PASS, State.NOT_APPLICABLE):
                state, reasons = State.NOT_CHECKED, tuple(unseen)
        verdicts.append(CriterionVerdict(criterion, state, reasons, count, asked=bool(own)))
    return tuple(verdicts)


# What each criterion is about; the first and the fifth tell what is wrong with the files themselves.
_ABOUT: Mapping[Criterion, tuple[str, ...]] = {
    Criterion.COMPLETE: (),
    Criterion.HYDRA: ("src/main.py", "src/train.py", "config/config.yaml"),
    Criterion.DATA: ("src/preprocess.py",),
    Criterion.MODEL: ("src/model.py", "src/train.py"),
    Criterion.FILES: (),
    Criterion.TRACKING: ("src/train.py", "config/config.yaml"),
    Criterion.CONFIGURATION: ("src/train.py", "src/preprocess.py", "src/model.py", "config/config.yaml"),
    Criterion.EVALUATION: ("src/evaluate.py",),
    Criterion.MODES: ("src/main.py", "src/train.py"),
}
# A criterion some of whose rules do not apply passes by the others.
_WORST_FIRST = (State.CHECKER_ERROR, State.FAIL, State.NOT_CHECKED, State.PASS, State.NOT_APPLICABLE)
_ALWAYS_TOLD = (State.CHECKER_ERROR, State.NOT_CHECKED)
