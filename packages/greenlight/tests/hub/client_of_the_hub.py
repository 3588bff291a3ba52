"""A client with huggingface_hub alone: does what its arguments say and prints one line of JSON.

Arguments: steps, each `verb id [more]` in one string, for instance `file acme/tiny config.json`.
"""

from __future__ import annotations

import hashlib
import json
import sys
from pathlib import Path
from typing import Any

from huggingface_hub import HfApi

api = HfApi()


def download(identifier: str, path: str, revision: str = "main") -> dict[str, str]:
    file = Path(api.hf_hub_download(identifier, path, revision=revision))
    return {
        "commit": file.relative_to(Path(api.hf_hub_download(identifier, path)).parents[1]).parts[0],
        "sha256": hashlib.sha256(file.read_bytes()).hexdigest(),
        "etag": file.resolve().name,
    }


def tree(identifier: str, kind: str = "model", folder: str = "") -> list[Any]:
    rows = api.list_repo_tree(identifier, folder or None, repo_type=kind, expand=True)
    return sorted([type(row).__name__, row.path] for row in rows)


def listing() -> dict[str, Any]:
    return {
        "models": [row.id for row in api.list_models()],
        "datasets": [row.id for row in api.list_datasets()],
        "searched": [row.id for row in api.list_datasets(search="gsm")],
        "limited": len(list(api.list_datasets(limit=2))),
        "by author": [row.id for row in api.list_models(author="acme")],
        "by tag": [row.id for row in api.list_models(filter="tiny")],
    }


def existing() -> dict[str, bool]:
    return {
        "model": api.repo_exists("acme/tiny"),
        "ownerless": api.repo_exists("ownerless"),
        "no model": api.repo_exists("acme/nope"),
        "set as model": api.repo_exists("openai/gsm8k"),
        "set": api.repo_exists("openai/gsm8k", repo_type="dataset"),
        "space": api.repo_exists("acme/tiny", repo_type="space"),
        "file": api.file_exists("acme/tiny", "config.json"),
        "no file": api.file_exists("acme/tiny", "nope.json"),
        "revision": api.revision_exists("acme/tiny", api.model_info("acme/tiny").sha or ""),
        "no revision": api.revision_exists("acme/tiny", "v1"),
    }


def described() -> dict[str, Any]:
    api.auth_check("acme/tiny")
    model = api.model_info("acme/tiny", files_metadata=True)
    refs = api.list_repo_refs("acme/tiny")
    weights = api.get_paths_info("acme/large", ["weights.gguf", "nope"])[0]
    return {
        "sha": model.sha,
        "tags": model.tags,
        "card": (model.card_data or {}).get("license"),
        "sizes": {row.rfilename: row.size for row in model.siblings or []},
        "refs": [[branch.name, branch.target_commit] for branch in refs.branches],
        "commits": [commit.commit_id for commit in api.list_repo_commits("acme/tiny")],
        "lfs": weights.lfs["sha256"] if weights.lfs else None,  # type: ignore[union-attr]
        "parameters": api.get_safetensors_metadata("acme/tiny").parameter_count,
        "files": api.list_repo_files("acme/tiny"),
    }


def verified(identifier: str, folder: str) -> list[Any]:
    found = api.verify_repo_checksums(identifier, local_dir=folder)
    return [found.checked_count, found.mismatches, found.missing_paths]


def snapshot(identifier: str, folder: str = "") -> str:
    return api.snapshot_download(identifier, local_dir=folder or None)


def whoami() -> str:
    return str(api.whoami()["name"])


def created() -> str:
    return str(api.create_repo("acme/new", token="any"))


def uploaded() -> str:
    return str(api.upload_file(path_or_fileobj=b"x", path_in_repo="x", repo_id="acme/tiny", token="any"))


def deleted() -> str:
    return str(api.delete_repo("acme/tiny", token="any"))


steps = {
    function.__name__: function
    for function in (
        download,
        tree,
        listing,
        existing,
        described,
        verified,
        snapshot,
        whoami,
        created,
        uploaded,
        deleted,
    )
}
seen: dict[str, Any] = {}
for step in sys.argv[1:]:
    verb, *arguments = step.split(" ")
    try:
        seen[step] = steps[verb](*arguments)
    except Exception as error:  # noqa: BLE001 - the error is what is asked for
        seen[step] = f"{type(error).__name__}: {error}"
print(json.dumps(seen))
