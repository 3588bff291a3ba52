"""One file of a snapshot as a response: hash, ranges, and never other bytes under an old hash."""

from __future__ import annotations

import re

from starlette.requests import Request
from starlette.responses import FileResponse, Response

from greenlight.rehearse.standins.hub.gate import error
from greenlight.rehearse.standins.hub.snapshot import Entry, Shelf, Snapshot

_TEXT = (".json", ".jsonl", ".ndjson", ".md", ".txt", ".csv", ".tsv", ".yaml", ".yml", ".jinja", ".py")
_RANGE = re.compile(r"bytes=(\d{0,18})-(\d{0,18})", re.ASCII)


class _Download(FileResponse):
    chunk_size = 2**20  # with the default of 64 KiB the hand-over to a thread per chunk costs more than the reading


def no_entry(snapshot: Snapshot, path: str) -> Response:
    """Return the error for a path that a snapshot does not hold."""
    return error(
        404,
        f"{snapshot.repository.id} has no entry {path!r} at {snapshot.commit}",
        "EntryNotFound",
        {"X-Repo-Commit": snapshot.commit},
    )


def no_revision(snapshot: Snapshot, revision: str) -> Response:
    """Return the error for a revision under which a snapshot is not known."""
    sentence = f"{snapshot.repository.id} has no revision {revision!r}; its folder is at {snapshot.commit} (main)"
    return error(404, sentence, "RevisionNotFound")


def resolve(shelf: Shelf, path: str, revision: str, request: Request) -> Response:
    """Return a file, or the part of it that was asked for.

    Parameters
    ----------
    shelf
        The repository.
    path, revision
        What the client asks for.
    request
        Its headers decide about ranges (RFC 9110, section 14) and about 304.

    Raises
    ------
    OSError
        If the folder cannot be listed.
    """
    for again in (False, True):
        snapshot = shelf.present(again=again)
        if revision not in snapshot.revisions:
            return no_revision(snapshot, revision)
        entry = snapshot.entries.get(path)
        if entry is None:
            return no_entry(snapshot, path)
        status = entry.status()
        if entry.content is None and status is None:
            continue  # replaced since the listing: the client must learn of the new commit
        headers = _headers(snapshot, entry)
        if _is_known(request.headers.get("if-none-match", ""), entry):
            return Response(status_code=304, headers=headers)
        # never HTML, whatever the file is called: the pages of the hub are the only ones with its origin
        media = "text/plain; charset=utf-8" if path.lower().endswith(_TEXT) else "application/octet-stream"
        if entry.source is None:
            return _of_bytes(entry.read(), request.headers.get("range", ""), headers, media)
        return _Download(entry.source, headers=headers, media_type=media, stat_result=status)
    return error(503, f"{path} of {snapshot.repository.id} is being written: try again when it is at rest")


def _headers(snapshot: Snapshot, entry: Entry) -> dict[str, str]:
    headers = {
        "X-Repo-Commit": snapshot.commit,
        "ETag": f'"{entry.digest.etag}"',
        "Accept-Ranges": "bytes",
        "Content-Security-Policy": "default-src 'none'; sandbox",
    }
    if entry.digest.sha256:
        headers |= {"X-Linked-ETag": headers["ETag"], "X-Linked-Size": str(entry.size_bytes)}
    return headers


def _is_known(if_none_match: str, entry: Entry) -> bool:
    tags = {tag.strip().removeprefix("W/") for tag in if_none_match.split(",")}
    return "*" in tags or f'"{entry.digest.etag}"' in tags


def _of_bytes(content: bytes, wanted: str, headers: dict[str, str], media: str) -> Response:
    """Return bytes that are no file, or one range of them; other forms of ranges get everything, as they may."""
    found = _RANGE.fullmatch(wanted.strip())
    if found is None or not any(found.groups()):
        return Response(content, headers=headers, media_type=media)
    first, last = found.groups()
    start = int(first) if first else max(len(content) - int(last), 0)
    end = min(int(last) + 1, len(content)) if first and last else len(content)
    if start >= end:
        return Response(status_code=416, headers={**headers, "Content-Range": f"bytes */{len(content)}"})
    headers = {**headers, "Content-Range": f"bytes {start}-{end - 1}/{len(content)}"}
    return Response(content[start:end], 206, headers, media)
