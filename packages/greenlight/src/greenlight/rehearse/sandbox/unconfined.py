"""Runs a command without a sandbox, for machines that offer none: it is watched and ended, and nothing else."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import threading
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from greenlight.rehearse.sandbox.box import Ended, watched
from greenlight.rehearse.sandbox.group import Group, group
from greenlight.rehearse.sandbox.limits import Limits
from greenlight.rehearse.sandbox.usage import descendants

_ROUNDS = 20


class Unconfined:
    """Takes the place of a `Sandbox` and contains nothing: the command can read, write and reach what its user can.

    Limits hold as in a sandbox. Where a control group can be made, whatever the command started is ended with it.
    Elsewhere processes that leave their session are ended with the rest as long as their parents live; one whose
    parents ended before it is not found.

    Parameters
    ----------
    folder
        The folder whose size is limited.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder.resolve()

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
        """Run a command to its end or to a limit; see `Sandbox.run`."""
        with group(limits.processes) as own_group, log.open("wb") as output:
            process = subprocess.Popen(
                list(command) if own_group is None else own_group.joining(command),
                cwd=cwd,
                env=dict(environment),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
            try:
                return watched(
                    process, limits, (self._folder,), cancelled, own_group, lambda process: _end(process, own_group)
                )
            finally:
                _end(process, own_group)


def _end(process: subprocess.Popen[bytes], own_group: Group | None) -> None:
    """Kill a process, its session, its descendants and the members of its group."""
    for _ in range(_ROUNDS):
        members = own_group.members() if own_group is not None else []
        others = {*members, *descendants(process.pid)} - {process.pid}
        for number in others:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.kill(number, signal.SIGKILL)
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, signal.SIGKILL)
        if not others:
            break
        time.sleep(0.05)
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(3.0)
