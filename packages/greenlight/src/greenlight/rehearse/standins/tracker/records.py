"""The values that travel between the store, the GraphQL schema and the page."""

from __future__ import annotations

import base64
import binascii
import json
import sqlite3
from dataclasses import dataclass, fields
from datetime import UTC, datetime
from typing import Any, Self

LINE_COUNTS = ("history_lines", "event_lines", "log_lines")


@dataclass(frozen=True)
class Record:
    """A row of the store; its columns are named as its fields are."""

    @classmethod
    def of(cls, row: sqlite3.Row) -> Self:
        """Return the record that a row holds."""
        return cls(**{field.name: row[field.name] for field in fields(cls)})


@dataclass(frozen=True)
class Project(Record):
    """A folder of runs; `created_at` is Unix time in seconds, as every time below."""

    id: int
    entity: str
    name: str
    description: str | None
    created_at: float


@dataclass(frozen=True)
class Run(Record):
    """One run; `name` is what the client calls its id, and JSON columns are text exactly as it arrived."""

    id: int
    project_id: int
    entity: str
    project: str
    name: str
    display_name: str | None
    state: str
    exit_code: int | None
    stopped: int
    config: str
    summary: str
    tags: str
    notes: str | None
    description: str | None
    group_name: str | None
    job_type: str | None
    host: str | None
    program: str | None
    repo: str | None
    git_commit: str | None
    sweep: str | None
    created_at: float
    heartbeat_at: float
    ended_at: float | None
    history_lines: int
    event_lines: int
    log_lines: int
    last_step: int
    revision: int
    epoch: int

    def settings(self) -> dict[str, Any]:
        """Return the configuration as the user wrote it: without W&B's own entry and without the wrapping."""
        return {
            key: entry["value"] if isinstance(entry, dict) and "value" in entry else entry
            for key, entry in json.loads(self.config).items()
            if key not in ("_wandb", "wandb_version")
        }

    def client_entry(self) -> dict[str, Any]:
        """Return what the client notes about itself in the configuration: versions, telemetry, environment."""
        entry = json.loads(self.config).get("_wandb")
        value = entry.get("value") if isinstance(entry, dict) else None
        return value if isinstance(value, dict) else {}


@dataclass(frozen=True)
class StoredFile(Record):
    """A file that a run uploaded."""

    id: int
    run_id: int
    name: str
    blob: str
    md5: str
    size: int
    updated_at: float


@dataclass(frozen=True)
class Collection(Record):
    """The versions of one artifact name."""

    id: int
    project_id: int
    type: str
    name: str
    description: str | None
    created_at: float


@dataclass(frozen=True)
class Artifact(Record):
    """One version of an artifact; `version` is None until it is committed."""

    id: int
    collection_id: int
    version: int | None
    state: str
    digest: str
    digest_algorithm: str
    description: str | None
    metadata: str | None
    tags: str
    wanted_aliases: str
    client_id: str | None
    run_id: int | None
    history_step: int | None
    size: int
    manifest_blob: str | None
    created_at: float
    updated_at: float | None


@dataclass(frozen=True)
class ArtifactFile(Record):
    """A file of an artifact version; `digest` is the base64 MD5 of the manifest."""

    id: int
    artifact_id: int
    name: str
    digest: str
    size: int
    ref: str | None
    birth_id: str | None


def node_id(kind: str, number: int) -> str:
    """Return the id that the client sees; it must be base64, because the client rewrites it in hexadecimal."""
    return base64.b64encode(f"{kind}:{number}".encode()).decode()


def row_id(kind: str, node: str) -> int | None:
    """Return the number inside an id of that kind, or None if it is no such id."""
    try:
        found, _, number = base64.b64decode(node, validate=True).decode("ascii").partition(":")
    except (binascii.Error, ValueError):
        return None
    return int(number) if found == kind and number.isdecimal() and len(number) < 19 else None


def stamp(time_s: float | None) -> str | None:
    """Return Unix time as the client writes it: ISO 8601 in UTC, to the second."""
    if time_s is None:
        return None
    return datetime.fromtimestamp(time_s, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
