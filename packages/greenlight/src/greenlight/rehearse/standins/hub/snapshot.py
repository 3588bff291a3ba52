"""What a repository holds at one moment: its files, its folders and the commit that names them."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from greenlight.rehearse.standins.hub import card
from greenlight.rehearse.standins.hub.digests import LARGE_BYTES, Digest, Digests, Identity, git_id, of_large
from greenlight.rehearse.standins.hub.listing import Cached, Listed, listed
from greenlight.rehearse.standins.hub.repository import Repository

# A folder is listed again for every request, but for no more than about a tenth of the time.
_LISTING_SHARE = 0.1
_ATTEMPTS = 3


@dataclass(frozen=True)
class Entry:
    """One file of a snapshot.

    Parameters
    ----------
    path
        Path in the repository, with slashes.
    size_bytes
        Length of the content.
    digest
        Hash of the content.
    source, identity
        The file on disk and what it was when it was listed; None for a composed card.
    content
        The bytes of a composed card; None for a file.
    """

    path: str
    size_bytes: int
    digest: Digest
    source: Path | None = None
    identity: Identity | None = None
    content: bytes | None = field(default=None, repr=False)

    def read(self) -> bytes:
        """Return the whole content; for small files only."""
        if self.content is not None:
            return self.content
        assert self.source is not None
        return self.source.read_bytes()

    def status(self) -> os.stat_result | None:
        """Return the stat result of the file on disk, or None if it is not the one that was listed."""
        if self.source is None:
            return None
        try:
            status = self.source.stat(follow_symlinks=False)
        except OSError:
            return None
        return status if Identity.of(status) == self.identity else None


@dataclass(frozen=True)
class Snapshot:
    """A repository at one moment.

    Parameters
    ----------
    repository
        What it is a snapshot of.
    commit
        40 hexadecimal digits that depend on the id and on every path and content, and on nothing else.
    entries
        The files by path, sorted.
    folders
        Git's tree id of every folder by path, sorted; the empty path is the root.
    modified
        When the youngest file was written.
    revisions
        Every name under which clients may ask for this snapshot.
    """

    repository: Repository
    commit: str
    entries: dict[str, Entry]
    folders: dict[str, str]
    modified: datetime
    revisions: frozenset[str]

    def card(self) -> card.Card:
        """Return the README, empty where there is none."""
        readme = self.entries.get(card.NAME)
        return card.read(readme.read() if readme else b"")


def _trees(entries: dict[str, Entry]) -> dict[str, str]:
    """Return git's tree id of every folder, the root under the empty path."""
    children: dict[str, dict[str, tuple[str, str]]] = {"": {}}
    for path, entry in entries.items():
        folder, _, name = path.rpartition("/")
        above = folder
        while above and above not in children:
            children[above] = {}
            above = above.rpartition("/")[0]
        children[folder][name] = ("100644", entry.digest.blob)
    ids: dict[str, str] = {}
    for folder in sorted(children, key=lambda path: path.count("/") + bool(path), reverse=True):
        # git sorts folders as if their names ended in a slash
        rows = sorted(children[folder].items(), key=lambda row: row[0] + ("/" if row[1][0] == "40000" else ""))
        tree = b"".join(f"{mode} {name}\0".encode() + bytes.fromhex(blob) for name, (mode, blob) in rows)
        ids[folder] = git_id("tree", tree)
        if folder:
            above, _, name = folder.rpartition("/")
            children[above][name] = ("40000", ids[folder])
    return dict(sorted(ids.items()))


def _composed(repository: Repository, entries: dict[str, Entry]) -> Entry | None:
    readme = entries.get(card.NAME)
    text = card.compose(repository.id, repository.parts, tuple(entries), readme.read() if readme is not None else None)
    return None if text is None else Entry(card.NAME, len(text), Digest(git_id("blob", text)), content=text)


def take(repository: Repository, files: Sequence[tuple[str, Listed]], digests: Digests) -> Snapshot:
    """Return the snapshot of listed files, hashing those that are new.

    Parameters
    ----------
    repository
        What the files belong to.
    files
        Path in the repository and file on disk.
    digests
        Where hashes are kept.

    Raises
    ------
    OSError
        If a file vanished since it was listed.
    """
    entries: dict[str, Entry] = {}
    for path, file in sorted(files, key=lambda row: row[0]):
        size_bytes = file.identity.size_bytes
        # A cache names its blobs after their content, as its own client trusts: no need to read 15 GB for it.
        digest = (
            of_large(file.sha256, size_bytes)
            if file.sha256 and size_bytes > LARGE_BYTES
            else digests.of(file.source, file.identity)
        )
        entries[path] = Entry(path, size_bytes, digest, file.source, file.identity)
    newest_ns = max((file.identity.modified_ns for _, file in files), default=0)
    if repository.kind == "dataset":
        composed = _composed(repository, entries)
        if composed is not None:
            entries = dict(sorted({**entries, card.NAME: composed}.items()))
    folders = _trees(entries)
    commit = git_id("commit", f"tree {folders['']}\n\n{repository.kind} {repository.id}\n".encode())
    cache = Cached.of(repository.parts[0].folder)
    return Snapshot(
        repository,
        commit,
        entries,
        folders,
        datetime.fromtimestamp(newest_ns / 1e9, UTC),
        frozenset({"main", "refs/heads/main", commit, *(cache.names() if cache else ())}),
    )


class Shelf:
    """Hands out the present snapshot of one repository.

    Parameters
    ----------
    repository
        What is on the shelf.
    digests
        Where hashes are kept.
    """

    def __init__(self, repository: Repository, digests: Digests) -> None:
        self.repository = repository
        self._digests = digests
        self._lock = threading.Lock()
        self._snapshot: Snapshot | None = None
        self._files: list[tuple[str, Listed]] = []
        self._fresh_until_s = 0.0

    def present(self, *, again: bool = False) -> Snapshot:
        """Return the snapshot of what the folders hold now.

        Parameters
        ----------
        again
            List the folders even if that was done a moment ago, because a file proved to be another one.

        Raises
        ------
        OSError
            If a folder is gone, or files cannot be read or vanish again and again.
        """
        with self._lock:
            if not again and self._snapshot is not None and time.perf_counter() < self._fresh_until_s:
                return self._snapshot
            for attempt in range(_ATTEMPTS):
                started_s = time.perf_counter()
                files = self._list()
                listing_s = time.perf_counter() - started_s
                try:
                    if self._snapshot is None or files != self._files:
                        self._snapshot = take(self.repository, files, self._digests)
                except FileNotFoundError:  # removed between listing and reading
                    if attempt == _ATTEMPTS - 1:
                        raise
                    continue
                break
            self._files = files
            self._fresh_until_s = time.perf_counter() + listing_s * (1 / _LISTING_SHARE - 1)
            assert self._snapshot is not None
            return self._snapshot

    def _list(self) -> list[tuple[str, Listed]]:
        files: list[tuple[str, Listed]] = []
        for part in self.repository.parts:
            if not part.folder.is_dir():
                raise NotADirectoryError(f"the folder behind {self.repository.id} is gone")
            files.extend((part.prefix + file.path, file) for file in listed(part.folder))
        return sorted(files, key=lambda row: row[0])
