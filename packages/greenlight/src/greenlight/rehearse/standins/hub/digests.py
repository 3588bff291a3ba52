"""Content hashes of files, as git and the public hub compute them.

A file up to 10 MiB is named by its git blob id, a larger one by its SHA-256 (and in the tree by the id of its Git LFS
pointer), so that the ETags, the tree and the checks of the client (``hf cache verify``) mean what they mean elsewhere.
"""

from __future__ import annotations

import hashlib
import json
import logging
import os
import threading
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

LARGE_BYTES = 10 * 2**20
# A file system may give two writes within one clock tick the same time stamp: a file this young is hashed again.
_SETTLED_NS = 100_000_000

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Identity:
    """What changes when a file is replaced or rewritten."""

    device: int
    inode: int
    size_bytes: int
    modified_ns: int

    @classmethod
    def of(cls, status: os.stat_result) -> Identity:
        """Return the identity in a stat result."""
        return cls(status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns)


@dataclass(frozen=True)
class Digest:
    """The hash of one file.

    Parameters
    ----------
    blob
        Git's id of the blob in the tree, 40 hexadecimal digits; for a large file the blob is its LFS pointer.
    sha256
        SHA-256 of the content, 64 hexadecimal digits, for a large file only.
    """

    blob: str
    sha256: str | None = None

    @property
    def etag(self) -> str:
        """The name under which the client caches the content."""
        return self.sha256 or self.blob


def git_id(kind: str, content: bytes) -> str:
    """Return git's id of an object, 40 hexadecimal digits; see git-hash-object(1).

    >>> git_id("blob", b"")
    'e69de29bb2d1d6434b8b29ae775ad8c2e48c5391'
    """
    return hashlib.sha1(f"{kind} {len(content)}\0".encode() + content, usedforsecurity=False).hexdigest()


def pointer(sha256: str, size_bytes: int) -> bytes:
    """Return the Git LFS pointer of a large file (version 1 of the specification)."""
    return f"version https://git-lfs.github.com/spec/v1\noid sha256:{sha256}\nsize {size_bytes}\n".encode()


def of_large(sha256: str, size_bytes: int) -> Digest:
    """Return the digest of a large file whose SHA-256 is known."""
    return Digest(git_id("blob", pointer(sha256, size_bytes)), sha256)


def of_file(path: Path, size_bytes: int) -> Digest:
    """Return the digest of a file of `size_bytes`, reading it piece by piece."""
    with path.open("rb") as stream:
        if size_bytes > LARGE_BYTES:
            return of_large(hashlib.file_digest(stream, "sha256").hexdigest(), size_bytes)
        header = f"blob {size_bytes}\0".encode()
        return Digest(hashlib.file_digest(stream, lambda: hashlib.sha1(header, usedforsecurity=False)).hexdigest())


class Digests:
    """Digests by path, computed again only when size, time stamp or inode changed.

    Parameters
    ----------
    store
        A JSON file that keeps the digests of large files between starts; None keeps them in memory only.
    """

    def __init__(self, store: Path | None = None) -> None:
        self._store = store
        self._known: dict[str, tuple[Identity, Digest]] = {}
        self._lock = threading.Lock()
        if store is not None:
            with suppress(OSError, ValueError, TypeError, KeyError):
                saved = json.loads(store.read_text("utf-8"))
                self._known = {
                    path: (Identity(*entry["identity"]), of_large(entry["sha256"], entry["identity"][2]))
                    for path, entry in saved.items()
                }

    def of(self, path: Path, identity: Identity) -> Digest:
        """Return the digest of a file that had `identity` when it was listed.

        Raises
        ------
        OSError
            If the file cannot be read.
        """
        key = str(path)
        known = self._known.get(key)
        if known is not None and known[0] == identity:
            return known[1]
        started_s = time.perf_counter()
        digest = of_file(path, identity.size_bytes)
        large = identity.size_bytes > LARGE_BYTES
        if large:
            _log.info("hashed %s: %.1f MB in %.1f s", path, identity.size_bytes / 1e6, time.perf_counter() - started_s)
        unchanged = Identity.of(path.stat()) == identity
        if unchanged and time.time_ns() - identity.modified_ns > _SETTLED_NS:
            with self._lock:
                self._known[key] = (identity, digest)
                if large:
                    self._save()
        return digest

    def _save(self) -> None:
        if self._store is None:
            return
        saved: Mapping[str, object] = {
            path: {
                "identity": [identity.device, identity.inode, identity.size_bytes, identity.modified_ns],
                "sha256": digest.sha256,
            }
            for path, (identity, digest) in self._known.items()
            if digest.sha256
        }
        unfinished = self._store.with_name(f"{self._store.name}.{os.getpid()}")
        # A hub that cannot save its digests computes them again at its next start; that is all.
        with suppress(OSError):
            self._store.parent.mkdir(parents=True, exist_ok=True)
            unfinished.write_text(json.dumps(saved), "utf-8")
            unfinished.replace(self._store)
