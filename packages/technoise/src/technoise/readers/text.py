"""Lines of a text file, compressed or not; damage is a one-line error."""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, cast

from technoise.errors import TechnoiseError

_GZIP_MAGIC = b"\x1f\x8b"


def lines(path: Path) -> Iterator[tuple[int, bytes]]:
    """Yield the number, from 1, and the text of every line that is not empty, without its line ending.

    Compression is recognised by the first bytes, not by the name.

    Raises
    ------
    TechnoiseError
        When the file is missing, not readable, or cut off or damaged inside its compression.
    """
    try:
        with path.open("rb") as raw:
            compressed = raw.read(2) == _GZIP_MAGIC
            raw.seek(0)
            file = cast(BinaryIO, gzip.GzipFile(fileobj=raw)) if compressed else raw
            for number, line in enumerate(file, start=1):
                text = line.rstrip(b"\r\n")
                if text:
                    yield number, text
    except FileNotFoundError:
        raise TechnoiseError(f"no {path}: the file does not exist; correct the path") from None
    except EOFError:
        raise TechnoiseError(
            f"{path} ends in the middle of its compressed data: it is truncated; copy it again"
        ) from None
    except (OSError, zlib.error) as error:
        raise TechnoiseError(f"{path} is not readable ({error}): it is damaged; copy it again") from None


def shown(field: bytes) -> str:
    """Return a field the way an error can quote it: short and printable."""
    text = field[:40].decode("ascii", errors="backslashreplace")
    return repr(text + ("..." if len(field) > 40 else ""))
