"""A file of Python holds NUL bytes, which nothing can read as code."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from greenlight.rehearse.menders.mender import Mended, Mender
from greenlight.rehearse.observer.record import Raised


class NullBytes(Mender):
    """What an editor or a language model left between two letters."""

    name: ClassVar[str] = "null-bytes"

    def mend(self, raised: Raised, files: Mapping[str, bytes]) -> Mended | None:
        """Return the files without those bytes."""
        if "null bytes" not in raised.root_message:
            return None
        held = [path for path, content in files.items() if path.endswith(".py") and b"\0" in content]
        if not held:
            return None
        result = dict(files) | {path: files[path].replace(b"\0", b"") for path in held}
        return Mended(result, f"{', '.join(held)}: NUL bytes are left out")
