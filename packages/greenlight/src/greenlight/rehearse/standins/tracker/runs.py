"""Projects and runs: found, listed, made, changed, deleted."""

from __future__ import annotations

import json
import re
import sqlite3
import time
from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Final

from .database import Database
from .records import Project, Run

DEFAULT_ENTITY: Final = "local"
DEFAULT_PROJECT: Final = "uncategorized"
NAME = re.compile(r"[^/\\#?%:\x00-\x1f\x7f]{1,128}")
# first parts of addresses that the client or the page use for something else
RESERVED: Final = frozenset({"-", ".", "..", "files", "sdk", "graphql", "artifacts", "artifactsV2", "authorize"})

# what a client sends once, when it opens a run without resuming it
BEGINNING: Final = ("display_name", "program", "host", "job_type", "group_name", "tags", "notes", "git_commit", "repo")

SELECT: Final = "SELECT run.*, project.entity, project.name AS project FROM run JOIN project ON project.id = project_id"

CHANGEABLE: Final = (
    "display_name", "notes", "description", "group_name", "job_type", "host", "program", "repo", "git_commit",
    "sweep", "tags", "config", "summary",
)  # fmt: skip


class RefusedError(Exception):
    """A request that cannot be met; the one-line message goes to the client."""


class Runs:
    """The projects and runs of a store.

    Parameters
    ----------
    database
        Where they are kept.
    crashed_after_s
        A run that says it is running and was silent for longer counts as crashed; the client's
        heartbeat comes every 30 s.
    """

    def __init__(self, database: Database, crashed_after_s: float) -> None:
        self._database = database
        self._crashed_after_s = crashed_after_s

    def projects(self, entity: str | None = None) -> list[Project]:
        """Return the projects, of one entity or all, the youngest first."""
        rows = self._database.read().execute(
            "SELECT * FROM project WHERE ?1 IS NULL OR entity = ?1 ORDER BY created_at DESC, id DESC", (entity,)
        )
        return [Project.of(row) for row in rows]

    def project(self, entity: str | None, name: str | None) -> Project | None:
        """Return one project, or None."""
        return _project(self._database.read(), entity or DEFAULT_ENTITY, name or DEFAULT_PROJECT)

    def make_project(
        self, entity: str | None, name: str | None, description: str | None = None
    ) -> tuple[Project, bool]:
        """Return a project, made if it was missing, and whether it was made.

        Raises
        ------
        RefusedError
            If one of the names cannot stand in an address.
        """
        entity, name = entity or DEFAULT_ENTITY, name or DEFAULT_PROJECT
        with self._database.write() as connection:
            return _make_project(connection, entity, name, description)

    def run(self, entity: str | None, project: str | None, name: str) -> Run | None:
        """Return one run by its path, or None."""
        row = self._database.read().execute(
            f"{SELECT} WHERE project.entity = ? AND project.name = ? AND run.name = ?",
            (entity or DEFAULT_ENTITY, project or DEFAULT_PROJECT, name),
        )
        return self._one(row.fetchone())

    def by_id(self, number: int | None) -> Run | None:
        """Return one run by its number, or None."""
        return self._one(self._database.read().execute(f"{SELECT} WHERE run.id = ?", (number,)).fetchone())

    def of_project(self, project_id: int) -> list[Run]:
        """Return all runs of a project, the oldest first."""
        rows = self._database.read().execute(f"{SELECT} WHERE project_id = ? ORDER BY run.id", (project_id,))
        return [run for row in rows if (run := self._one(row)) is not None]

    def _one(self, row: sqlite3.Row | None) -> Run | None:
        if row is None:
            return None
        run = Run.of(row)
        if run.state == "running" and time.time() - run.heartbeat_at > self._crashed_after_s:
            return replace(run, state="crashed", ended_at=run.heartbeat_at)
        return run

    def upsert(
        self, changes: Mapping[str, Any], *, number: int | None, path: tuple[str, str, str] | None
    ) -> tuple[Run, bool]:
        """Change a run, or make it; return it and whether it was made.

        Parameters
        ----------
        changes
            Columns to set, JSON columns as text; ``state`` may be among them. What is absent stays.
        number
            The run's number, when the client knows it.
        path
            Entity, project and run id; needed to make a run.

        Raises
        ------
        RefusedError
            If the run is unknown and no path says where to make it, a name is not usable, or JSON does not parse.
        """
        for column in ("config", "summary"):
            if column in changes:
                _check_object(column, changes[column])
        with self._database.write() as connection:
            if number is None:
                if path is None:
                    raise RefusedError("run not found: neither an id nor a name says which one is meant")
                number, inserted = self._find_or_make(
                    connection, path, begins=any(name in changes for name in BEGINNING)
                )
            elif connection.execute("SELECT 1 FROM run WHERE id = ?", (number,)).fetchone() is None:
                raise RefusedError("run not found: it may have been deleted")
            else:
                inserted = False
            if path is not None and "state" not in changes:
                # the process of a run names it by its path, wandb.Api by its number: the former shows that it lives
                connection.execute(
                    "UPDATE run SET state = 'running', exit_code = NULL, ended_at = NULL, heartbeat_at = ?"
                    " WHERE id = ?",
                    (time.time(), number),
                )
            names = [name for name in CHANGEABLE if name in changes]
            if "state" in changes:
                names.append("state")
            if names:
                assignments = ", ".join(f"{name} = ?" for name in names)
                connection.execute(
                    f"UPDATE run SET {assignments}, revision = revision + 1 WHERE id = ?",  # noqa: S608 - names are ours
                    [*(changes[name] for name in names), number],
                )
            run = self._one(connection.execute(f"{SELECT} WHERE run.id = ?", (number,)).fetchone())
        assert run is not None
        return run, inserted

    def _find_or_make(
        self, connection: sqlite3.Connection, path: tuple[str, str, str], *, begins: bool
    ) -> tuple[int, bool]:
        entity, project_name, name = path
        if not NAME.fullmatch(name) or name in (".", ".."):
            raise RefusedError(f"run id {name!r}: an id has 1 to 128 characters and none of / \\ # ? % :")
        project, _ = _make_project(connection, entity, project_name, None)
        row = connection.execute("SELECT * FROM run WHERE project_id = ? AND name = ?", (project.id, name)).fetchone()
        if row is not None and not (begins and _has_content(row)):
            return int(row["id"]), False
        if row is not None:
            _set_aside(connection, row)
        now = time.time()
        cursor = connection.execute(
            "INSERT INTO run (project_id, name, display_name, state, created_at, heartbeat_at)"
            " VALUES (?, ?, ?, 'running', ?, ?)",
            (project.id, name, name, now, now),
        )
        assert cursor.lastrowid is not None
        return cursor.lastrowid, True

    def stop(self, number: int) -> bool:
        """Ask the process of a run to stop; it learns of it from its next heartbeat."""
        with self._database.write() as connection:
            return connection.execute("UPDATE run SET stopped = 1 WHERE id = ?", (number,)).rowcount == 1

    def set_state(self, number: int, state: str) -> None:
        """Move a run that is not at work to `state`.

        Raises
        ------
        RefusedError
            If the state is none that a client may set, or the run cannot go there from where it is.
        """
        allowed = {
            "pending": ("running", "failed", "crashed", "preempted"),
            "failed": ("pending", "running", "crashed"),
        }
        run = self.by_id(number)
        if run is None:
            raise RefusedError("run not found: it may have been deleted")
        if run.state not in allowed.get(state, ()):
            raise RefusedError(f"state {state!r}: a run that is {run.state} cannot go there")
        with self._database.write() as connection:
            connection.execute("UPDATE run SET state = ?, revision = revision + 1 WHERE id = ?", (state, number))

    def delete(self, number: int, *, with_artifacts: bool) -> list[str]:
        """Delete a run and return the blobs that its files leave behind.

        Raises
        ------
        RefusedError
            If there is no such run.
        """
        with self._database.write() as connection:
            blobs = [row["blob"] for row in connection.execute("SELECT blob FROM file WHERE run_id = ?", (number,))]
            if with_artifacts:
                connection.execute("DELETE FROM artifact WHERE run_id = ?", (number,))
            if connection.execute("DELETE FROM run WHERE id = ?", (number,)).rowcount == 0:
                raise RefusedError("run not found: it may have been deleted")
        return blobs


def _project(connection: sqlite3.Connection, entity: str, name: str) -> Project | None:
    row = connection.execute("SELECT * FROM project WHERE entity = ? AND name = ?", (entity, name)).fetchone()
    return None if row is None else Project.of(row)


def _make_project(
    connection: sqlite3.Connection, entity: str, name: str, description: str | None
) -> tuple[Project, bool]:
    found = _project(connection, entity, name)
    if found is not None:
        return found, False
    for kind, value in (("entity", entity), ("project", name)):
        if not NAME.fullmatch(value) or value in (".", ".."):
            raise RefusedError(f"{kind} {value!r}: a name has 1 to 128 characters and none of / \\ # ? % :")
    if entity in RESERVED:
        raise RefusedError(f"entity {entity!r}: this name is part of the tracker's own addresses, choose another")
    connection.execute(
        "INSERT INTO project (entity, name, description, created_at) VALUES (?, ?, ?, ?)",
        (entity, name, description, time.time()),
    )
    made = _project(connection, entity, name)
    assert made is not None
    return made, True


def _check_object(column: str, text: object) -> None:
    try:
        parsed = json.loads(text) if isinstance(text, str) else None
    except (ValueError, RecursionError):
        parsed = None
    if not isinstance(parsed, dict):
        raise RefusedError(f"{column}: not a JSON object")


def _has_content(row: sqlite3.Row) -> bool:
    return bool(row["history_lines"] or row["log_lines"] or row["summary"] != "{}")


def _set_aside(connection: sqlite3.Connection, row: sqlite3.Row) -> None:
    """Rename a run whose id is taken by a new one: without ``resume`` the client starts over, and nothing is lost."""
    taken = {
        found["name"]
        for found in connection.execute("SELECT name FROM run WHERE project_id = ?", (row["project_id"],)).fetchall()
    }
    number = 1
    while (name := f"{row['name'][:120]}~{number}") in taken:
        number += 1
    connection.execute(
        "UPDATE run SET name = ?, display_name = ?, revision = revision + 1 WHERE id = ?",
        (name, f"{row['display_name']} (replaced, ~{number})", row["id"]),
    )
