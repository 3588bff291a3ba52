"""A cell's process ends with the command that started it, however that one ended."""

import ctypes
import os
import signal
import sys

PARENT = "BAKEOFF_PARENT"
_PR_SET_PDEATHSIG = 1


def end_with_parent() -> None:
    """Let the kernel kill this process when its parent is gone, if the environment names a parent (Linux).

    ``BAKEOFF_PARENT`` holds the process id of the command that started this one; without it nothing happens.
    """
    parent = os.environ.pop(PARENT, None)
    if parent is None or sys.platform != "linux":
        return
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != int(parent):
        sys.exit("error: the command that started this cell is gone")
