"""The files of runs: what they are called, where their bytes lie, which blobs nothing needs any more."""

from __future__ import annotations

import re
import sqlite3
import time
from collections.abc import Iterable, Sequence
from typing import Final

from .blobs import Blobs, Received, new_name
from .database import Database
from .records import StoredFile
from .runs import RefusedError

MAX_NAME: Final = 1024


def check_name(name: str) -> None:
    """Refuse a file name that a client could not store below a folder of its own.

    The tracker itself never uses a name as a path; whoever downloads a run's files does.

    Raises
    ------
    RefusedError
        If the name is empty, absolute, too long, or climbs.
    """
    parts = name.split("/")
    if (
        not 0 < len(name) <= MAX_NAME
        or any(part in ("", ".", "..") for part in parts)
        or any(ord(character) < 32 or character == "\\" for character in name)
        or re.match(r"[A-Za-z]:", name)
    ):
        raise RefusedError(
            f"file name {name[:80]!r}: a name is relative, at most {MAX_NAME} characters, without . or .."
        )


class Files:
    """The uploaded files of runs."""

    def __init__(self, database: Database, blobs: Blobs) -> None:
        self._database = database
        self._blobs = blobs

    def keep(self, run_id: int, name: str, received: Received) -> None:
        """Store an upload as the file `name` of a run, in place of an older one.

        Raises
        ------
        RefusedError
            If the run is gone or the name is not usable; the upload is discarded.
        """
        blob = new_name()
        try:
            check_name(name)
            self._blobs.keep(received, blob)
            with self._database.write() as connection:
                older = connection.execute(
                    "SELECT blob FROM file WHERE run_id = ? AND name = ?", (run_id, name)
                ).fetchone()
                connection.execute(
                    "INSERT INTO file (run_id, name, blob, md5, size, updated_at) VALUES (?, ?, ?, ?, ?, ?)"
                    " ON CONFLICT (run_id, name) DO UPDATE SET blob = excluded.blob, md5 = excluded.md5,"
                    " size = excluded.size, updated_at = excluded.updated_at",
                    (run_id, name, blob, received.md5, received.size, time.time()),
                )
                connection.execute("UPDATE run SET revision = revision + 1 WHERE id = ?", (run_id,))
        except sqlite3.IntegrityError as error:
            self._blobs.remove(blob)
            raise RefusedError("upload: run not found, it may have been deleted") from error
        except RefusedError:
            self._blobs.discard(received)
            raise
        if older is not None:
            self._blobs.remove(older["blob"])

    def of_run(self, run_id: int, names: Sequence[str] = (), pattern: str | None = None) -> list[StoredFile]:
        """Return a run's files in the order of their names; `pattern` is one of SQL's LIKE."""
        rows = self._database.read().execute(
            "SELECT * FROM file WHERE run_id = ? AND (? IS NULL OR name LIKE ?) ORDER BY name",
            (run_id, pattern, pattern),
        )
        wanted = set(names)
        return [StoredFile.of(row) for row in rows if not wanted or row["name"] in wanted]

    def find(self, run_id: int, name: str) -> StoredFile | None:
        """Return one file of a run, or None."""
        row = (
            self._database.read().execute("SELECT * FROM file WHERE run_id = ? AND name = ?", (run_id, name)).fetchone()
        )
        return None if row is None else StoredFile.of(row)

    def by_id(self, number: int) -> StoredFile | None:
        """Return one file by its number, or None."""
        row = self._database.read().execute("SELECT * FROM file WHERE id = ?", (number,)).fetchone()
        return None if row is None else StoredFile.of(row)

    def delete(self, numbers: Iterable[int]) -> None:
        """Delete files and their content."""
        blobs = []
        with self._database.write() as connection:
            for number in numbers:
                row = connection.execute("DELETE FROM file WHERE id = ? RETURNING blob", (number,)).fetchone()
                if row is not None:
                    blobs.append(row["blob"])
        self.drop(blobs)

    def drop(self, blobs: Iterable[str]) -> None:
        """Delete the content that deleted files leave behind."""
        for blob in blobs:
            self._blobs.remove(blob)
