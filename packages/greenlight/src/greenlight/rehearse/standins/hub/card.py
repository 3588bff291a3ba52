"""The card of a repository: what its README says about itself, and the `configs` block that a data set needs.

A folder on disk often has no card, or one without `configs`. Then a card is composed that names the configurations
which the files show; the folder itself is never written to.
"""

from __future__ import annotations

import glob
import re
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import PurePosixPath
from typing import Any

import yaml

from greenlight.rehearse.standins.hub import catalogue, layout
from greenlight.rehearse.standins.hub.repository import Part

NAME = "README.md"
STANDALONE = ".huggingface.yaml"

_FRONT = re.compile(r"\A---[ \t]*\r?\n(?P<yaml>.*?)^---[ \t]*(?:\r?\n|\Z)", re.DOTALL | re.MULTILINE)
_SHARDS = re.compile(r"(?P<name>.+)-\d{5}-of-(?P<total>\d{5})(?P<ending>\..+)")
_COMPOSED = (
    "\nThis card was composed by the greenlight hub from the names of the files; the folder has none of its own.\n"
)


@dataclass(frozen=True)
class Card:
    """A README taken apart.

    Parameters
    ----------
    metadata
        The YAML mapping at the top; empty where there is none or where it cannot be read.
    text
        Everything below it.
    """

    metadata: Mapping[str, Any]
    text: str


@lru_cache(maxsize=64)
def read(content: bytes) -> Card:
    """Return the card in the bytes of a README."""
    text = content.decode("utf-8-sig", errors="replace")
    front = _FRONT.match(text)
    if front is None:
        return Card({}, text)
    try:
        metadata = yaml.safe_load(front["yaml"])
    except yaml.YAMLError:
        metadata = None
    return Card(metadata if isinstance(metadata, dict) else {}, text[front.end() :])


def _patterns(paths: Sequence[str]) -> list[str]:
    """Return glob patterns for exactly `paths`: shards of one set together, since the client resolves one by one."""
    shards: dict[tuple[str, str, str], list[str]] = defaultdict(list)
    patterns = []
    for path in paths:
        shard = _SHARDS.fullmatch(path)
        if shard:
            shards[shard["name"], shard["total"], shard["ending"]].append(path)
        else:
            patterns.append(glob.escape(path))
    for (name, total, ending), members in shards.items():
        if len(members) == 1:
            patterns.append(glob.escape(members[0]))
        else:
            patterns.append(f"{glob.escape(name)}-*-of-{total}{glob.escape(ending)}")
    return patterns


def found_configurations(
    dataset_id: str, parts: Sequence[Part], paths: Sequence[str]
) -> dict[str, dict[str, list[str]]] | None:
    """Return configuration name -> split -> paths of a data set, or None where the client finds out as well by itself.

    Parameters
    ----------
    dataset_id
        The id, for the catalogue of well-known sets.
    parts
        The folders of the repository; those with a configuration's name decide alone.
    paths
        Every path of the repository.
    """
    named = [part for part in parts if part.configuration]
    if named:
        return {
            part.prefix.rstrip("/"): layout.configuration(
                (path for path in paths if path.startswith(part.prefix)), part.prefix
            )
            for part in named
        }
    known = catalogue.configuration_names(dataset_id)
    found = layout.configurations(paths, known)
    return found if known or set(found) - {"default"} else None


@lru_cache(maxsize=64)
def compose(dataset_id: str, parts: tuple[Part, ...], paths: tuple[str, ...], readme: bytes | None) -> bytes | None:
    """Return the README to serve in place of the one in the folder, or None to serve the folder as it is.

    Parameters
    ----------
    dataset_id
        The id of the data set.
    parts
        The folders of the repository.
    paths
        Every path of the repository.
    readme
        The bytes of the README in the folder; None where there is none.
    """
    old = read(readme) if readme is not None else None
    if old is not None and "configs" in old.metadata:
        return None
    if any(PurePosixPath(path).name == STANDALONE for path in paths):
        return None
    found = found_configurations(dataset_id, parts, paths)
    if not found:
        return None
    block = yaml.safe_dump(
        {
            "configs": [
                {
                    "config_name": name,
                    "data_files": [{"split": split, "path": _patterns(files)} for split, files in splits.items()],
                }
                for name, splits in found.items()
            ]
        },
        sort_keys=False,
        allow_unicode=True,
    )
    if readme is None:
        return f"---\n{block}---\n\n# {dataset_id}\n{_COMPOSED}".encode()
    text = readme.decode("utf-8-sig", errors="replace")
    front = _FRONT.match(text)
    if front is None:
        return f"---\n{block}---\n\n{text}".encode()
    if not read(readme).metadata and front["yaml"].strip():
        return None  # metadata that nobody can read: the client says so better
    return f"---\n{front['yaml']}{block}---\n{text[front.end() :]}".encode()
