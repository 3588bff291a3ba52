"""GraphQL fields of the account, of projects, runs and their files."""

from __future__ import annotations

import base64
import json
import mimetypes
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final, TypeVar

from .database import EVENTS, HISTORY
from .filters import arranged, matches, parse
from .history import LogLine
from .records import Project, Run, StoredFile, node_id, stamp
from .relay import connection
from .runs import DEFAULT_ENTITY, RefusedError

if TYPE_CHECKING:
    from .graph import Caller

FEATURES: Final = (
    "FILESTREAM_GZIP", "MARK_RUN_FILES_UPLOADED", "CLIENT_IDS", "ARTIFACT_TAGS", "TOTAL_COUNT_IN_FILE_CONNECTION",
    "PROJECT_ARTIFACT_COLLECTION_MEMBERSHIP", "ARTIFACT_COLLECTION_MEMBERSHIP_FILES", "ARTIFACT_DIGEST_ALGORITHM",
    "USE_ARTIFACT_WITH_ENTITY_AND_PROJECT_INFORMATION", "SWEEPS_QUERY_FILTERING",
)  # fmt: skip

Item = TypeVar("Item")


def user(*_: Any) -> dict[str, Any]:
    """Return the one account of this tracker."""
    return {
        "id": node_id("User", 1), "name": DEFAULT_ENTITY, "username": DEFAULT_ENTITY, "email": None, "admin": False,
        "flags": "{}", "entity": DEFAULT_ENTITY, "apiKeys": {"edges": []}, "teams": {"edges": []}, "organizations": [],
    }  # fmt: skip


def entity(name: str | None) -> dict[str, Any]:
    """Return an entity: any name is one, it has no organization."""
    name = name or DEFAULT_ENTITY
    return {"id": f"Entity:{name}", "name": name, "isTeam": False, "xxhashDigestsEnabled": False, "user": user()}


def node_of_file(caller: Caller, file: StoredFile) -> dict[str, Any]:
    """Return a run's file as the schema has it; its addresses work without further credentials."""
    address = caller.services.address(caller.base, "get", file.blob, name=file.name.rsplit("/", 1)[-1])
    return {
        "id": node_id("File", file.id), "name": file.name, "displayName": file.name, "url": address,
        "directUrl": address, "uploadHeaders": [], "sizeBytes": file.size, "md5": _base64_md5(file.md5),
        "digest": _base64_md5(file.md5), "updatedAt": stamp(file.updated_at),
        "mimetype": mimetypes.guess_type(file.name)[0] or "application/octet-stream",
    }  # fmt: skip


def _base64_md5(hexadecimal: str) -> str:
    return base64.b64encode(bytes.fromhex(hexadecimal)).decode()


def _selected(project: Project, caller: Caller, filters: str | None) -> list[Run]:
    condition = parse(filters)
    return [run for run in caller.services.runs.of_project(project.id) if matches(run, condition)]


def _runs(
    project: Project, caller: Caller, filters: str | None = None, order: str | None = None, first: int | None = None,
    after: str | None = None,
) -> dict[str, Any]:  # fmt: skip
    return connection(arranged(_selected(project, caller, filters), order), first, after, lambda run: str(run.id))


def _bucket(project: Project, caller: Caller, name: str, **_: Any) -> Run | None:
    return caller.services.runs.run(project.entity, project.name, name)


def _wandb_config(run: Run, _: Caller, keys: Sequence[str] | None = None) -> str:
    own = run.client_entry()
    return json.dumps(own if keys is None else {key: own[key] for key in keys if key in own})


def _history(
    run: Run,
    caller: Caller,
    min_step: int | None = None,
    max_step: int | None = None,
    samples: int | None = None,
) -> list[str]:
    history = caller.services.history
    if min_step is None and max_step is None:
        return history.lines(run.id, HISTORY, samples=samples)
    # a page of scan_history: every row of the range, even where a step has several
    return history.between(run.id, min_step or 0, run.last_step + 1 if max_step is None else max_step)


def _sampled(run: Run, caller: Caller, specs: Sequence[str]) -> list[list[dict[str, Any]]]:
    return [_one_sample(run, caller, spec) for spec in specs]


def _one_sample(run: Run, caller: Caller, text: str) -> list[dict[str, Any]]:
    try:
        spec = json.loads(text)
        keys = spec["keys"]
        bounds = [spec.get("minStep"), spec.get("maxStep")]
        if not all(isinstance(key, str) for key in keys) or not all(
            isinstance(b, (int, float, type(None))) for b in bounds
        ):
            raise TypeError
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise RefusedError(
            "sampledHistory: a spec is a JSON object with 'keys', and numbers as 'minStep', 'maxStep'"
        ) from error
    low, high = (None if bound is None else int(bound) for bound in bounds)
    samples = int(spec.get("samples") or 500)
    return caller.services.history.with_keys(run.id, keys, min_step=low, max_step=high, samples=samples)


def _history_keys(run: Run, caller: Caller) -> dict[str, Any]:
    keys: dict[str, Any] = {}
    for key, kind, rows in caller.services.history.keys(run.id):
        keys.setdefault(key, {"typeCounts": []})["typeCounts"].append({"type": kind, "count": rows})
    return {"sets": [], "keys": keys, "lastStep": run.last_step}


def _parquet(run: Run, *_: Any, **__: Any) -> dict[str, Any]:
    # Never parquet: the client caches such a file under entity, project and run id alone, so a second tracker
    # with the same run id (every rehearsal has one) would be read from the first one's rows.
    return {"parquetUrls": [], "liveData": [{"_step": 0}] if run.history_lines else []}


def _log_lines(
    run: Run, caller: Caller, first: int | None = None, after: str | None = None, last: int | None = None,
    **_: Any,
) -> dict[str, Any]:  # fmt: skip
    if after is not None and not after.isdecimal():
        raise RefusedError(f"cursor {after[:60]!r}: not one that this server gave")
    lines = caller.services.history.log(run.id, first=first, after=-1 if after is None else int(after), last=last)
    end = lines[-1].number if lines else None
    return {
        "edges": [{"node": log_node(line), "cursor": str(line.number)} for line in lines],
        "pageInfo": {
            "endCursor": None if end is None else str(end),
            "hasNextPage": end is not None and end + 1 < run.log_lines,
        },
    }


def log_node(line: LogLine) -> dict[str, Any]:
    """Return a console line taken apart: ``[ERROR ]TIME text`` is how the client sends it."""
    rest, level = line.text, "info"
    if rest.startswith("ERROR "):
        rest, level = rest.removeprefix("ERROR "), "error"
    time, space, content = rest.partition(" ")
    if not space or len(time) < 19 or time[4:5] != "-" or "T" not in time:
        return {"number": line.number, "timestamp": None, "level": level, "label": None, "line": rest}
    return {
        "number": line.number,
        "timestamp": time if time.endswith("Z") else f"{time}Z",
        "level": level,
        "line": content,
    }


def _files(
    run: Run, caller: Caller, names: Sequence[str] | None = None, pattern: str | None = None, first: int | None = None,
    after: str | None = None,
) -> dict[str, Any]:  # fmt: skip
    found = caller.services.files.of_run(run.id, names or (), pattern)
    page = connection(found, first, after, lambda file: str(file.id))
    return {**page, "edges": [{**edge, "node": node_of_file(caller, edge["node"])} for edge in page["edges"]]}


NO_PAGE: Final = {"edges": [], "pageInfo": {"endCursor": None, "hasNextPage": False}}

FIELDS: Final[Mapping[str, Mapping[str, Callable[..., Any]]]] = {
    "Query": {
        "viewer": user,
        "serverInfo": lambda _: {"features": [{"name": name, "isEnabled": True} for name in FEATURES]},
        "entity": lambda _, __, name=None: entity(name),
        "organization": lambda _, __, **___: None,
        "project": lambda _, caller, name=None, entity_name=None: caller.services.runs.project(entity_name, name),
        "model": lambda _, caller, name=None, entity_name=None: caller.services.runs.project(entity_name, name),
        "models": lambda _, caller, entity_name=None, first=None, after=None: connection(
            caller.services.runs.projects(entity_name), first, after, lambda project: str(project.id)
        ),
        "users": lambda _, __, query=None: {
            "edges": [{"node": user()}] if (query or DEFAULT_ENTITY) == DEFAULT_ENTITY else []
        },
    },
    "Entity": {"project": lambda source, caller, name=None: caller.services.runs.project(source["name"], name)},
    "Project": {
        "id": lambda project: node_id("Project", project.id),
        "internalId": lambda project: str(project.id),
        "entityName": lambda project: project.entity,
        "createdAt": lambda project: stamp(project.created_at),
        "isBenchmark": lambda _: False,
        "readOnly": lambda _: False,
        "access": lambda _: "PRIVATE",
        "entity": lambda project: entity(project.entity),
        "user": user,
        "run": _bucket,
        "bucket": _bucket,
        "runCount": lambda project, caller, filters=None: len(_selected(project, caller, filters)),
        "runs": _runs,
        "totalSweeps": lambda _: 0,
        "sweeps": lambda _, __, **___: NO_PAGE,
    },
    "Run": {
        "id": lambda run: node_id("Run", run.id),
        "projectId": lambda run: run.project_id,
        "stopped": lambda run: bool(run.stopped),
        "summaryMetrics": lambda run: run.summary,
        "systemMetrics": lambda run, caller: next(iter(caller.services.history.tail(run.id, EVENTS)), "{}"),
        "tags": lambda run: json.loads(run.tags),
        "group": lambda run: run.group_name,
        "commit": lambda run: run.git_commit,
        "sweepName": lambda run: run.sweep,
        "readOnly": lambda _: False,
        "createdAt": lambda run: stamp(run.created_at),
        "heartbeatAt": lambda run: stamp(run.heartbeat_at),
        "updatedAt": lambda run: stamp(run.heartbeat_at),
        "computeSeconds": lambda run: int((run.ended_at or run.heartbeat_at) - run.created_at),
        "user": user,
        "project": lambda run, caller: caller.services.runs.project(run.entity, run.project),
        "wandbConfig": _wandb_config,
        "historyLineCount": lambda run: run.history_lines,
        "eventsLineCount": lambda run: run.event_lines,
        "logLineCount": lambda run: run.log_lines,
        "historyTail": lambda run, caller: json.dumps(caller.services.history.tail(run.id, HISTORY)),
        "eventsTail": lambda run, caller: json.dumps(caller.services.history.tail(run.id, EVENTS)),
        "historyKeys": _history_keys,
        "history": _history,
        "events": lambda run, caller, samples=None: caller.services.history.lines(run.id, EVENTS, samples=samples),
        "sampledHistory": _sampled,
        "parquetHistory": _parquet,
        "logLines": _log_lines,
        "fileCount": lambda run, caller: len(caller.services.files.of_run(run.id)),
        "files": _files,
    },
}
