"""A review as the command line asks for it: settings, rules, baseline, mending, and the document that is printed."""

from __future__ import annotations

import dataclasses
import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from greenlight.contract.submission import Submission, submission
from greenlight.errors import GreenlightError
from greenlight.report.document import Document
from greenlight.review import baseline, mending
from greenlight.review.engine import review
from greenlight.review.registry import all_rules, matching
from greenlight.review.rule import Rule
from greenlight.review.settings import Settings, settings_for
from greenlight.review.suppression import without_reason
from greenlight.review.verdict import Verdict

if TYPE_CHECKING:
    from greenlight.judge import Opinion


@dataclass(frozen=True)
class Request:
    """What is to be reviewed, and how.

    Attributes
    ----------
    path
        A folder, a bundle or a recorded prompt.
    select, ignore
        Ids, names and prefixes; ``select`` takes the place of the settings', ``ignore`` adds to them.
    baseline, update_baseline
        The file of known findings, and whether it is written instead of read.
    fix
        Whether safe edits are made; only in a folder.
    judge_url, judge_model
        An OpenAI-compatible endpoint and its model, to be asked for opinions; both or none.
    isolated
        True heeds neither ``[tool.greenlight]`` nor comments: what a gate over somebody else's code wants.
    """

    path: Path
    select: tuple[str, ...] = ()
    ignore: tuple[str, ...] = ()
    baseline: Path | None = None
    update_baseline: bool = False
    fix: bool = False
    isolated: bool = False
    judge_url: str | None = None
    judge_model: str | None = None


def reviewed(request: Request, *, colour: bool = False) -> Document:
    """Return the document of a review.

    Raises
    ------
    GreenlightError
        For input that cannot be read, an unknown rule or setting, or a baseline that cannot be used.
    """
    subject = submission(request.path)
    settings = settings_for(subject.root) if subject.root and not request.isolated else Settings()
    rules = _chosen(request, settings)
    file = request.baseline or settings.baseline
    if request.update_baseline and file is None:
        raise GreenlightError("--update-baseline without a file: name it with --baseline FILE")
    notes: list[str] = []
    if settings.ignore:
        notes.append(f"{settings.source} ignores {', '.join(settings.ignore)}; --isolated does not heed that")
    if request.fix:
        subject = _mend(subject, rules, request, notes)
    known = frozenset() if file is None or request.update_baseline else baseline.read_baseline(file)
    verdict = review(subject, rules, known=known, heed_comments=not request.isolated)
    if request.update_baseline and file is not None:
        baseline.write_baseline(file, verdict.findings, dict(subject.files))
        notes.append(f"{len(verdict.findings)} findings written to {file}")
    if not request.isolated:
        notes += [f"{place} gives no reason and takes nothing out" for place in without_reason(subject)]
    opinions: tuple[Opinion, ...] = ()
    if request.judge_url is not None or request.judge_model is not None:
        verdict, opinions = _judged(subject, verdict, request, notes)
    return Document(verdict, rules, subject.files, colour, tuple(notes), opinions)


def _judged(
    subject: Submission, verdict: Verdict, request: Request, notes: list[str]
) -> tuple[Verdict, tuple[Opinion, ...]]:
    """Return the verdict, and what a judge thinks; a judge that gives no answer leaves the verdict *not ready*."""
    from greenlight.judge import KEY_VARIABLE, ask

    if request.judge_url is None or request.judge_model is None:
        missing = "--judge-url" if request.judge_url is None else "--judge-model"
        raise GreenlightError(f"{missing} is missing: a judge is an address and a model; give both")
    asked = ask(
        subject,
        verdict.findings,
        base_url=request.judge_url,
        model=request.judge_model,
        key=os.environ.get(KEY_VARIABLE),
    )
    if asked.failure is not None:
        return dataclasses.replace(verdict, unanswered=(asked.failure,)), ()
    if asked.discarded:
        notes.append(
            f"{asked.discarded} opinions of the judge were discarded: what they quote does not stand in the code"
        )
    if asked.left_out:
        notes.append(f"the judge did not see all of {', '.join(asked.left_out)}")
    return verdict, asked.opinions


def _chosen(request: Request, settings: Settings) -> tuple[Rule, ...]:
    selected = matching(request.select or settings.select)
    ignored = matching((*request.ignore, *settings.ignore))
    rules = tuple(r for r in all_rules() if (not selected or r.id in selected) and r.id not in ignored)
    if not rules:
        raise GreenlightError("no rule is left to run: every selected rule is ignored; change --select or --ignore")
    return rules


def _mend(subject: Submission, rules: tuple[Rule, ...], request: Request, notes: list[str]) -> Submission:
    if subject.root is None:
        raise GreenlightError(
            f"{request.path}: --fix changes files and a {subject.form} has none; unpack it to a folder"
        )
    changed, gone = mending.mended(subject, rules, heed_comments=not request.isolated)
    mending.write(subject.root, changed)
    notes += [f"mended {finding.path}:{finding.line} {finding.rule}: {finding.remedy}" for finding in gone]
    return submission(request.path)
