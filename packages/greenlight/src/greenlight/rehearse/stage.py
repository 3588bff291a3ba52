"""Where an experiment's commands are performed: a copy of its files, a sandbox, a tracker, a hub, and an observer."""

from __future__ import annotations

import itertools
import os
import shutil
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from greenlight.rehearse.environment import Environment, current
from greenlight.rehearse.observer import record
from greenlight.rehearse.sandbox import Ended, Limits, Sandbox, Unconfined
from greenlight.rehearse.shrinking import WHOLE, Shrinking
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
    tracker_data
        The folder in which it keeps runs.
    """

    def __init__(
        self,
        work: Path,
        environment: Mapping[str, str],
        tracker_url: str,
        data: Path,
        opened: Callable[[Sequence[hub.Repository]], tuple[str, Sandbox | Unconfined]],
    ) -> None:
        self.experiment = work / "experiment"
        self.results = work / "results"
        self.tracker_url = tracker_url
        self.tracker_data = data
        self._work = work
        self._environment = dict(environment)
        self._opened = opened
        self._sandbox: Sandbox | Unconfined | None = None
        self._numbers = itertools.count(1)
        self._cancelled = threading.Event()

    def cancel(self) -> None:
        """End the commands that are being performed, from another thread; every later one ends at once."""
        self._cancelled.set()

    def serve(self, repositories: Sequence[hub.Repository]) -> None:
        """Serve other repositories to the commands that are performed from now on; none may be going on."""
        self._environment["HF_ENDPOINT"], self._sandbox = self._opened(repositories)

    def put(self, files: Mapping[str, bytes]) -> None:
        """Write files of the experiment over those that are there."""
        for path, content in files.items():
            target = self.experiment / path
            target.parent.mkdir(parents=True, exist_ok=True)
            # The subject may have left a link in the place of a file.
            target.unlink(missing_ok=True)
            target.write_bytes(content)

    def perform(
        self, command: Sequence[str], limits: Limits, shrinking: Shrinking = WHOLE, threads: int | None = None
    ) -> Performed:
        """Run a command in the experiment's folder to its end or to a limit; several may run side by side.

        Parameters
        ----------
        command
            Word for word as the contract documents it, ``uv run python ...`` included.
        limits
            What it may use.
        shrinking
            How full mode is shrunk.
        threads
            What OpenMP is told to use; by default all cores.
        """
        number = next(self._numbers)
        notes = self._work / f"notes-{number}"
        notes.mkdir()
        log = self._work.parent / f"{self._work.name}-{number}.log"
        environment = self._environment | record.environment(
            notes,
            step_s=shrinking.step_s,
            most_trials=shrinking.most_trials,
            most_new_tokens=shrinking.most_new_tokens,
        )
        environment["GREENLIGHT_SUBJECT"] = str(self.experiment)
        if threads is not None:
            environment["OMP_NUM_THREADS"] = str(threads)
        assert self._sandbox is not None, "nothing is served yet"
        ended = self._sandbox.run(
            command,
            cwd=self.experiment,
            environment=environment,
            limits=limits,
            log=log,
            cancelled=self._cancelled,
        )
        return Performed(tuple(command), ended, record.read(notes, self.experiment), log)


@contextmanager
def stage(
    files: Mapping[str, bytes],
    work: Path,
    repositories: Sequence[hub.Repository],
    *,
    confined: bool = True,
    environment: Environment | None = None,
) -> Iterator[Stage]:
    """Yield a stage for as long as the block takes; the tracker and the hub end with it.

    Parameters
    ----------
    files
        The experiment's files by path.
    work
        A new folder, the only one that the commands can write.
    repositories
        What the hub serves.
    confined
        False runs the commands without a sandbox.
    environment
        The interpreter and the packages that they run with; by default the running ones.

    Raises
    ------
    GreenlightError
        Where no sandbox can be had.
    """
    work = work.resolve()
    given = environment or current()
    for folder in ("experiment", "results", "bin", "home"):
        (work / folder).mkdir(parents=True)
    uv = work / "bin" / "uv"
    uv.write_text(_UV, encoding="utf-8")
    uv.chmod(0o755)
    bytecode = work / "home" / "bytecode"
    if given.bytecode is not None and given.bytecode.is_dir():
        # Compiling torch and transformers anew takes a minute. A copy: what is kept stays as it is.
        shutil.copytree(given.bytecode, bytecode, symlinks=True)
    data = work.parent / f"{work.name}-tracker"
    try:
        with ExitStack() as stack:
            tracker_url = stack.enter_context(loopback.background(tracker.app(data)))

            def opened(served: Sequence[hub.Repository]) -> tuple[str, Sandbox | Unconfined]:
                hub_url = stack.enter_context(loopback.background(hub.app(served)))
                if not confined:
                    return hub_url, Unconfined(work)
                ports = [port for url in (tracker_url, hub_url) if (port := urlsplit(url).port) is not None]
                private = work.parent / "s"
                private.mkdir(exist_ok=True)
                return hub_url, Sandbox(work, given.shown.also(record.STARTUP), ports, private)

            variables = {
                "PATH": os.pathsep.join([str(uv.parent), str(given.python.parent), "/usr/bin", "/bin"]),
                "HOME": str(work / "home"),
                "LANG": "C.UTF-8",
                "HF_HOME": str(work / "home" / "huggingface"),
                "HF_UPDATE_DOWNLOAD_COUNTS": "0",
                "WANDB_BASE_URL": tracker_url,
                "WANDB_API_KEY": tracker.api_key(data),
                "PYTHONPYCACHEPREFIX": str(bytecode),
                # Two processes on few cores: a spinning OpenMP thread would take the core that the other one needs.
                "OMP_WAIT_POLICY": "PASSIVE",
                "GOMP_SPINCOUNT": "0",
            }
            place = Stage(work, variables, tracker_url, data, opened)
            place.serve(repositories)
            place.put(files)
            yield place
    finally:
        shutil.rmtree(data, ignore_errors=True)
