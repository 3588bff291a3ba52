"""GraphQL fields of artifacts: collections, versions, their files and manifests."""

from __future__ import annotations

import json
import mimetypes
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

from .artifacts import blob_of
from .filters import parse
from .records import Artifact, ArtifactFile, Collection, Project, Run, node_id, row_id, stamp
from .relay import connection
from .runs import RefusedError

if TYPE_CHECKING:
    from .graph import Caller


def _collection_of(artifact: Artifact, caller: Caller) -> Collection:
    collection = caller.services.artifacts.collection(artifact.collection_id)
    assert collection is not None
    return collection


def _project_of(collection: Collection, caller: Caller) -> Project | None:
    return next((p for p in caller.services.runs.projects() if p.id == collection.project_id), None)


def _kind(name: str, project: Project, created_at: float) -> dict[str, Any]:
    return {
        "id": f"ArtifactType:{project.id}:{name}", "name": name, "createdAt": stamp(created_at), "of": project,
    }  # fmt: skip


def _kinds(project: Project, caller: Caller) -> list[dict[str, Any]]:
    first: dict[str, float] = {}
    for collection in caller.services.artifacts.collections(project.id):
        first[collection.type] = min(collection.created_at, first.get(collection.type, collection.created_at))
    return [_kind(name, project, created_at) for name, created_at in sorted(first.items())]


def _type(project: Project, caller: Caller, name: str) -> dict[str, Any] | None:
    return next((kind for kind in _kinds(project, caller) if kind["name"] == name), None)


def _collection(project: Project, caller: Caller, name: str, kind: str | None = None) -> Collection | None:
    return next(iter(caller.services.artifacts.collections(project.id, name=name, kind=kind)), None)


def _collections(
    project: Project,
    caller: Caller,
    kind: str | None,
    first: int | None = None,
    after: str | None = None,
    order: str | None = None,
    filters: str | None = None,
) -> dict[str, Any]:
    if parse(filters):
        raise RefusedError("filters: this server does not filter the collections of a project")
    found = caller.services.artifacts.collections(project.id, kind=kind)
    if order and order.lstrip("+-") in ("createdAt", "created_at"):
        found.sort(key=lambda collection: collection.created_at)
    if order and order.startswith("-"):
        found.reverse()
    return connection(found, first, after, lambda collection: str(collection.id))


def _membership(artifact: Artifact | None) -> dict[str, Any] | None:
    if artifact is None:
        return None
    return {
        "id": node_id("ArtifactCollectionMembership", artifact.id), "versionIndex": artifact.version,
        "createdAt": stamp(artifact.created_at), "artifact": artifact,
    }  # fmt: skip


def _labelled(project: Project, caller: Caller, name: str) -> Artifact | None:
    """Return the version that ``NAME:LABEL`` means; no label is ``latest``."""
    base, _, label = name.partition(":")
    collection = _collection(project, caller, base)
    return None if collection is None else caller.services.artifacts.version(collection.id, label or "latest")


def _alias_nodes(artifact: Artifact, caller: Caller) -> list[dict[str, Any]]:
    return [_alias(artifact.collection_id, name, caller) for name in caller.services.artifacts.aliases(artifact.id)]


def _alias(collection_id: int, name: str, caller: Caller) -> dict[str, Any]:
    return {
        "id": f"ArtifactAlias:{collection_id}:{name}", "alias": name,
        "artifactCollection": caller.services.artifacts.collection(collection_id),
    }  # fmt: skip


def _collection_aliases(source: Collection, caller: Caller, first: int | None = None, after: str | None = None) -> Any:
    versions = caller.services.artifacts.versions(source.id)
    nodes = [node for artifact in versions for node in _alias_nodes(artifact, caller)]
    return connection(nodes, first, after, lambda node: str(node["alias"]))


def _versions(
    source: Collection, caller: Caller, first: int | None = None, after: str | None = None, order: str | None = None,
    filters: str | None = None,
) -> dict[str, Any]:  # fmt: skip
    if parse(filters):
        raise RefusedError("filters: this server does not filter the versions of an artifact")
    versions = caller.services.artifacts.versions(source.id)
    if order and order.startswith("+"):
        versions.reverse()
    page = connection(versions, first, after, lambda artifact: str(artifact.id))
    return {**page, "edges": [{**edge, "version": f"v{edge['node'].version}"} for edge in page["edges"]]}


def node_of_file(caller: Caller, artifact: Artifact, file: ArtifactFile) -> dict[str, Any]:
    """Return an artifact's file as the schema has it."""
    if file.ref is not None:
        address = file.ref
    else:
        address = caller.services.address(caller.base, "get", blob_of(file.digest), name=file.name.rsplit("/", 1)[-1])
    return {
        "id": node_id("ArtifactFile", file.id), "name": file.name, "displayName": file.name, "url": address,
        "directUrl": address, "uploadHeaders": [], "sizeBytes": file.size, "storagePath": file.name, "md5": file.digest,
        "digest": file.digest, "updatedAt": stamp(artifact.updated_at or artifact.created_at), "artifact": artifact,
        "mimetype": mimetypes.guess_type(file.name)[0] or "application/octet-stream",
    }  # fmt: skip


def _file_page(
    artifact: Artifact, caller: Caller, names: Sequence[str] | None = None, first: int | None = None,
    after: str | None = None,
) -> dict[str, Any]:  # fmt: skip
    page = connection(caller.services.artifacts.files(artifact.id, names), first, after, lambda file: str(file.id))
    return {**page, "edges": [{**edge, "node": node_of_file(caller, artifact, edge["node"])} for edge in page["edges"]]}


def _by_entries(
    artifact: Artifact, caller: Caller, entries: Sequence[Mapping[str, Any]] | None = None, **_: Any
) -> Any:
    names = [entry["name"] for entry in entries or ()]
    files = caller.services.artifacts.files(artifact.id, names) if names else []
    return _file_page(artifact, caller, names, first=len(files)) if files else connection([], 0, None, str)


def _manifest(artifact: Artifact, caller: Caller) -> dict[str, Any] | None:
    if artifact.manifest_blob is None:
        return None
    address = caller.services.address(caller.base, "get", artifact.manifest_blob, name="wandb_manifest.json")
    return {
        "id": node_id("ArtifactManifest", artifact.id),
        "file": {
            "id": node_id("ArtifactManifest", artifact.id), "name": "wandb_manifest.json", "directUrl": address,
            "url": address, "sizeBytes": 0, "uploadHeaders": [],
        },
    }  # fmt: skip


def _client_id(_: Any, caller: Caller, client_id: str) -> dict[str, Any] | None:
    artifact = caller.services.artifacts.by_client_id(client_id)
    return None if artifact is None else {"serverID": node_id("Artifact", artifact.id)}


def _runs_using(artifact: Artifact, caller: Caller) -> dict[str, Any]:
    runs = [caller.services.runs.by_id(number) for number in caller.services.artifacts.users(artifact.id)]
    return connection([run for run in runs if run is not None], len(runs), None, lambda run: str(run.id))


def _of_run(artifacts: list[Artifact], first: int | None, after: str | None) -> dict[str, Any]:
    return connection(artifacts, first, after, lambda artifact: str(artifact.id))


def _latest(source: Collection, caller: Caller) -> Artifact | None:
    return next(iter(caller.services.artifacts.versions(source.id)), None)


def _outputs(run: Run, caller: Caller, first: int | None = None, after: str | None = None) -> dict[str, Any]:
    return _of_run(caller.services.artifacts.of_run(run.id), first, after)


def _inputs(run: Run, caller: Caller, first: int | None = None, after: str | None = None) -> dict[str, Any]:
    return _of_run(caller.services.artifacts.used_by(run.id), first, after)


def _tags(artifact: Artifact) -> list[dict[str, str]]:
    return [{"id": f"Tag:{name}", "name": name} for name in json.loads(artifact.tags)]


def _type_of(collection: Collection, caller: Caller) -> dict[str, Any]:
    project = _project_of(collection, caller)
    assert project is not None
    return _kind(collection.type, project, collection.created_at)


FIELDS: Final[Mapping[str, Mapping[str, Callable[..., Any]]]] = {
    "Query": {
        "artifact": lambda _, caller, node: caller.services.artifacts.artifact(row_id("Artifact", node)),
        "artifactCollection": lambda _, caller, node: caller.services.artifacts.collection(row_id("Collection", node)),
        "clientIDMapping": _client_id,
    },
    "Project": {
        "artifact": _labelled,
        "artifactType": _type,
        "artifactTypes": lambda project, caller, first=None, after=None: connection(
            _kinds(project, caller), first, after, lambda kind: str(kind["name"])
        ),
        "artifactCollection": _collection,
        "artifactCollections": lambda project, caller, **page: _collections(project, caller, None, **page),
        "artifactCollectionMembership": lambda project, caller, name: _membership(_labelled(project, caller, name)),
    },
    "Run": {"outputArtifacts": _outputs, "inputArtifacts": _inputs},
    "ArtifactType": {
        "artifactCollection": lambda kind, caller, name: _collection(kind["of"], caller, name, kind["name"]),
        "artifactCollections": lambda kind, caller, **page: _collections(kind["of"], caller, kind["name"], **page),
    },
    "ArtifactSequence": {
        "id": lambda source: node_id("Collection", source.id),
        "createdAt": lambda source: stamp(source.created_at),
        "project": _project_of,
        "defaultArtifactType": _type_of,
        "tags": lambda _: {"edges": []},
        "aliases": _collection_aliases,
        "artifacts": _versions,
        "artifactMembership": lambda source, caller, alias_name: _membership(
            caller.services.artifacts.version(source.id, alias_name)
        ),
        "latestArtifact": _latest,
        "digestAlgorithm": lambda source, caller: getattr(_latest(source, caller), "digest_algorithm", None),
    },
    "ArtifactCollectionMembership": {
        "aliases": lambda source, caller: _alias_nodes(source["artifact"], caller),
        "artifactCollection": lambda source, caller: _collection_of(source["artifact"], caller),
        "files": lambda source, caller, **arguments: _file_page(source["artifact"], caller, **arguments),
    },
    "Artifact": {
        "id": lambda artifact: node_id("Artifact", artifact.id),
        "artifactSequence": _collection_of,
        "versionIndex": lambda artifact: artifact.version,
        "artifactType": lambda artifact, caller: _type_of(_collection_of(artifact, caller), caller),
        "ttlDurationSeconds": lambda _: -2,
        "ttlIsInherited": lambda _: True,
        "tags": _tags,
        "commitHash": lambda artifact: artifact.digest,
        "fileCount": lambda artifact, caller: len(caller.services.artifacts.files(artifact.id)),
        "createdAt": lambda artifact: stamp(artifact.created_at),
        "updatedAt": lambda artifact: stamp(artifact.updated_at),
        "aliases": _alias_nodes,
        "currentManifest": _manifest,
        "createdBy": lambda artifact, caller: caller.services.runs.by_id(artifact.run_id),
        "usedBy": _runs_using,
        "artifactMemberships": lambda artifact: connection([_membership(artifact)], 1, None, lambda m: m["id"]),
        "files": _file_page,
        "filesByManifestEntries": _by_entries,
    },
}
