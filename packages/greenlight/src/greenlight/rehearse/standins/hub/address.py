"""Take apart the path of a request, segment by segment, before anything is decoded across a slash."""

from __future__ import annotations

from collections.abc import Container
from dataclasses import dataclass
from urllib.parse import unquote_to_bytes

from greenlight.rehearse.standins.hub.repository import Kind

_KINDS: dict[str, Kind] = {"models": "model", "datasets": "dataset"}
_ELSEWHERE = frozenset({"buckets", "kernels", "spaces"})
_FILE_ACTIONS = frozenset({"resolve", "raw"})
_API_ACTIONS = frozenset({"revision", "tree", "paths-info", "refs", "commits", "auth-check"})


@dataclass(frozen=True)
class Address:
    """What a path asks for.

    Parameters
    ----------
    place
        ``home``, ``whoami``, ``list``, ``repository`` (an ``/api/`` address or a file), ``page``, or ``elsewhere`` for
        the kinds of repositories that only the public hub has.
    kind
        Models or data sets.
    id
        The repository, as far as the path names one.
    action
        ``info``, ``revision``, ``tree``, ``paths-info``, ``refs``, ``commits``, ``auth-check``, ``resolve``, or empty.
    revision
        The revision asked for, ``main`` unless the path names one.
    path
        The file or folder in the repository; may be empty.
    """

    place: str
    kind: Kind = "model"
    id: str = ""
    action: str = ""
    revision: str = "main"
    path: str = ""


def _segments(raw_path: bytes) -> list[str] | None:
    try:
        segments = [unquote_to_bytes(part).decode() for part in raw_path.split(b"/")[1:]]
    except UnicodeDecodeError:
        return None
    if segments and not segments[-1]:
        segments.pop()
    return segments


def _revision_and_path(rest: list[str]) -> tuple[str, str]:
    if rest[:1] == ["refs"] and len(rest) >= 3:  # refs/pr/1 and refs/convert/parquet arrive with bare slashes
        return "/".join(rest[:3]), "/".join(rest[3:])
    return (rest[0] if rest else "main"), "/".join(rest[1:])


def _in_repository(
    kind: Kind, segments: list[str], actions: frozenset[str], known: Container[tuple[Kind, str]]
) -> tuple[str, str, list[str]]:
    """Return id, action and the rest; ids with and without an owner are told apart by which of them exists."""
    lengths = [length for length in (2, 1) if length <= len(segments)]
    for length in lengths:
        identifier, rest = "/".join(segments[:length]), segments[length:]
        if (kind, identifier) in known and (not rest or rest[0] in actions):
            return identifier, rest[0] if rest else "", rest[1:]
    for length in reversed(lengths):  # nothing of that name: only the error needs to be right
        rest = segments[length:]
        if rest and rest[0] in actions:
            return "/".join(segments[:length]), rest[0], rest[1:]
    return "/".join(segments), "", []


def parse(raw_path: bytes, known: Container[tuple[Kind, str]]) -> Address | None:
    """Return what a raw path asks for, or None if it is no address of a hub.

    Parameters
    ----------
    raw_path
        The path as it was sent, without the query.
    known
        The kind and id of every repository that is served.
    """
    segments = _segments(raw_path)
    if segments is None:
        return None
    if not segments:
        return Address("home")
    if segments[0] == "api":
        if segments[1:] == ["whoami-v2"]:
            return Address("whoami")
        name = segments[1] if len(segments) > 1 else ""
        if name in _ELSEWHERE:
            return Address("elsewhere", id="/".join(segments[1:]))
        kind = _KINDS.get(name)
        if kind is None:
            return None
        if len(segments) == 2:
            return Address("list", kind)
        identifier, action, rest = _in_repository(kind, segments[2:], _API_ACTIONS, known)
        revision, path = _revision_and_path(rest)
        return Address("repository", kind, identifier, action or "info", revision, path)
    if segments[0] in _ELSEWHERE:
        return Address("elsewhere", id="/".join(segments))
    kind = "dataset" if segments[0] == "datasets" else "model"
    if kind == "dataset":
        segments = segments[1:]
        if not segments:
            return Address("home")
    identifier, action, rest = _in_repository(kind, segments, _FILE_ACTIONS, known)
    if not action:
        return Address("page", kind, identifier)
    revision, path = _revision_and_path(rest)
    return Address("repository", kind, identifier, "resolve", revision, path)
