"""A control group: the kernel itself refuses a process too many, and tells that it did.

Version 1 and version 2 of control groups are known (``cgroups(7)``). A group can be made by root, and under version 2
by a user to whom a part of the tree is delegated, as systemd does for programs of a desktop or of ``systemd-run
--user --scope``.
"""

from __future__ import annotations

import contextlib
import itertools
import os
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

_PROC = Path("/proc/self")
_NUMBERS = itertools.count()
_JOIN = 'echo $$ > "$0/cgroup.procs"'
# Its standard input ends when the program that made the group does, however that was ended.
_REMOVE = (
    'read -r line; n=0; while [ -d "$0" ] && ! rmdir "$0" 2>/dev/null && [ $n -lt 300 ]; do'
    " sleep 0.1; n=$((n + 1)); done"
)
_ROUNDS = 50


@dataclass(frozen=True)
class Group:
    """A control group with a limit of processes and threads."""

    folder: Path

    def joining(self, command: Sequence[str]) -> list[str]:
        """Return a command that joins the group and becomes the given one."""
        return ["/bin/sh", "-c", f'{_JOIN} && exec "$@"', str(self.folder), *command]

    def refused(self) -> bool:
        """Return whether the kernel has refused a process or a thread so far."""
        return any(
            name == "max" and int(count) > 0
            for name, count in map(str.split, (self.folder / "pids.events").read_text(encoding="ascii").splitlines())
        )

    def members(self) -> list[int]:
        """Return the numbers of its processes."""
        return [int(line) for line in (self.folder / "cgroup.procs").read_text(encoding="ascii").split()]


@contextmanager
def group(processes: int) -> Iterator[Group | None]:
    """Yield a new group that holds so many processes and threads at most, or None where none can be made.

    The group is removed when the block ends, and also when this program is killed.
    """
    made = _made(processes)
    if made is None:
        yield None
        return
    remover = subprocess.Popen(
        ["/bin/sh", "-c", _REMOVE, str(made.folder)], stdin=subprocess.PIPE, start_new_session=True
    )
    try:
        yield made
    finally:
        for _ in range(_ROUNDS):  # what was killed leaves it a moment later
            with contextlib.suppress(OSError):
                made.folder.rmdir()
            if not made.folder.exists():
                break
            time.sleep(0.02)
        remover.communicate()


def _made(processes: int) -> Group | None:
    try:
        memberships, mounts = ((_PROC / name).read_text(encoding="utf-8") for name in ("cgroup", "mountinfo"))
    except OSError:
        return None  # a kernel without control groups
    for parent in _parents(memberships, mounts):
        folder = parent / f"greenlight-{os.getpid()}-{next(_NUMBERS)}"
        try:
            folder.mkdir()
        except OSError:
            continue  # not ours to write, or mounted read-only
        try:
            (folder / "pids.max").write_text(str(processes), encoding="ascii")
            subprocess.run(["/bin/sh", "-c", _JOIN, str(folder)], check=True, capture_output=True)
            if (folder / "pids.events").exists():
                return Group(folder)
        except (OSError, subprocess.CalledProcessError):
            pass  # no controller of processes here, or processes may not be moved to it
        with contextlib.suppress(OSError):
            folder.rmdir()
    return None


def _parents(memberships: str, mounts: str) -> Iterator[Path]:
    """Yield the groups below which one with a limit of processes might be made.

    Parameters
    ----------
    memberships, mounts
        The texts of ``/proc/self/cgroup`` and ``/proc/self/mountinfo``.
    """
    for line in memberships.splitlines():
        _, controllers, own = line.split(":", 2)
        if controllers and "pids" not in controllers.split(","):
            continue
        for mount in mounts.splitlines():
            fields, _, rest = mount.partition(" - ")
            kind, _, options = rest.split(" ", 2)
            root, place = fields.split()[3:5]
            wanted = kind == "cgroup" and "pids" in options.split(",") if controllers else kind == "cgroup2"
            if not wanted or not Path(own).is_relative_to(root):
                continue
            here = Path(place, Path(own).relative_to(root))
            yield here
            # Version 2 gives no controllers to groups below one that holds processes: one beside it may have them.
            if not controllers and here != Path(place):
                yield here.parent
