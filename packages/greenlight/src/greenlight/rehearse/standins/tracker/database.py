"""One SQLite file in WAL mode: one writer, a reader for every thread, nothing acknowledged before it is committed."""

from __future__ import annotations

import fcntl
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from greenlight.errors import GreenlightError

FILE = "tracker.sqlite"
VERSION = 1

HISTORY, EVENTS, LOG = 0, 1, 2

SCHEMA = """
CREATE TABLE project (
  id INTEGER PRIMARY KEY, entity TEXT NOT NULL, name TEXT NOT NULL, description TEXT,
  created_at REAL NOT NULL, UNIQUE (entity, name));

CREATE TABLE run (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  project_id INTEGER NOT NULL REFERENCES project (id) ON DELETE CASCADE,
  name TEXT NOT NULL, display_name TEXT, state TEXT NOT NULL, exit_code INTEGER, stopped INTEGER NOT NULL DEFAULT 0,
  config TEXT NOT NULL DEFAULT '{}', summary TEXT NOT NULL DEFAULT '{}', tags TEXT NOT NULL DEFAULT '[]',
  notes TEXT, description TEXT, group_name TEXT, job_type TEXT, host TEXT, program TEXT, repo TEXT, git_commit TEXT,
  sweep TEXT, created_at REAL NOT NULL, heartbeat_at REAL NOT NULL, ended_at REAL,
  history_lines INTEGER NOT NULL DEFAULT 0, event_lines INTEGER NOT NULL DEFAULT 0,
  log_lines INTEGER NOT NULL DEFAULT 0, last_step INTEGER NOT NULL DEFAULT -1,
  revision INTEGER NOT NULL DEFAULT 0, epoch INTEGER NOT NULL DEFAULT 0,
  UNIQUE (project_id, name));

CREATE TABLE line (
  run_id INTEGER NOT NULL REFERENCES run (id) ON DELETE CASCADE, stream INTEGER NOT NULL, number INTEGER NOT NULL,
  step INTEGER, text TEXT NOT NULL, PRIMARY KEY (run_id, stream, number)) WITHOUT ROWID;
CREATE INDEX line_step ON line (run_id, step) WHERE stream = 0;

CREATE TABLE metric (
  run_id INTEGER NOT NULL REFERENCES run (id) ON DELETE CASCADE, key TEXT NOT NULL, kind TEXT NOT NULL,
  rows INTEGER NOT NULL, PRIMARY KEY (run_id, key, kind)) WITHOUT ROWID;

CREATE TABLE file (
  id INTEGER PRIMARY KEY AUTOINCREMENT, run_id INTEGER NOT NULL REFERENCES run (id) ON DELETE CASCADE,
  name TEXT NOT NULL, blob TEXT NOT NULL, md5 TEXT NOT NULL, size INTEGER NOT NULL, updated_at REAL NOT NULL,
  UNIQUE (run_id, name));
CREATE INDEX file_blob ON file (blob);

CREATE TABLE collection (
  id INTEGER PRIMARY KEY AUTOINCREMENT, project_id INTEGER NOT NULL REFERENCES project (id) ON DELETE CASCADE,
  type TEXT NOT NULL, name TEXT NOT NULL, description TEXT, created_at REAL NOT NULL, UNIQUE (project_id, name));

CREATE TABLE artifact (
  id INTEGER PRIMARY KEY AUTOINCREMENT, collection_id INTEGER NOT NULL REFERENCES collection (id) ON DELETE CASCADE,
  version INTEGER, state TEXT NOT NULL, digest TEXT NOT NULL, digest_algorithm TEXT NOT NULL, description TEXT,
  metadata TEXT, tags TEXT NOT NULL DEFAULT '[]', wanted_aliases TEXT NOT NULL DEFAULT '[]', client_id TEXT,
  run_id INTEGER REFERENCES run (id) ON DELETE SET NULL, history_step INTEGER, size INTEGER NOT NULL DEFAULT 0,
  manifest_blob TEXT, created_at REAL NOT NULL, updated_at REAL, UNIQUE (collection_id, version));
CREATE INDEX artifact_client ON artifact (client_id);

CREATE TABLE alias (
  collection_id INTEGER NOT NULL REFERENCES collection (id) ON DELETE CASCADE, name TEXT NOT NULL,
  artifact_id INTEGER NOT NULL REFERENCES artifact (id) ON DELETE CASCADE,
  PRIMARY KEY (collection_id, name)) WITHOUT ROWID;

CREATE TABLE artifact_file (
  id INTEGER PRIMARY KEY AUTOINCREMENT, artifact_id INTEGER NOT NULL REFERENCES artifact (id) ON DELETE CASCADE,
  name TEXT NOT NULL, digest TEXT NOT NULL, size INTEGER NOT NULL, ref TEXT, birth_id TEXT,
  UNIQUE (artifact_id, name));
CREATE INDEX artifact_file_digest ON artifact_file (digest);

CREATE TABLE artifact_use (
  run_id INTEGER NOT NULL REFERENCES run (id) ON DELETE CASCADE,
  artifact_id INTEGER NOT NULL REFERENCES artifact (id) ON DELETE CASCADE,
  PRIMARY KEY (run_id, artifact_id)) WITHOUT ROWID;
"""


class Database:
    """The tracker's store.

    Parameters
    ----------
    data_dir
        A folder of the tracker's own; a second tracker on the same folder is refused.

    Raises
    ------
    GreenlightError
        If the folder is in use, cannot be written, or holds a store of another version.
    """

    def __init__(self, data_dir: Path) -> None:
        self._path = data_dir / FILE
        self._write_lock = threading.Lock()
        self._local = threading.local()
        self._readers: list[sqlite3.Connection] = []
        self._readers_lock = threading.Lock()
        try:
            data_dir.mkdir(parents=True, exist_ok=True, mode=0o700)
            self._lock_file = (data_dir / "lock").open("a")
        except OSError as error:
            reason = (error.strerror or str(error)).lower()
            raise GreenlightError(f"{data_dir}: {reason}; the tracker needs a folder it can write to") from error
        try:
            fcntl.flock(self._lock_file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            self._lock_file.close()
            raise GreenlightError(
                f"{data_dir}: another tracker uses this folder; stop it or pass another folder"
            ) from error
        try:
            self._writer = self._connect()
            self._prepare()
        except sqlite3.DatabaseError as error:
            self._lock_file.close()
            raise GreenlightError(
                f"{self._path}: {error}; this is no readable tracker store, move it away or pass another folder"
            ) from error
        except GreenlightError:
            self._lock_file.close()
            raise

    def _connect(self) -> sqlite3.Connection:
        connection = sqlite3.connect(self._path, isolation_level=None, check_same_thread=False, timeout=30.0)
        connection.row_factory = sqlite3.Row
        connection.execute("PRAGMA journal_mode = WAL")
        # a killed process loses nothing in WAL mode with NORMAL; a power cut may lose the last seconds
        connection.execute("PRAGMA synchronous = NORMAL")
        connection.execute("PRAGMA foreign_keys = ON")
        connection.execute("PRAGMA cache_size = -32768")
        return connection

    def _prepare(self) -> None:
        version = self._writer.execute("PRAGMA user_version").fetchone()[0]
        if version == 0:
            with self.write() as connection:
                for statement in SCHEMA.split(";\n"):
                    if statement.strip():
                        connection.execute(statement)
                connection.execute(f"PRAGMA user_version = {VERSION}")
        elif version != VERSION:
            raise GreenlightError(
                f"{self._path}: a store of version {version}, this tracker reads version {VERSION}; "
                "pass another folder or use the release that wrote it"
            )

    @contextmanager
    def write(self) -> Iterator[sqlite3.Connection]:
        """Give the one writing connection inside a transaction that commits at the end, or leaves no trace."""
        with self._write_lock:
            self._writer.execute("BEGIN IMMEDIATE")
            try:
                yield self._writer
            except BaseException:
                self._writer.execute("ROLLBACK")
                raise
            self._writer.execute("COMMIT")

    def read(self) -> sqlite3.Connection:
        """Return this thread's reading connection; it sees everything that was committed before."""
        connection: sqlite3.Connection | None = getattr(self._local, "connection", None)
        if connection is None:
            connection = self._connect()
            connection.execute("PRAGMA query_only = ON")
            self._local.connection = connection
            with self._readers_lock:
                self._readers.append(connection)
        return connection

    def close(self) -> None:
        """Fold the write-ahead log into the file and let go of the folder."""
        with self._write_lock:
            for connection in self._readers:
                connection.close()
            self._readers.clear()
            self._writer.execute("PRAGMA wal_checkpoint(TRUNCATE)")
            self._writer.close()
            self._lock_file.close()
