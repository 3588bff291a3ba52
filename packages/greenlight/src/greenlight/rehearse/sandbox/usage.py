"""What the processes of a sandbox use, read from outside."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

_PAGE = os.sysconf("SC_PAGE_SIZE")


@dataclass(frozen=True)
class Usage:
    """Resident memory in bytes (shared pages counted once per process), and processes and threads together."""

    memory_bytes: int
    processes: int


def usage(root: int) -> Usage:
    """Return what a process and all its descendants use."""
    memory = threads = 0
    for resident, own in _family(root).values():
        memory, threads = memory + resident, threads + own
    return Usage(memory, threads)


def descendants(root: int) -> list[int]:
    """Return the numbers of a process and all its descendants."""
    return list(_family(root))


def _family(root: int) -> dict[int, tuple[int, int]]:
    """Return resident bytes and threads of a process and all its descendants, by their numbers."""
    children: dict[int, list[int]] = {}
    facts: dict[int, tuple[int, int]] = {}
    for entry in os.scandir("/proc"):
        if not entry.name.isdigit():
            continue
        try:
            fields = Path(entry.path, "stat").read_bytes().rpartition(b")")[2].split()
        except OSError:
            continue  # it has ended
        number = int(entry.name)
        children.setdefault(int(fields[1]), []).append(number)
        facts[number] = (int(fields[21]) * _PAGE, int(fields[17]))
    family: dict[int, tuple[int, int]] = {}
    waiting = [root]
    while waiting:
        number = waiting.pop()
        family[number] = facts.get(number, (0, 0))
        waiting += children.get(number, [])
    return family


def disk_bytes(folder: Path) -> int:
    """Return the bytes that lie below a folder; links are not followed."""
    total = 0
    waiting = [str(folder)]
    while waiting:
        try:
            with os.scandir(waiting.pop()) as entries:
                for entry in entries:
                    if entry.is_dir(follow_symlinks=False):
                        waiting.append(entry.path)
                    else:
                        total += entry.stat(follow_symlinks=False).st_blocks * 512
        except OSError:
            continue  # it was removed meanwhile
    return total
