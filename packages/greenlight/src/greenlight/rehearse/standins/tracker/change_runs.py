"""GraphQL mutations of projects, runs and their files."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Final

from .files import check_name
from .records import Run, node_id, row_id
from .runs import DEFAULT_ENTITY, DEFAULT_PROJECT, RefusedError

if TYPE_CHECKING:
    from .graph import Caller


def run_at(caller: Caller, values: Mapping[str, Any]) -> Run:
    """Return the run that an input's entity, project and run name mean."""
    run = caller.services.runs.run(values["entityName"], values["projectName"], values["runName"])
    if run is None:
        raise RefusedError(f"run {values['runName']!r} not found in {values['entityName']}/{values['projectName']}")
    return run


def _upsert_bucket(_: Any, caller: Caller, values: Mapping[str, Any]) -> dict[str, Any]:
    names = {
        "groupName": "group_name", "description": "description", "displayName": "display_name", "notes": "notes",
        "commit": "git_commit", "config": "config", "host": "host", "jobProgram": "program", "jobRepo": "repo",
        "jobType": "job_type", "sweep": "sweep", "summaryMetrics": "summary",
    }  # fmt: skip
    changes: dict[str, Any] = {column: values[name] for name, column in names.items() if values.get(name) is not None}
    if values.get("tags") is not None:
        changes["tags"] = json.dumps(values["tags"])
    if values.get("state") is not None:
        if values["state"] not in ("running", "pending"):
            raise RefusedError(f"state {values['state']!r}: a run is made as 'running' or 'pending'")
        changes["state"] = values["state"]
    number = None
    if values.get("id") is not None:
        number = row_id("Run", values["id"])
        if number is None:
            raise RefusedError(f"run id {values['id'][:60]!r}: not one that this server gave")
    path = None
    if values.get("name") is not None:
        path = (values.get("entityName") or DEFAULT_ENTITY, values.get("modelName") or DEFAULT_PROJECT, values["name"])
    run, inserted = caller.services.runs.upsert(changes, number=number, path=path)
    return {"bucket": run, "inserted": inserted}


def _upsert_model(_: Any, caller: Caller, values: Mapping[str, Any]) -> dict[str, Any]:
    made, inserted = caller.services.runs.make_project(
        values.get("entityName"), values.get("name"), values.get("description")
    )
    return {"project": made, "model": made, "inserted": inserted}


def _run_number(node: str) -> int:
    number = row_id("Run", node)
    if number is None:
        raise RefusedError(f"run id {node[:60]!r}: not one that this server gave")
    return number


def _delete_run(_: Any, caller: Caller, values: Mapping[str, Any]) -> dict[str, Any]:
    number = _run_number(values["id"])
    caller.services.files.drop(caller.services.runs.delete(number, with_artifacts=bool(values.get("deleteArtifacts"))))
    return {"clientMutationId": values.get("clientMutationId")}


def _stop_run(_: Any, caller: Caller, values: Mapping[str, Any]) -> dict[str, Any]:
    return {"success": caller.services.runs.stop(_run_number(values["id"]))}


def _update_state(_: Any, caller: Caller, values: Mapping[str, Any]) -> dict[str, Any]:
    caller.services.runs.set_state(_run_number(values["id"]), values["state"])
    return {"success": True}


def _create_files(_: Any, caller: Caller, values: Mapping[str, Any]) -> dict[str, Any]:
    run = run_at(caller, values)
    nodes = []
    for name in values["files"]:
        check_name(name)
        address = caller.services.address(caller.base, "put-file", name, run.id, name=name.rsplit("/", 1)[-1])
        nodes.append({"name": name, "displayName": name, "uploadUrl": address, "uploadHeaders": []})
    return {"runID": node_id("Run", run.id), "uploadHeaders": [], "files": nodes}


def _files_uploaded(_: Any, caller: Caller, values: Mapping[str, Any]) -> dict[str, Any]:
    run = run_at(caller, values)
    return {"success": all(caller.services.files.find(run.id, name) is not None for name in values["files"])}


def _delete_files(_: Any, caller: Caller, values: Mapping[str, Any]) -> dict[str, Any]:
    numbers = [row_id("File", node) for node in values["files"]]
    if None in numbers:
        raise RefusedError("deleteFiles: an id that this server did not give")
    caller.services.files.delete([number for number in numbers if number is not None])
    return {"success": True}


FIELDS: Final[Mapping[str, Mapping[str, Callable[..., Any]]]] = {
    "Mutation": {
        "upsertModel": _upsert_model,
        "upsertBucket": _upsert_bucket,
        "deleteRun": _delete_run,
        "stopRun": _stop_run,
        "updateRunState": _update_state,
        "createRunFiles": _create_files,
        "markRunFilesUploaded": _files_uploaded,
        "deleteFiles": _delete_files,
    },
}
