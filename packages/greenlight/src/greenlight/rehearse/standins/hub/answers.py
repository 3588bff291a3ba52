"""The JSON that the public hub answers with, made from snapshots; what a folder cannot know is left out."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime
from typing import Any

from greenlight.rehearse.standins.hub.digests import pointer
from greenlight.rehearse.standins.hub.snapshot import Entry, Snapshot

Json = dict[str, Any]
_CONFIG_BYTES = 2**20


def _date(moment: datetime) -> str:
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.000Z")


def _plain(value: object) -> Any:
    """Return a YAML value as JSON has it: dates and other scalars as text."""
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple, set)):
        return [_plain(item) for item in value]
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    return value if value is None or isinstance(value, (str, int, float, bool)) else str(value)


def _lfs(entry: Entry) -> Json | None:
    sha256 = entry.digest.sha256
    if sha256 is None:
        return None
    return {
        "size": entry.size_bytes,
        "pointerSize": len(pointer(sha256, entry.size_bytes)),
        "oid": sha256,
        "sha256": sha256,
    }


def _without_none(row: Json) -> Json:
    return {key: value for key, value in row.items() if value is not None}


def _sibling(entry: Entry, *, blobs: bool) -> Json:
    row: Json = {"rfilename": entry.path}
    if blobs:
        row |= {"size": entry.size_bytes, "blobId": entry.digest.blob, "lfs": _lfs(entry)}
    return _without_none(row)


def _architecture(snapshot: Snapshot) -> Json | None:
    """Return what the hub repeats of a model's config.json."""
    entry = snapshot.entries.get("config.json")
    if entry is None or entry.size_bytes > _CONFIG_BYTES:
        return None
    try:
        found = json.loads(entry.read())
    except (ValueError, OSError):
        return None
    if not isinstance(found, dict):
        return None
    return {key: _plain(found[key]) for key in ("architectures", "model_type") if key in found}


def info(snapshot: Snapshot, *, blobs: bool = False) -> Json:
    """Return the description of a repository, as ``model_info`` and ``dataset_info`` read it.

    Parameters
    ----------
    snapshot
        The repository.
    blobs
        Add size and hashes of every file (``files_metadata=True``).
    """
    repository = snapshot.repository
    metadata = _plain(snapshot.card().metadata)
    tags = metadata.get("tags")
    row: Json = {
        "_id": snapshot.commit[:24],
        "id": repository.id,
        "author": repository.id.split("/")[0] if "/" in repository.id else None,
        "sha": snapshot.commit,
        "lastModified": _date(snapshot.modified),
        "private": False,
        "gated": False,
        "disabled": False,
        "tags": [tag for tag in tags if isinstance(tag, str)] if isinstance(tags, list) else [],
        "cardData": metadata or None,
        "siblings": [_sibling(entry, blobs=blobs) for entry in snapshot.entries.values()],
        "usedStorage": sum(entry.size_bytes for entry in snapshot.entries.values()),
    }
    if repository.kind == "model":
        row |= {
            "modelId": repository.id,
            "config": _architecture(snapshot),
            "pipeline_tag": metadata.get("pipeline_tag"),
            "library_name": metadata.get("library_name"),
        }
    return _without_none(row)


def _commit(snapshot: Snapshot) -> Json:
    return {"id": snapshot.commit, "title": "the folder as it is now", "date": _date(snapshot.modified)}


def _file(snapshot: Snapshot, entry: Entry, *, expand: bool) -> Json:
    return _without_none(
        {
            "type": "file",
            "path": entry.path,
            "size": entry.size_bytes,
            "oid": entry.digest.blob,
            "lfs": _lfs(entry),
            "lastCommit": _commit(snapshot) if expand else None,
        }
    )


def _folder(snapshot: Snapshot, path: str, *, expand: bool) -> Json:
    return _without_none(
        {
            "type": "directory",
            "path": path,
            "size": 0,
            "oid": snapshot.folders[path],
            "lastCommit": _commit(snapshot) if expand else None,
        }
    )


def tree(snapshot: Snapshot, folder: str, *, recursive: bool, expand: bool) -> Iterator[Json]:
    """Yield the folders and files below a folder; for the path of a file, that file.

    Parameters
    ----------
    snapshot
        The repository.
    folder
        A path that the snapshot holds; empty for the root.
    recursive
        List what the folders below hold, too.
    expand
        Add the commit of each row.
    """
    if folder in snapshot.entries:
        yield _file(snapshot, snapshot.entries[folder], expand=expand)
        return
    prefix = f"{folder}/" if folder else ""
    below = (path for path in (*snapshot.folders, *snapshot.entries) if path and path.startswith(prefix))
    yield from paths(snapshot, (path for path in below if recursive or "/" not in path[len(prefix) :]), expand=expand)


def paths(snapshot: Snapshot, wanted: Iterable[str], *, expand: bool) -> Iterator[Json]:
    """Yield a row for each of the wanted paths that the snapshot holds; others are passed over."""
    for path in wanted:
        if path in snapshot.entries:
            yield _file(snapshot, snapshot.entries[path], expand=expand)
        elif path and path in snapshot.folders:
            yield _folder(snapshot, path, expand=expand)


def refs(snapshot: Snapshot) -> Json:
    """Return the one branch that a folder has."""
    branch = {"name": "main", "ref": "refs/heads/main", "targetCommit": snapshot.commit}
    return {"branches": [branch], "converts": [], "tags": [], "pullRequests": []}


def commits(snapshot: Snapshot) -> list[Json]:
    """Return the one commit that a folder has."""
    return [{**_commit(snapshot), "message": "", "authors": []}]


def matches(row: Json, *, author: str | None, search: Iterable[str], tags: Iterable[str]) -> bool:
    """Say whether a description passes the filters of ``list_models`` and ``list_datasets``."""
    return (
        (author is None or row.get("author") == author)
        and all(word.lower() in row["id"].lower() for word in search)
        and all(tag in row["tags"] for tag in tags)
    )


def whoami() -> Json:
    """Return the account that every visitor of a local hub has."""
    return {
        "type": "user",
        "id": "0" * 24,
        "name": "greenlight",
        "fullname": "the greenlight hub on this machine",
        "orgs": [],
        "auth": {"type": "access_token", "accessToken": {"displayName": "local", "role": "read"}},
    }
