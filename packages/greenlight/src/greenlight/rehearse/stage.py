"""Where an experiment's commands are performed: a copy of its files, a sandbox, a tracker, a hub, and an observer."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from greenlight.rehearse.observer import record
from greenlight.rehearse.sandbox import Ended, Limits, Sandbox, View
from greenlight.rehearse.standins import hub, loopback, tracker

# What the documented commands call. The stage's environment is made already, and there is no network to make another.
_UV = """#!/bin/sh
# Stands for uv in a rehearsal: `uv run COMMAND` runs the command in the environment that is there.
[ "$1" = run ] || { echo "uv $1: a rehearsal has uv run alone" >&2; exit 2; }
shift
exec "$@"
"""


@dataclass(frozen=True)
class Performed:
    """One command, how it ended, and what was seen.

    Attributes
    ----------
    command
        As it was typed.
    ended
        Exit status, seconds and what it used.
    seen
        What the observer noted.
    log
        Its output.
    """

    command: tuple[str, ...]
    ended: Ended
    seen: record.Record
    log: Path


class Stage:
    """Performs commands in a copy of an experiment; made by :func:`stage`.

    Attributes
    ----------
    experiment
        The copy.
    results
        A folder for ``results_dir``.
    tracker_url
        Where the tracker is, from inside and from outside.
    """

    def __init__(
        self, work: Path, environment: Mapping[str, str], ports: Sequence[int], view: View, tracker_url: str
    ) -> None:
        self.experiment = work / "experiment"
        self.results = work / "results"
        self.tracker_url = tracker_url
        self._work = work
        self._environment = dict(environment)
        self._sandbox = Sandbox(work, view, ports)
        self._count = 0

    def perform(
        self, command: Sequence[str], limits: Limits, *, clock_speed: float = 1.0, most_trials: int | None = None
    ) -> Performed:
        """Run a command in the experiment's folder to its end or to a limit.

        Parameters
        ----------
        command
            Word for word as the contract documents it, ``uv run python ...`` included.
        limits
            What it may use.
        clock_speed, most_trials
            How full mode is shrunk, see :func:`greenlight.rehearse.observer.record.environment`.
        """
        self._count += 1
        notes = self._work / f"notes-{self._count}"
        notes.mkdir()
        log = self._work.parent / f"{self._work.name}-{self._count}.log"
        observing = record.environment(notes, clock_speed=clock_speed, most_trials=most_trials)
        ended = self._sandbox.run(
            command, cwd=self.experiment, environment=self._environment | observing, limits=limits, log=log
        )
        return Performed(tuple(command), ended, record.read(notes, self.experiment), log)


@contextmanager
def stage(files: Mapping[str, bytes], work: Path, repositories: Sequence[hub.Repository]) -> Iterator[Stage]:
    """Yield a stage for as long as the block takes; the tracker and the hub end with it.

    Parameters
    ----------
    files
        The experiment's files by path.
    work
        A new folder, the only one that the commands can write.
    repositories
        What the hub serves.

    Raises
    ------
    GreenlightError
        Where no sandbox can be had.
    """
    work = work.resolve()
    for folder in ("experiment", "results", "bin", "home"):
        (work / folder).mkdir(parents=True)
    for path, content in files.items():
        target = work / "experiment" / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(content)
    uv = work / "bin" / "uv"
    uv.write_text(_UV, encoding="utf-8")
    uv.chmod(0o755)
    data = work.parent / f"{work.name}-tracker"
    try:
        with ExitStack() as stack:
            tracker_url = stack.enter_context(loopback.background(tracker.app(data)))
            hub_url = stack.enter_context(loopback.background(hub.app(repositories)))
            environment = {
                "PATH": os.pathsep.join([str(uv.parent), str(Path(sys.executable).parent), "/usr/bin", "/bin"]),
                "HOME": str(work / "home"),
                "LANG": "C.UTF-8",
                "HF_HOME": str(work / "home" / "huggingface"),
                "HF_ENDPOINT": hub_url,
                "HF_UPDATE_DOWNLOAD_COUNTS": "0",
                "WANDB_BASE_URL": tracker_url,
                "WANDB_API_KEY": tracker.api_key(data),
                "PYTHONPYCACHEPREFIX": str(work / "home" / "bytecode"),
                # Two processes on few cores: a spinning OpenMP thread would take the core that the other one needs.
                "OMP_WAIT_POLICY": "PASSIVE",
                "GOMP_SPINCOUNT": "0",
            }
            ports = [port for url in (tracker_url, hub_url) if (port := urlsplit(url).port) is not None]
            view = View.of_python(also=[record.STARTUP])
            yield Stage(work, environment, ports, view, tracker_url)
    finally:
        shutil.rmtree(data, ignore_errors=True)
