"""JSON files that any strict parser can read, written whole or not at all."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

from greenlight.errors import GreenlightError


def write_json(path: Path, value: Any) -> Path:
    """Write a value as strict JSON and return the path; a file that was there survives every failure.

    Parameters
    ----------
    path
        The file to write; its folder is made where it is missing.
    value
        Dictionaries with string keys, lists, strings, booleans, None and finite numbers.

    Raises
    ------
    GreenlightError
        If the folder cannot be written to.
    ValueError
        If the value holds NaN or infinity.
    """
    text = json.dumps(value, indent=2, allow_nan=False, ensure_ascii=False) + "\n"
    return write_bytes(path, text.encode())


def write_bytes(path: Path, content: bytes) -> Path:
    """Write a file whole or not at all, making its folder, and return its path.

    Raises
    ------
    GreenlightError
        If the folder cannot be made or written to.
    """
    # In the same folder, so that the rename stays within one file system and is atomic.
    temporary = path.parent / f".{path.name}.{os.getpid()}.part"
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            with temporary.open("wb") as stream:
                stream.write(content)
                stream.flush()
                os.fsync(stream.fileno())
            temporary.replace(path)
        finally:
            temporary.unlink(missing_ok=True)
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        raise GreenlightError(
            f"{path.parent}: cannot write {path.name} there ({reason}); pass a results_dir that you may write to"
        ) from error
    return path
