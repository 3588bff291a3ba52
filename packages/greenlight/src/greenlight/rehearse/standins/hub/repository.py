"""What the hub serves: a repository is an id and the folders behind it."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

Kind = Literal["model", "dataset"]

# The client's own rule for ids: letters, digits, "-", "_" and ".", 96 characters at most, no "--", no "..", no ".git"
# at the end. The reserved names are addresses of the hub itself.
_ID = re.compile(r"(?=.{1,96}\Z)\w[\w.-]*(?:/\w[\w.-]*)?", re.ASCII)
_RESERVED = frozenset({"api", "buckets", "datasets", "kernels", "models", "spaces"})


@dataclass(frozen=True)
class Part:
    """One folder on disk and where its files appear in the repository.

    Parameters
    ----------
    folder
        The folder, with links resolved.
    configuration
        The name under which the folder is one configuration of a data set: its files appear below ``configuration/``.
        None puts them at the root of the repository.
    """

    folder: Path
    configuration: str | None = None

    @property
    def prefix(self) -> str:
        """The beginning of the path of every file of this part: empty, or a name and a slash."""
        return f"{self.configuration}/" if self.configuration else ""


@dataclass(frozen=True)
class Repository:
    """One id that clients can ask for.

    Parameters
    ----------
    kind
        ``model`` or ``dataset``.
    id
        ``owner/name`` or ``name``.
    parts
        The folders that make up the repository: one, or one for each configuration of a data set.
    """

    kind: Kind
    id: str
    parts: tuple[Part, ...]

    @property
    def address(self) -> str:
        """The path of the repository on a hub, without the leading slash."""
        return self.id if self.kind == "model" else f"datasets/{self.id}"


def why_not_an_id(text: str) -> str | None:
    """Return the rule that `text` breaks as the id of a repository, or None if it is one."""
    if not _ID.fullmatch(text) or any(name.endswith((".", "-", ".git")) for name in text.split("/")):
        return "an id is owner/name or name, of letters, digits, '-', '_' and '.', 96 characters at most"
    if ".." in text or "--" in text:
        return "an id never holds '..' or '--'"
    if text.split("/")[0] in _RESERVED:
        return f"{text.split('/')[0]!r} is an address of the hub itself"
    return None
