"""GraphQL mutations of artifacts, from the first version to the last alias."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Final

from .artifacts import blob_of
from .change_runs import run_at
from .records import Artifact, node_id, row_id
from .relay import connection
from .runs import RefusedError

if TYPE_CHECKING:
    from .graph import Caller


def _artifact_at(caller: Caller, node: str) -> Artifact:
    artifact = caller.services.artifacts.artifact(row_id("Artifact", node))
    if artifact is None:
        raise RefusedError(f"artifact {node[:60]!r} not found: it may have been deleted")
    return artifact


def _new_manifest(caller: Caller, artifact: Artifact) -> dict[str, Any]:
    address = caller.services.address(caller.base, "put-manifest", "manifest", artifact.id, name="wandb_manifest.json")
    node = node_id("ArtifactManifest", artifact.id)
    return {
        "artifactManifest": {
            "id": node,
            "file": {
                "id": node,
                "name": "wandb_manifest.json",
                "uploadUrl": address,
                "uploadHeaders": [],
                "sizeBytes": 0,
            },
        }
    }


def _create(_: Any, caller: Caller, values: Mapping[str, Any]) -> dict[str, Any]:
    if values.get("distributedID"):
        raise RefusedError("artifact: this server does not merge artifacts of several writers (distributed_id)")
    name = values.get("artifactCollectionName") or next(iter(values.get("artifactCollectionNames") or ()), None)
    if not name or "/" in name or ":" in name:
        raise RefusedError(f"artifact name {name!r}: a name is not empty and holds neither / nor :")
    project, _made = caller.services.runs.make_project(values["entityName"], values["projectName"])
    run = None
    if values.get("runName") is not None:
        run = caller.services.runs.run(values["entityName"], values["projectName"], values["runName"])
    columns = {
        "digest": values["digest"], "digest_algorithm": values.get("digestAlgorithm") or "MANIFEST_MD5",
        "description": values.get("description"), "metadata": values.get("metadata"),
        "client_id": values.get("clientID"),
        "tags": json.dumps([tag["tagName"] for tag in values.get("tags") or ()]),
        "run_id": None if run is None else run.id, "history_step": values.get("historyStep"),
    }  # fmt: skip
    artifact, latest = caller.services.artifacts.create(
        project.id,
        values["artifactTypeName"],
        name,
        [alias["alias"] for alias in values.get("aliases") or ()],
        bool(values.get("enableDigestDeduplication")),
        columns,
    )
    return {"artifact": artifact, "latest": latest}


def _update_manifest(_: Any, caller: Caller, values: Mapping[str, Any]) -> dict[str, Any]:
    artifact = caller.services.artifacts.artifact(row_id("ArtifactManifest", values["artifactManifestID"]))
    if artifact is None:
        raise RefusedError("manifest not found: its artifact may have been deleted")
    return _new_manifest(caller, artifact)


def _create_files(_: Any, caller: Caller, values: Mapping[str, Any]) -> dict[str, Any]:
    nodes = []
    for spec in values["artifactFiles"]:
        artifact, blob = _artifact_at(caller, spec["artifactID"]), blob_of(spec["md5"])
        address = None
        if not caller.services.blobs.holds(blob):
            address = caller.services.address(caller.base, "put-blob", blob, name=spec["name"].rsplit("/", 1)[-1])
        nodes.append({
            "id": node_id("ArtifactFile", 0), "name": spec["name"], "storagePath": spec["name"], "uploadUrl": address,
            "uploadHeaders": [], "artifact": artifact, "sizeBytes": 0,
        })  # fmt: skip
    return {"files": connection(nodes, len(nodes), None, lambda node: str(node["name"]))}


def _commit(_: Any, caller: Caller, values: Mapping[str, Any]) -> dict[str, Any]:
    return {"artifact": caller.services.artifacts.commit(_artifact_at(caller, values["artifactID"]).id)}


def _update(_: Any, caller: Caller, values: Mapping[str, Any]) -> dict[str, Any]:
    artifact = _artifact_at(caller, values["artifactID"])
    columns = {name: values[name] for name in ("description", "metadata") if values.get(name) is not None}
    added = [tag["tagName"] for tag in values.get("tagsToAdd") or ()]
    removed = {tag["tagName"] for tag in values.get("tagsToDelete") or ()}
    tags = list(dict.fromkeys([tag for tag in json.loads(artifact.tags) if tag not in removed] + added))
    aliases = None if values.get("aliases") is None else [alias["alias"] for alias in values["aliases"]]
    updated = caller.services.artifacts.update(artifact.id, {**columns, "tags": json.dumps(tags)}, aliases)
    return {"artifact": updated}


def _delete(_: Any, caller: Caller, values: Mapping[str, Any]) -> dict[str, Any]:
    artifact = _artifact_at(caller, values["artifactID"])
    caller.services.artifacts.delete(artifact.id, with_aliases=bool(values.get("deleteAliases")))
    return {"artifact": artifact}


def _use(_: Any, caller: Caller, values: Mapping[str, Any]) -> dict[str, Any]:
    artifact = _artifact_at(caller, values["artifactID"])
    caller.services.artifacts.use(artifact.id, run_at(caller, values).id)
    return {"artifact": artifact}


def _add_aliases(_: Any, caller: Caller, values: Mapping[str, Any]) -> dict[str, Any]:
    artifact = _artifact_at(caller, values["artifactID"])
    caller.services.artifacts.set_aliases(artifact, add=[alias["alias"] for alias in values["aliases"]])
    return {"success": True}


def _delete_aliases(_: Any, caller: Caller, values: Mapping[str, Any]) -> dict[str, Any]:
    artifact = _artifact_at(caller, values["artifactID"])
    caller.services.artifacts.set_aliases(artifact, remove=[alias["alias"] for alias in values["aliases"]])
    return {"success": True}


FIELDS: Final[Mapping[str, Mapping[str, Callable[..., Any]]]] = {
    "Mutation": {
        "createArtifact": _create,
        "createArtifactManifest": lambda _, caller, values: _new_manifest(
            caller, _artifact_at(caller, values["artifactID"])
        ),
        "updateArtifactManifest": _update_manifest,
        "createArtifactFiles": _create_files,
        "commitArtifact": _commit,
        "updateArtifact": _update,
        "deleteArtifact": _delete,
        "useArtifact": _use,
        "addAliases": _add_aliases,
        "deleteAliases": _delete_aliases,
    },
}
