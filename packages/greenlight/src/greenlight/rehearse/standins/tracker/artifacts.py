"""Artifacts: named collections of versions, whose files are stored once per content."""

from __future__ import annotations

import base64
import binascii
import json
import sqlite3
import time
from collections.abc import Sequence
from typing import Any, Final

from .blobs import Blobs, Received
from .database import Database
from .files import check_name
from .records import Artifact, ArtifactFile, Collection
from .runs import RefusedError

MAX_MANIFEST_BYTES: Final = 256 << 20


def blob_of(digest: str) -> str:
    """Return the blob name of a manifest's digest: its MD5 in hexadecimal instead of base64.

    Raises
    ------
    RefusedError
        If the text is no base64 MD5.
    """
    try:
        raw = base64.b64decode(digest, validate=True)
    except (binascii.Error, ValueError):
        raw = b""
    if len(raw) != 16:
        raise RefusedError(f"digest {digest[:60]!r}: a file is named by its MD5 in base64")
    return raw.hex()


class Artifacts:
    """The artifacts of a store."""

    def __init__(self, database: Database, blobs: Blobs) -> None:
        self._database = database
        self._blobs = blobs

    def collection(self, number: int) -> Collection | None:
        """Return a collection by its number, or None."""
        row = self._database.read().execute("SELECT * FROM collection WHERE id = ?", (number,)).fetchone()
        return None if row is None else Collection.of(row)

    def collections(self, project_id: int, *, name: str | None = None, kind: str | None = None) -> list[Collection]:
        """Return the collections of a project that hold a committed version, by name and type if given."""
        rows = self._database.read().execute(
            "SELECT * FROM collection WHERE project_id = ? AND (?2 IS NULL OR name = ?2) AND (?3 IS NULL OR type = ?3)"
            " AND EXISTS (SELECT 1 FROM artifact WHERE collection_id = collection.id AND state = 'COMMITTED')"
            " ORDER BY name",
            (project_id, name, kind),
        )
        return [Collection.of(row) for row in rows]

    def artifact(self, number: int | None) -> Artifact | None:
        """Return a version by its number, or None."""
        row = self._database.read().execute("SELECT * FROM artifact WHERE id = ?", (number,)).fetchone()
        return None if row is None else Artifact.of(row)

    def by_client_id(self, client_id: str) -> Artifact | None:
        """Return the version that a client made under its own id, or None."""
        row = self._database.read().execute(
            "SELECT * FROM artifact WHERE client_id = ? ORDER BY id DESC LIMIT 1", (client_id,)
        )
        found = row.fetchone()
        return None if found is None else Artifact.of(found)

    def versions(self, collection_id: int) -> list[Artifact]:
        """Return the committed versions of a collection, the latest first."""
        rows = self._database.read().execute(
            "SELECT * FROM artifact WHERE collection_id = ? AND state = 'COMMITTED' ORDER BY version DESC",
            (collection_id,),
        )
        return [Artifact.of(row) for row in rows]

    def version(self, collection_id: int, label: str) -> Artifact | None:
        """Return the committed version that ``v3`` or an alias names, or None."""
        for artifact in self.versions(collection_id):
            if label == f"v{artifact.version}" or label in self.aliases(artifact.id):
                return artifact
        return None

    def aliases(self, artifact_id: int) -> list[str]:
        """Return the aliases that point at a version."""
        rows = self._database.read().execute(
            "SELECT name FROM alias WHERE artifact_id = ? ORDER BY name", (artifact_id,)
        )
        return [row["name"] for row in rows]

    def of_run(self, run_id: int) -> list[Artifact]:
        """Return the committed versions that a run logged."""
        rows = self._database.read().execute(
            "SELECT * FROM artifact WHERE run_id = ? AND state = 'COMMITTED' ORDER BY id", (run_id,)
        )
        return [Artifact.of(row) for row in rows]

    def used_by(self, run_id: int) -> list[Artifact]:
        """Return the versions that a run declared as input."""
        rows = self._database.read().execute(
            "SELECT artifact.* FROM artifact JOIN artifact_use ON artifact.id = artifact_id"
            " WHERE artifact_use.run_id = ?",
            (run_id,),
        )
        return [Artifact.of(row) for row in rows]

    def users(self, artifact_id: int) -> list[int]:
        """Return the numbers of the runs that declared a version as input."""
        rows = self._database.read().execute(
            "SELECT run_id FROM artifact_use WHERE artifact_id = ? ORDER BY run_id", (artifact_id,)
        )
        return [row["run_id"] for row in rows]

    def files(self, artifact_id: int, names: Sequence[str] | None = None) -> list[ArtifactFile]:
        """Return the files of a version, all or by name."""
        rows = self._database.read().execute(
            "SELECT * FROM artifact_file WHERE artifact_id = ? ORDER BY name", (artifact_id,)
        )
        wanted = set(names or ())
        return [ArtifactFile.of(row) for row in rows if not wanted or row["name"] in wanted]

    def create(
        self, project_id: int, kind: str, name: str, aliases: Sequence[str], deduplicate: bool, columns: dict[str, Any]
    ) -> tuple[Artifact, Artifact | None]:
        """Open a new version, or find a committed one of the same digest; also return the latest before it.

        Raises
        ------
        RefusedError
            If the collection exists with another type.
        """
        now = time.time()
        with self._database.write() as connection:
            connection.execute(
                "INSERT INTO collection (project_id, type, name, created_at) VALUES (?, ?, ?, ?)"
                " ON CONFLICT (project_id, name) DO NOTHING",
                (project_id, kind, name, now),
            )
            row = connection.execute(
                "SELECT * FROM collection WHERE project_id = ? AND name = ?", (project_id, name)
            ).fetchone()
            if row["type"] != kind:
                raise RefusedError(f"artifact {name!r}: it has the type {row['type']!r} already, not {kind!r}")
            latest = connection.execute(
                "SELECT * FROM artifact WHERE collection_id = ? AND state = 'COMMITTED' ORDER BY version DESC LIMIT 1",
                (row["id"],),
            ).fetchone()
            same = connection.execute(
                "SELECT * FROM artifact WHERE collection_id = ? AND digest = ? AND state = 'COMMITTED'"
                " ORDER BY version DESC LIMIT 1",
                (row["id"], columns["digest"]),
            ).fetchone()
            if deduplicate and same is not None:
                _point(connection, row["id"], same["id"], ["latest", *aliases])
                made = same
            else:
                values = {
                    **columns, "collection_id": row["id"], "state": "PENDING", "created_at": now,
                    "wanted_aliases": json.dumps(list(aliases)),
                }  # fmt: skip
                names = ", ".join(values)
                cursor = connection.execute(
                    f"INSERT INTO artifact ({names}) VALUES ({', '.join('?' * len(values))})",  # noqa: S608 - our names
                    list(values.values()),
                )
                made = connection.execute("SELECT * FROM artifact WHERE id = ?", (cursor.lastrowid,)).fetchone()
        return Artifact.of(made), None if latest is None else Artifact.of(latest)

    def keep_blob(self, digest_hex: str, received: Received) -> None:
        """Store the content of an artifact file under its MD5.

        Raises
        ------
        RefusedError
            If the content has another MD5 than the manifest says; nothing is kept.
        """
        if received.md5 != digest_hex:
            self._blobs.discard(received)
            raise RefusedError(f"upload: the content has the MD5 {received.md5}, the manifest says {digest_hex}")
        self._blobs.keep(received, digest_hex)

    def keep_manifest(self, artifact_id: int, received: Received) -> None:
        """Store the manifest of a version that is not committed yet, and read its list of files.

        Raises
        ------
        RefusedError
            If the version is gone or committed, or the manifest cannot be read.
        """
        entries = self._read_manifest(received)
        self._blobs.keep(received, received.md5)
        with self._database.write() as connection:
            changed = connection.execute(
                "UPDATE artifact SET manifest_blob = ?, size = ? WHERE id = ? AND state = 'PENDING'",
                (received.md5, sum(entry[2] for entry in entries), artifact_id),
            ).rowcount
            if changed == 0:
                raise RefusedError("upload: the artifact is committed or deleted, its manifest cannot change")
            connection.execute("DELETE FROM artifact_file WHERE artifact_id = ?", (artifact_id,))
            connection.executemany(
                "INSERT INTO artifact_file (artifact_id, name, digest, size, ref, birth_id) VALUES (?, ?, ?, ?, ?, ?)",
                [(artifact_id, *entry) for entry in entries],
            )

    def _read_manifest(self, received: Received) -> list[tuple[str, str, int, str | None, str | None]]:
        try:
            if received.size > MAX_MANIFEST_BYTES:
                raise RefusedError(f"manifest: {received.size} bytes, the tracker reads at most {MAX_MANIFEST_BYTES}")
            contents = json.loads(received.draft.read_bytes())["contents"]
            entries = [
                (
                    name,
                    str(entry["digest"]),
                    int(entry.get("size") or 0),
                    entry.get("ref"),
                    entry.get("birthArtifactID"),
                )
                for name, entry in contents.items()
            ]
            for name, *_ in entries:
                check_name(name)
        except RefusedError:
            self._blobs.discard(received)
            raise
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            self._blobs.discard(received)
            raise RefusedError("manifest: not the JSON of an artifact manifest") from error
        return entries

    def commit(self, artifact_id: int) -> Artifact:
        """Give a version its number and its aliases; committing twice changes nothing.

        Raises
        ------
        RefusedError
            If the version is gone, has no manifest, or a file of it was never uploaded.
        """
        missing = [
            file.name
            for file in self.files(artifact_id)
            if file.ref is None and not self._blobs.holds(blob_of(file.digest))
        ]
        if missing:
            raise RefusedError(f"commit: the file {missing[0]!r} of the artifact was not uploaded")
        with self._database.write() as connection:
            row = connection.execute("SELECT * FROM artifact WHERE id = ?", (artifact_id,)).fetchone()
            if row is None or row["manifest_blob"] is None:
                raise RefusedError("commit: the artifact is deleted or its manifest was not uploaded")
            if row["state"] != "COMMITTED":
                connection.execute(
                    "UPDATE artifact SET state = 'COMMITTED', updated_at = ?, version ="
                    " (SELECT ifnull(max(version) + 1, 0) FROM artifact WHERE collection_id = ?) WHERE id = ?",
                    (time.time(), row["collection_id"], artifact_id),
                )
                _point(connection, row["collection_id"], artifact_id, ["latest", *json.loads(row["wanted_aliases"])])
            return Artifact.of(connection.execute("SELECT * FROM artifact WHERE id = ?", (artifact_id,)).fetchone())

    def update(self, artifact_id: int, columns: dict[str, Any], aliases: Sequence[str] | None) -> Artifact:
        """Change description, metadata, tags or (as a whole) the aliases of a version.

        Raises
        ------
        RefusedError
            If the version is gone.
        """
        with self._database.write() as connection:
            columns = {**columns, "updated_at": time.time()}
            assignments = ", ".join(f"{name} = ?" for name in columns)
            connection.execute(
                f"UPDATE artifact SET {assignments} WHERE id = ?",  # noqa: S608 - the names are ours
                [*columns.values(), artifact_id],
            )
            row = connection.execute("SELECT * FROM artifact WHERE id = ?", (artifact_id,)).fetchone()
            if row is None:
                raise RefusedError("artifact not found: it may have been deleted")
            if aliases is not None:
                connection.execute("DELETE FROM alias WHERE artifact_id = ?", (artifact_id,))
                _point(connection, row["collection_id"], artifact_id, aliases)
        return Artifact.of(row)

    def set_aliases(self, artifact: Artifact, *, add: Sequence[str] = (), remove: Sequence[str] = ()) -> None:
        """Point aliases at a version, or take them from it."""
        with self._database.write() as connection:
            _point(connection, artifact.collection_id, artifact.id, add)
            connection.executemany(
                "DELETE FROM alias WHERE artifact_id = ? AND name = ?", [(artifact.id, name) for name in remove]
            )

    def use(self, artifact_id: int, run_id: int) -> None:
        """Declare a version as the input of a run."""
        with self._database.write() as connection:
            connection.execute("INSERT OR IGNORE INTO artifact_use VALUES (?, ?)", (run_id, artifact_id))

    def delete(self, artifact_id: int, *, with_aliases: bool) -> None:
        """Delete a version; its content stays, another version may hold the same.

        Raises
        ------
        RefusedError
            If aliases other than ``latest`` point at it and they are not to be deleted, or it is gone.
        """
        named = [name for name in self.aliases(artifact_id) if name != "latest"]
        if named and not with_aliases:
            raise RefusedError(f"artifact: the alias {named[0]!r} points at it; delete it with its aliases")
        with self._database.write() as connection:
            if connection.execute("DELETE FROM artifact WHERE id = ?", (artifact_id,)).rowcount == 0:
                raise RefusedError("artifact not found: it may have been deleted")


def _point(connection: sqlite3.Connection, collection_id: int, artifact_id: int, names: Sequence[str]) -> None:
    connection.executemany(
        "INSERT OR REPLACE INTO alias (collection_id, name, artifact_id) VALUES (?, ?, ?)",
        [(collection_id, name, artifact_id) for name in names],
    )
