"""What a judge says: opinions that quote a line, or the reason why there are none."""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from typing import ClassVar

from greenlight.review.criteria import Criterion

# Shorter keys are placeholders of local servers ("none", "EMPTY"): taking them out would tear words apart.
_SHORTEST_SECRET = 8
_ESCAPES = re.compile(r"\x1b\[[0-?]*[ -/]*[@-~]|\x1b\][^\x07\x1b]*(?:\x07|\x1b\\)?|\x1b[ -/]*[0-~]")


class Unanswered(Exception):  # noqa: N818 - an outcome, not a defect
    """The judge gave no answer that can be used; the message is one line with the reason and the remedy."""


@dataclass(frozen=True, order=True)
class Opinion:
    """What a language model thinks of one line; nothing in it is proven but the quote.

    Attributes
    ----------
    path, line
        The place, counted from 1: where the quote stands, whatever the model said.
    quote
        The line that it speaks of, white space run together; it occurs in the file.
    criterion
        The criterion that the question belongs to.
    question
        What was asked: the number of a sentence of the contract, or ``fidelity``.
    issue, suggestion
        One line each, cut to 400 characters.
    """

    confidence: ClassVar[str] = "opinion"

    path: str
    line: int
    quote: str
    criterion: Criterion
    question: str
    issue: str
    suggestion: str


@dataclass(frozen=True)
class Asked:
    """What came of asking.

    Attributes
    ----------
    opinions
        In order of files and lines; empty where the judge has nothing to say, and where it failed.
    discarded
        How many were thrown away: the quote does not stand in the file, the question was not asked, the form is
        wrong, or it is a repetition or one too many.
    failure
        Why there is no answer, in one line; None where there is one. A failure is no verdict: what was asked for is
        *not checked*.
    left_out
        What the judge was not shown, one sentence each.
    """

    opinions: tuple[Opinion, ...]
    discarded: int = 0
    failure: str | None = None
    left_out: tuple[str, ...] = ()


def one_line(text: str, limit: int, secret: str | None = None) -> str:
    """Return a stranger's text as one line without control characters, terminal escapes and the secret.

    Characters that change the direction of the text, have no width, or cannot be written as UTF-8 go too.

    Parameters
    ----------
    text
        Anything; only its first ``20 * limit`` characters are looked at.
    limit
        The most characters that are returned, the mark of the cut included.
    secret
        Replaced by ``***`` wherever it stands, if it has at least eight characters.
    """
    shown = _ESCAPES.sub("", text[: 20 * limit])
    shown = "".join(" " if c.isspace() else c for c in shown if c.isspace() or unicodedata.category(c)[0] != "C")
    shown = " ".join(shown.split())
    # Last, since what was taken out may have stood inside the secret; before the cut, which may go through it.
    if secret and len(secret) >= _SHORTEST_SECRET:
        shown = shown.replace(secret, "***")
    return shown if len(shown) <= limit else shown[: limit - 1] + "…"
