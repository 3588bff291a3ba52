"""The OpenAI-compatible protocol: one question to ``/chat/completions``, and the text that comes back."""

from __future__ import annotations

import email.utils
import json
import re
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from greenlight import __version__
from greenlight.judge.endpoint import KEY_VARIABLE, Endpoint
from greenlight.judge.exchange import Reply, post
from greenlight.judge.opinion import Unanswered, one_line

_MOST_REDIRECTS = 3
_PAUSE_S = 1.0  # before the repetition, where the server names no time
_REFUSED_FORM = (400, 422)
_REDIRECTS = (301, 302, 303, 307, 308)


def completion(endpoint: Endpoint, messages: Sequence[dict[str, str]]) -> str:
    """Return the text of a model's answer.

    A JSON object is asked for with ``response_format``; a server that refuses the request is asked once more without
    it and without a temperature, which some models do not take. 429 and 5xx are repeated once, after the time that
    ``Retry-After`` names.

    Raises
    ------
    Unanswered
        For everything else than a complete text within the time-out.
    """
    deadline_s = time.monotonic() + endpoint.timeout_s
    plain: dict[str, Any] = {"model": endpoint.model, "messages": list(messages), "stream": False}
    question = plain | {"temperature": 0, "response_format": {"type": "json_object"}}
    repetitions = 1
    while True:
        reply = _posted(endpoint, question, deadline_s)
        if reply.status in _REFUSED_FORM and question is not plain:
            question = plain
        elif (reply.status == 429 or reply.status >= 500) and repetitions:
            repetitions -= 1
            _pause(endpoint, reply, deadline_s)
        else:
            break
    if not 200 <= reply.status < 300:
        raise Unanswered(_refusal(endpoint, reply))
    return _text(endpoint, reply)


def _posted(endpoint: Endpoint, question: dict[str, Any], deadline_s: float) -> Reply:
    body = json.dumps(question).encode("ascii")
    headers = {
        "Content-Type": "application/json",
        "Accept": "application/json",
        "Accept-Encoding": "identity",
        "User-Agent": f"greenlight/{__version__}",
    }
    if endpoint.key:
        headers["Authorization"] = f"Bearer {endpoint.key}"
    address = endpoint.address
    for _ in range(1 + _MOST_REDIRECTS):
        reply = post(address, body, headers, deadline_s)
        location = reply.header("Location")
        if reply.status not in _REDIRECTS or location is None:
            return reply
        following = endpoint.followed(address, location)
        if following is None:
            shown = one_line(location, 120, endpoint.key)
            raise Unanswered(f"redirects to {shown}, where code and key are not sent; name that as its address")
        address = following
    raise Unanswered(f"redirects more than {_MOST_REDIRECTS} times; correct its address")


def _pause(endpoint: Endpoint, reply: Reply, deadline_s: float) -> None:
    pause_s = _retry_after_s(reply.header("Retry-After"))
    if time.monotonic() + pause_s >= deadline_s:
        raise Unanswered(
            f"answers {reply.status} and names {pause_s:g} s to wait, more than is left of the time-out of "
            f"{endpoint.timeout_s:g} s; ask later"
        )
    time.sleep(pause_s)


def _retry_after_s(said: str | None) -> float:
    """Return the seconds of a ``Retry-After`` header (RFC 9110, 10.2.3): a number, or a date."""
    if said is not None and re.fullmatch(r"[0-9]{1,9}", said.strip()):
        return float(said)
    try:
        when = email.utils.parsedate_to_datetime(said or "")
    except (ValueError, TypeError, OverflowError):
        return _PAUSE_S
    now = datetime.now(UTC)
    return max(0.0, (when.replace(tzinfo=when.tzinfo or UTC) - now).total_seconds())


def _refusal(endpoint: Endpoint, reply: Reply) -> str:
    said = one_line(_error_of(reply.body), 200, endpoint.key)
    status = f"answers {reply.status}" + (f" ({said})" if said else "")
    if reply.status in (401, 403):
        if endpoint.key is None:
            return f"{status}: it wants a key; set {KEY_VARIABLE}"
        return f"{status}: it does not take the key in {KEY_VARIABLE}; set another"
    if reply.status == 404:
        return f"{status}: no chat/completions there, or no model {one_line(endpoint.model, 80)}; correct one of them"
    if reply.status == 429 or reply.status >= 500:
        return f"{status}, twice; ask later"
    return f"{status}; correct the request's address or model"


def _error_of(body: bytes) -> str:
    """Return what an error's body says, if it is JSON; pages of HTML tell nobody anything."""
    try:
        said = json.loads(body)
    except (ValueError, RecursionError):
        return ""
    if isinstance(said, dict):
        error = said.get("error", said.get("message", said.get("detail")))
        said = error.get("message") if isinstance(error, dict) else error
    return said if isinstance(said, str) else ""


def _text(endpoint: Endpoint, reply: Reply) -> str:
    try:
        whole = json.loads(reply.body)
    except (ValueError, RecursionError):
        raise Unanswered("its answer is not JSON; correct its address, many end with /v1") from None
    choices = whole.get("choices") if isinstance(whole, dict) else None
    choice = choices[0] if isinstance(choices, list) and choices else None
    message = choice.get("message") if isinstance(choice, dict) else None
    if not isinstance(choice, dict) or not isinstance(message, dict):
        said = one_line(_error_of(reply.body), 200, endpoint.key)
        raise Unanswered(f"its answer is no chat completion{f' ({said})' if said else ''}; correct its address")
    ended = choice.get("finish_reason")
    if ended == "length":
        raise Unanswered("its answer was cut off by the model's limit of length; raise that on the server")
    if ended == "content_filter" or message.get("refusal"):
        raise Unanswered("the model declines to answer; ask another")
    content = message.get("content")
    if isinstance(content, list):  # some servers send a list of parts
        texts = [part.get("text") for part in content if isinstance(part, dict)]
        content = "".join(text for text in texts if isinstance(text, str))
    if not isinstance(content, str) or not content.strip():
        raise Unanswered("its answer is empty; ask again or another model")
    return content
