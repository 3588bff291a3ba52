"""What a command may use up."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Limits:
    """Limits of one command and everything it starts.

    Attributes
    ----------
    seconds
        Elapsed time.
    memory_bytes
        Resident memory of all its processes together. An address-space limit would be wrong: CUDA reserves terabytes.
    processes
        Processes and threads together.
    disk_bytes
        What lies in the folder that it may write, and in its ``/tmp``; also the size of a single file.
    """

    seconds: float
    memory_bytes: int = 8 * 2**30
    processes: int = 1024
    disk_bytes: int = 4 * 2**30
