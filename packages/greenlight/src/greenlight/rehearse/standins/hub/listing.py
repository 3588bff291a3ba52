"""The files of a mapped folder that may be served: regular, visible, and inside the folder.

A path from a client is never joined to a folder: it is looked up among the paths listed here.
"""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from greenlight.rehearse.standins.hub import digests
from greenlight.rehearse.standins.hub.card import STANDALONE

_CACHE_ENTRY = re.compile(r"(?:models|datasets)--.+")
_SHA256 = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True)
class Listed:
    """One file.

    Parameters
    ----------
    path
        Path inside the mapped folder, with slashes.
    source
        The file itself, links resolved.
    identity
        What it was when it was listed.
    sha256
        The SHA-256 that a Hugging Face cache states for it in the name of the blob; None anywhere else.
    """

    path: str
    source: Path
    identity: digests.Identity
    sha256: str | None = None


@dataclass(frozen=True)
class Cached:
    """The Hugging Face cache that a mapped folder is a snapshot of.

    Parameters
    ----------
    commit
        The commit of the public hub that the snapshot is named after.
    blobs
        The folder that the links of the snapshot point into.
    shared
        The store that blobs may be links into in their turn (huggingface_hub 2.4 shares them between repositories).
    """

    commit: str
    blobs: Path
    shared: Path

    @classmethod
    def of(cls, folder: Path) -> Cached | None:
        """Return the cache around `folder`, ``.../models--owner--name/snapshots/<commit>``, or None."""
        entry = folder.parent.parent
        if folder.parent.name != "snapshots" or not _CACHE_ENTRY.fullmatch(entry.name):
            return None
        return cls(folder.name, entry / "blobs", entry.parent / "blobs")

    def names(self) -> tuple[str, ...]:
        """Return the revisions under which the public hub knew this snapshot: its commit, branches and tags."""
        refs = self.blobs.parent / "refs"
        named = (
            ref.relative_to(refs).as_posix()
            for ref in sorted(refs.rglob("*"))
            if ref.is_file() and ref.read_text("utf-8", errors="replace").strip() == self.commit
        )
        return (self.commit, *named)


def _visible(name: str) -> bool:
    if name.startswith(".") or "\\" in name or not name.isprintable():
        return False
    try:
        name.encode()
    except UnicodeEncodeError:  # a name on disk that is no UTF-8 has no address
        return False
    return True


def _target(link: Path, folder: Path, cache: Cached | None) -> tuple[Path, str | None] | None:
    """Return where a link leads and the hash its blob is named after, or None where it leaves the folder."""
    real = Path(os.path.realpath(link))
    if real.is_relative_to(folder):
        inside = real.relative_to(folder).parts
        return (real, None) if all(_visible(part) for part in inside) else None
    if cache is None:
        return None
    blob = Path(os.path.normpath(link.parent / link.readlink()))
    if blob.parent != cache.blobs or not (real == blob or real.is_relative_to(cache.shared)):
        return None
    return real, blob.name if _SHA256.fullmatch(blob.name) else None


def listed(folder: Path) -> Iterator[Listed]:
    """Yield the files of a folder that may be served, in no order.

    Left out: hidden names (but ``.huggingface.yaml``, the data-set card without a README), names that no address can
    carry, links to folders, and links that leave the folder - unless the folder is a snapshot in a Hugging Face cache
    and the link leads to a blob of that cache.

    Parameters
    ----------
    folder
        A folder with links resolved.
    """
    cache = Cached.of(folder)
    pending = [""]
    while pending:
        inner = pending.pop()
        try:
            entries = list(os.scandir(folder / inner))
        except OSError:  # removed meanwhile, or not ours to read: not served
            continue
        for entry in entries:
            path = f"{inner}{entry.name}"
            if not _visible(entry.name) and path != STANDALONE:
                continue
            try:
                if entry.is_dir(follow_symlinks=False):
                    pending.append(f"{path}/")
                    continue
                source, sha256 = Path(entry.path), None
                if entry.is_symlink():
                    target = _target(source, folder, cache)
                    if target is None:
                        continue
                    source, sha256 = target
                status = source.stat(follow_symlinks=False)
            except OSError:
                continue
            if stat.S_ISREG(status.st_mode) and os.access(source, os.R_OK):
                yield Listed(path, source, digests.Identity.of(status), sha256)
