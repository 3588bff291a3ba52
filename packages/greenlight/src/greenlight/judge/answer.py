"""From what a model wrote to opinions: only those survive whose quote stands in the file."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Sequence
from typing import Any

from greenlight.judge.opinion import Opinion, Unanswered, one_line
from greenlight.judge.questions import Question
from greenlight.judge.shown import Shown

MOST_OPINIONS = 50
_MOST_READ = 200  # entries; looking for quotes costs time
_SHORTEST_QUOTE = 8  # characters that are not blank: less stands in every file
_LONGEST_QUOTE = 4000
_LONGEST_TEXT = 400
_FIELDS = ("path", "quote", "issue", "suggestion")
_THOUGHTS = re.compile(r"\A\s*<think(?:ing)?>.*?</think(?:ing)?>", re.DOTALL)
_NUMBER = re.compile(r"^[ \t]*[0-9]+ \|", re.MULTILINE)


def opinions_of(
    content: str, questions: Sequence[Question], files: Iterable[Shown], secret: str | None = None
) -> tuple[tuple[Opinion, ...], int]:
    """Return the opinions in a model's answer in order of their places, and how many were thrown away.

    Parameters
    ----------
    content
        A JSON object with ``opinions``, or a list of them; thoughts before it and a fence around it are taken off.
    questions
        What was asked; an opinion on anything else is thrown away.
    files
        What was shown.
    secret
        Is in no opinion.

    Raises
    ------
    Unanswered
        If that is no JSON, or not one of its entries has the form of an opinion.
    """
    entries = _entries(_json(content))
    by_key, by_path = {question.key: question for question in questions}, {file.path: file for file in files}
    formed = [entry for entry in entries[:_MOST_READ] if _has_form(entry)]
    if entries and not formed:
        raise Unanswered("its answer holds no opinion in the form that was asked for; ask another model")
    kept: dict[Opinion, None] = {}
    for entry in formed:
        opinion = _opinion(entry, by_key, by_path, secret)
        if opinion is not None:
            kept[opinion] = None
        if len(kept) == MOST_OPINIONS:
            break
    return tuple(sorted(kept)), len(entries) - len(kept)


def _json(content: str) -> Any:
    said = _THOUGHTS.sub("", content).strip()
    for text in (said, *reversed(_fenced(said))):
        try:
            return json.loads(text)
        except (ValueError, RecursionError):
            continue
    raise Unanswered("its answer is not the JSON that was asked for; ask another model")


def _fenced(text: str) -> list[str]:
    """Return what stands in fences; line by line, since an expression over megabytes could take minutes."""
    found: list[str] = []
    inside: list[str] | None = None
    for line in text.split("\n"):
        if not line.lstrip().startswith("```"):
            if inside is not None:
                inside.append(line)
        elif inside is None:
            inside = []
        else:
            found.append("\n".join(inside))
            inside = None
    return found


def _entries(answer: Any) -> list[Any]:
    if isinstance(answer, dict):
        answer = answer.get("opinions")
    if not isinstance(answer, list):
        raise Unanswered("its answer has no list of opinions; ask another model")
    return answer


def _has_form(entry: Any) -> bool:
    return (
        isinstance(entry, dict)
        and isinstance(entry.get("criterion"), str | int | float)
        and all(isinstance(entry.get(field), str) for field in _FIELDS)
    )


def _opinion(
    entry: dict[str, Any], questions: dict[str, Question], files: dict[str, Shown], secret: str | None
) -> Opinion | None:
    question = questions.get(str(entry["criterion"]).strip().lower())
    file = files.get(entry["path"].strip().removeprefix("./"))
    issue = one_line(entry["issue"], _LONGEST_TEXT, secret)
    if question is None or file is None or not issue:
        return None
    near = _line(entry.get("line"))
    # Models copy the numbers that they see; what stands in the file as it is goes first.
    said = entry["quote"]
    for text in (said, _NUMBER.sub("", said)) if len(said) <= _LONGEST_QUOTE else ():
        quote = " ".join(text.split())
        enough = len(quote.replace(" ", "")) >= _SHORTEST_QUOTE
        line = file.line_of(quote, near) if enough else None
        if line is not None:
            return Opinion(
                file.path,
                line,
                one_line(quote, _LONGEST_TEXT, secret),
                question.criterion,
                question.key,
                issue,
                one_line(entry["suggestion"], _LONGEST_TEXT, secret),
            )
    return None


def _line(said: Any) -> int:
    """Return the line that was named; 1 where that is no number."""
    if isinstance(said, str) and re.fullmatch(r"[0-9]{1,9}", said.strip()):
        return int(said)
    return said if isinstance(said, int) and not isinstance(said, bool) else 1
