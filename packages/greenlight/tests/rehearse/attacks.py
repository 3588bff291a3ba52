"""What attacks share: a bomb, and a look for processes that should be gone."""

import contextlib
import time
from pathlib import Path

# Every process forks, as often as it is let.
BOMB = """
    import os, time
    until = time.monotonic() + {seconds}
    while time.monotonic() < until:
        try:
            os.fork()
        except OSError:
            time.sleep(0.01)
"""


def marks(mark):
    """Return the processes whose command line holds a mark."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            with contextlib.suppress(OSError):
                if mark.encode() in (entry / "cmdline").read_bytes():
                    found.append(int(entry.name))
    return found


def all_gone(mark):
    """Return whether no process holds a mark any more; what was killed gets a moment to end."""
    until = time.monotonic() + 60
    while marks(mark) and time.monotonic() < until:
        time.sleep(0.1)
    return not marks(mark)
