"""Ask a judge: what it is shown, what it answers, and what of that can be kept."""

from __future__ import annotations

from collections.abc import Sequence

from greenlight.contract.submission import Submission
from greenlight.judge.answer import MOST_OPINIONS, opinions_of
from greenlight.judge.completion import completion
from greenlight.judge.endpoint import endpoint
from greenlight.judge.opinion import Asked, Unanswered, one_line
from greenlight.judge.prompt import messages
from greenlight.judge.questions import questions
from greenlight.judge.shown import shown_files
from greenlight.review.finding import Finding

BUDGET = 200_000
"""Characters of files that a judge is shown: about 60 000 tokens, which fits into a context of 128 000 with ease."""


def ask(
    submission: Submission,
    findings: Sequence[Finding],
    *,
    base_url: str,
    model: str,
    key: str | None,
    timeout_s: float = 120.0,
    budget: int = BUDGET,
) -> Asked:
    """Return the opinions of a language model on what only meaning can tell.

    The files, the findings and the hypothesis are sent to the endpoint. Neither the submission nor the findings are
    changed, whatever it answers.

    Parameters
    ----------
    submission
        The experiment.
    findings
        What the review has found: the judge sees it first, so that it does not repeat it.
    base_url
        What stands before ``/chat/completions`` of an OpenAI-compatible server, such as ``https://api.openai.com/v1``.
    model
        The model's name there.
    key
        The bearer token, or None for a server that wants none.
    timeout_s
        Seconds for everything together, one repetition included.
    budget
        Characters of files that are sent at most; what is cut stands in ``left_out``.

    Raises
    ------
    GreenlightError
        For an address, model, key or time-out that cannot be used. What goes wrong while asking is a ``failure``.
    """
    where = endpoint(base_url, model, key, timeout_s)
    files, left_out = shown_files(submission, budget)
    if not any(file.lines for file in files):
        return Asked((), failure="judge: there is not one line that it could be shown", left_out=left_out)
    asked = questions(has_hypothesis=bool((submission.hypothesis or "").strip()))
    chat, cut = messages(submission, findings, files, left_out, asked, MOST_OPINIONS)
    try:
        opinions, discarded = opinions_of(completion(where, chat), asked, files, where.key)
    except Unanswered as reason:
        name = f"judge {one_line(where.base_url, 120)}"
        return Asked((), failure=one_line(f"{name}: {reason}", 600, where.key), left_out=(*left_out, *cut))
    return Asked(opinions, discarded, left_out=(*left_out, *cut))
