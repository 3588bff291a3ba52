"""Uploaded bytes on disk under names of our own, random or derived from content; a client's name is never a path."""

from __future__ import annotations

import hashlib
import re
import secrets
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from starlette.concurrency import run_in_threadpool

NAME = re.compile(r"[0-9a-f]{32}")
FLUSH_BYTES = 1 << 20


class TooLargeError(Exception):
    """A body that passes the limit; the message names the limit."""


@dataclass(frozen=True)
class Received:
    """A complete upload that is not yet stored under its final name."""

    draft: Path
    md5: str
    """Hexadecimal digest of the content."""
    size: int
    """Bytes."""


class Blobs:
    """The folder of uploaded content."""

    def __init__(self, data_dir: Path) -> None:
        self._root = data_dir / "blobs"
        self._drafts = data_dir / "incoming"
        for folder in (self._root, self._drafts):
            folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        for leftover in self._drafts.iterdir():
            leftover.unlink()

    def path(self, name: str) -> Path:
        """Return where the blob `name` (32 hexadecimal digits) lies.

        Raises
        ------
        ValueError
            If the name is anything else, so that no path can be built from foreign text.
        """
        if not NAME.fullmatch(name):
            raise ValueError(f"blob {name!r}: a blob's name is 32 hexadecimal digits")
        return self._root / name[:2] / name

    def holds(self, name: str) -> bool:
        """Tell whether the blob `name` is stored."""
        return NAME.fullmatch(name) is not None and self.path(name).is_file()

    async def receive(self, chunks: AsyncIterator[bytes], limit_bytes: int) -> Received:
        """Stream a body to disk, never holding more than about a megabyte of it.

        Raises
        ------
        TooLargeError
            If the body is longer than `limit_bytes`; nothing is kept of it.
        """
        draft = self._drafts / secrets.token_hex(16)
        digest = hashlib.md5(usedforsecurity=False)
        size = 0
        buffer = bytearray()
        try:
            with draft.open("xb") as file:
                async for chunk in chunks:
                    size += len(chunk)
                    if size > limit_bytes:
                        raise TooLargeError(f"a body of more than {limit_bytes} bytes; the tracker takes at most that")
                    buffer += chunk
                    if len(buffer) >= FLUSH_BYTES:
                        await run_in_threadpool(_append, file, digest, bytes(buffer))
                        buffer.clear()
                await run_in_threadpool(_append, file, digest, bytes(buffer))
        except BaseException:
            draft.unlink(missing_ok=True)
            raise
        return Received(draft, digest.hexdigest(), size)

    def keep(self, received: Received, name: str) -> None:
        """Give a complete upload its final name, replacing what was there."""
        path = self.path(name)
        path.parent.mkdir(exist_ok=True, mode=0o700)
        received.draft.replace(path)

    def discard(self, received: Received) -> None:
        """Throw an upload away."""
        received.draft.unlink(missing_ok=True)

    def remove(self, name: str) -> None:
        """Delete a blob that nothing refers to any more."""
        self.path(name).unlink(missing_ok=True)


def new_name() -> str:
    """Return the name for a new blob that is not named by its content."""
    return secrets.token_hex(16)


def _append(file: BinaryIO, digest: hashlib._Hash, data: bytes) -> None:
    digest.update(data)
    file.write(data)
