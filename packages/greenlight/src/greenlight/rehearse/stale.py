"""The folder of a rehearsal: made with a lock in it, so that the next one can remove what a killed one left behind."""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

# No other folder has this prefix and this file in it: a tracker's data, which has a lock as well, may lie beside them.
_PREFIX = "greenlight-rehearsal-"
_LOCK = "rehearsal.lock"
_LONGEST = 45  # the name of a socket, four levels below, has 107 bytes at most


@contextmanager
def private_folder() -> Iterator[Path]:
    """Yield a new folder in the system's temporary one for as long as the block takes; stale ones go first."""
    base = Path(tempfile.gettempdir()).resolve()
    if len(str(base)) > _LONGEST:
        base = Path("/tmp")  # noqa: S108 - mkdtemp makes a folder of its own there
    sweep(base)
    folder = Path(tempfile.mkdtemp(prefix=_PREFIX, dir=base)).resolve()
    with (folder / _LOCK).open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        try:
            yield folder
        finally:
            _remove(folder)


def sweep(base: Path) -> None:
    """Remove this user's folders of rehearsals that no process holds any more."""
    for folder in base.glob(f"{_PREFIX}*"):
        try:
            if folder.is_symlink() or folder.stat().st_uid != os.getuid():
                continue
            # One that is being made has no lock file for a moment: it is left alone.
            with (folder / _LOCK).open("r+") as lock:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                _remove(folder)
        except OSError:
            continue  # in use, or gone


def _remove(folder: Path) -> None:
    """Remove a folder in which the subject may have taken rights away from itself."""
    for place, names, _ in os.walk(folder):
        for name in names:
            path = Path(place, name)
            if not path.is_symlink():
                with contextlib.suppress(OSError):
                    path.chmod(0o700)
    shutil.rmtree(folder, ignore_errors=True)
