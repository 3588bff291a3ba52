"""Where environments are kept: whole or not at all, one maker at a time."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_DAY_S = 86400.0
_UNUSED_S = 14 * _DAY_S
_MOST = 8
_WHOLE = "complete.json"


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Hold the only right to make or remove a folder; the kernel gives it back where the holder is killed."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    with folder.with_name(f"{folder.name}.lock").open("a") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def used(folder: Path) -> dict[str, object] | None:
    """Return what was noted of a whole environment and mark it as used now; None where it is not whole."""
    note = folder / _WHOLE
    try:
        told = json.loads(note.read_text(encoding="utf-8"))
        os.utime(note)
    except (OSError, ValueError):
        return None
    return told if isinstance(told, dict) else None


def begin(folder: Path) -> None:
    """Make a folder anew; what an interrupted maker left there is removed."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)


def finish(folder: Path, told: dict[str, object]) -> None:
    """Mark an environment as whole, after everything else of it is there."""
    new = folder / f"{_WHOLE}.new"
    new.write_text(json.dumps(told), encoding="utf-8")
    new.replace(folder / _WHOLE)


def prune(environments: Path, kept: Path) -> None:
    """Remove environments that were not used for two weeks, and all but the latest eight not used for a day.

    One that a rehearsal works with was marked when it began, so it is older than a day only for a rehearsal of a day.
    """
    now = time.time()
    ages = sorted(
        (now - (note.stat().st_mtime if (note := folder / _WHOLE).is_file() else folder.stat().st_mtime), folder)
        for folder in environments.iterdir()
        if folder.is_dir() and folder != kept
    )
    for place, (age_s, folder) in enumerate(ages, start=1):
        if age_s > _UNUSED_S or (place >= _MOST and age_s > _DAY_S):
            with folder.with_name(f"{folder.name}.lock").open("a") as file, contextlib.suppress(BlockingIOError):
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                # Without its mark first: a removal that is interrupted leaves nothing that looks whole.
                (folder / _WHOLE).unlink(missing_ok=True)
                shutil.rmtree(folder, ignore_errors=True)
