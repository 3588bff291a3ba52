"""Runs one command in a sandbox and watches it."""

from __future__ import annotations

import contextlib
import enum
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from greenlight.errors import GreenlightError
from greenlight.rehearse.sandbox import inside
from greenlight.rehearse.sandbox.doors import doors
from greenlight.rehearse.sandbox.group import Group, group
from greenlight.rehearse.sandbox.limits import Limits
from greenlight.rehearse.sandbox.usage import disk_bytes, usage
from greenlight.rehearse.sandbox.view import View

_LOOK_S = 0.2
_DISK_LOOK_S = 2.0
_GRACE_S = 3.0
_DOORS = "/run/greenlight"
_INSIDE = "/run/greenlight-inside.py"


class Stop(enum.StrEnum):
    """Why a command was ended from outside."""

    TIME = "time"
    MEMORY = "memory"
    PROCESSES = "processes"
    DISK = "disk"
    CANCELLED = "cancelled"


@dataclass(frozen=True)
class Ended:
    """How a command ended.

    Attributes
    ----------
    status
        Exit status; 128 plus a signal's number where one ended it.
    seconds
        Elapsed time.
    stopped
        The limit that was reached, or None.
    peak_memory_bytes, peak_processes
        The largest values that were seen.
    """

    status: int
    seconds: float
    stopped: Stop | None
    peak_memory_bytes: int
    peak_processes: int


class Sandbox:
    """A place for commands that may write one folder and reach some ports of the loopback interface.

    Parameters
    ----------
    folder
        The folder that is writable, under its own name.
    view
        What else is shown.
    ports
        The ports of 127.0.0.1 that are reachable, under the same numbers.
    private
        A folder for sockets and for the sandbox's ``/tmp``, with a name of less than 70 bytes because a socket's name
        has at most 107; by default the system's temporary folder.

    Raises
    ------
    GreenlightError
        Where no sandbox can be had on this machine.
    """

    def __init__(self, folder: Path, view: View, ports: Sequence[int] = (), private: Path | None = None) -> None:
        self._folder = folder.resolve()
        self._private = private
        self._view = view
        self._ports = tuple(ports)
        require()

    def run(
        self,
        command: Sequence[str],
        *,
        cwd: Path,
        environment: Mapping[str, str],
        limits: Limits,
        log: Path,
        cancelled: threading.Event | None = None,
    ) -> Ended:
        """Run a command to its end or to a limit; nothing of it is left then.

        Parameters
        ----------
        command
            Program and arguments; the program is looked for in the environment's ``PATH``.
        cwd
            Where it starts, inside of the writable folder or of what is shown.
        environment
            All of its environment.
        limits
            What it may use.
        log
            Where its output goes, standard error included; outside of the sandbox.
        cancelled
            Ends it from another thread.
        """
        with (
            tempfile.TemporaryDirectory(prefix="gl-", dir=self._private) as private,
            contextlib.ExitStack() as stack,
        ):
            sockets = stack.enter_context(doors(self._ports, Path(private)))
            scratch = stack.enter_context(tempfile.TemporaryDirectory(prefix="scratch-", dir=private))
            arguments = self._arguments(cwd, environment, Path(scratch), sockets)
            own_group = stack.enter_context(group(limits.processes))
            configuration = {
                "doors": {str(port): f"{_DOORS}/{path.name}" for port, path in sockets.items()},
                "file_bytes": limits.disk_bytes,
                "processes": limits.processes,
                "users": str(Path("/proc/self/ns/user").readlink()),
            }
            python = [os.path.realpath(sys.executable), "-I", "-S", _INSIDE, json.dumps(configuration), "--"]
            output = stack.enter_context(log.open("wb"))
            whole = [*arguments, "--", *python, *command]
            process = subprocess.Popen(
                whole if own_group is None else own_group.joining(whole),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                # The sandbox's first process is bubblewrap itself, and what it runs can read its environment.
                env={"PATH": os.environ.get("PATH", os.defpath)},
            )
            try:
                return watched(process, limits, (self._folder, Path(scratch)), cancelled, own_group)
            finally:
                kill(process)

    def _arguments(
        self, cwd: Path, environment: Mapping[str, str], scratch: Path, sockets: Mapping[int, Path]
    ) -> list[str]:
        arguments = ["bwrap", "--unshare-all", "--die-with-parent", "--new-session", "--clearenv", "--cap-drop", "ALL"]
        arguments += ["--proc", "/proc", "--dev", "/dev", "--tmpfs", "/home", "--tmpfs", "/root", "--tmpfs", "/run"]
        arguments += ["--bind", str(scratch), "/tmp"]  # noqa: S108 - the sandbox's own
        for path in _outermost(self._view.shown):
            arguments += ["--ro-bind", str(path), str(path)]
        for device in self._view.devices:
            arguments += ["--dev-bind", str(device), str(device)]
        base = Path(os.path.realpath(sys.executable)).parents[1]
        arguments += ["--ro-bind", str(base), str(base), "--ro-bind", inside.__file__, _INSIDE]
        for path in sockets.values():
            arguments += ["--bind", str(path), f"{_DOORS}/{path.name}"]
        arguments += ["--bind", str(self._folder), str(self._folder), "--chdir", str(cwd)]
        for key, value in environment.items():
            arguments += ["--setenv", key, value]
        return arguments


def require() -> None:
    """Raise `GreenlightError` where this machine offers no sandbox."""
    if sys.platform != "linux" or shutil.which("bwrap") is None:
        raise GreenlightError(
            f"no sandbox on {sys.platform}: it needs Linux and bubblewrap; install bubblewrap, or take the risk with "
            "--no-sandbox"
        )
    tried = subprocess.run(
        ["bwrap", "--unshare-all", "--ro-bind", "/", "/", "--proc", "/proc", "--dev", "/dev", "true"],
        capture_output=True,
        check=False,
    )
    if tried.returncode != 0:
        told = tried.stderr.decode("utf-8", errors="replace").strip().partition("\n")[0]
        raise GreenlightError(
            f"no sandbox: bubblewrap cannot make one here ({told}); allow user namespaces, or take the risk with "
            "--no-sandbox"
        )


def _outermost(paths: Sequence[Path]) -> list[Path]:
    """Return paths in an order in which later mounts do not cover earlier ones."""
    return sorted(dict.fromkeys(paths), key=lambda path: len(path.parts))


def kill(process: subprocess.Popen[bytes]) -> None:
    """End a sandbox: with its first process everything in its namespace is killed by the kernel."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(_GRACE_S)


def watched(
    process: subprocess.Popen[bytes],
    limits: Limits,
    folders: Sequence[Path],
    cancelled: threading.Event | None = None,
    own_group: Group | None = None,
    end: Callable[[subprocess.Popen[bytes]], None] = kill,
) -> Ended:
    """Wait for a process, and end it where it and its descendants, or the members of its group, reach a limit."""
    began = looked = time.monotonic()
    memory = processes = 0
    stopped: Stop | None = None
    while process.poll() is None:
        time.sleep(_LOOK_S)
        now = time.monotonic()
        used = usage(process.pid)
        memory, processes = max(memory, used.memory_bytes), max(processes, used.processes)
        if cancelled is not None and cancelled.is_set():
            stopped = Stop.CANCELLED
        elif now - began > limits.seconds:
            stopped = Stop.TIME
        elif used.processes > limits.processes or (own_group is not None and own_group.refused()):
            # Asked before memory: thousands of processes have both, and the number is why.
            stopped = Stop.PROCESSES
        elif used.memory_bytes > limits.memory_bytes:
            stopped = Stop.MEMORY
        elif now - looked > _DISK_LOOK_S:
            looked = now
            if sum(map(disk_bytes, folders)) > limits.disk_bytes:
                stopped = Stop.DISK
        if stopped is not None:
            end(process)
    status = process.returncode if process.returncode >= 0 else 128 - process.returncode
    return Ended(status, time.monotonic() - began, stopped, memory, processes)
