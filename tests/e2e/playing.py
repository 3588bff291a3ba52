"""Play small runs through the real commands, and read back what the tracker and the folder hold of them."""

from __future__ import annotations

import json
import os
import shutil
import signal
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import wandb

from tests.e2e.small_runs import EXPERIMENTS, SmallRun
from tests.e2e.starting import Ended, Starter
from tests.processes import environment, python

SAVED = ("predictions.npz", "outcomes.jsonl")
ENTITY = "greenlight"


@dataclass(frozen=True)
class Interruption:
    """The end of a process before the end of its run: the last step that it logged, and the clock that it left."""

    step: int
    spent_s: float


@dataclass(frozen=True)
class Witness:
    """A run as the tracker tells it over HTTP, the files saved with it, and the folder that it left."""

    rows: list[dict[str, Any]]
    summary: dict[str, Any]
    config: dict[str, Any]
    state: str
    files: frozenset[str]
    runs_of_project: list[str]
    project: str
    folder: Path
    saved: Path
    interruptions: tuple[Interruption, ...] = ()

    @property
    def evaluations(self) -> list[dict[str, Any]]:
        """The rows that hold a measurement of the development split, in order."""
        return [row for row in self.rows if any(key.startswith("dev_") for key in row)]


@dataclass(frozen=True)
class Played:
    """A small run that was played: its witness, a twin that was interrupted on the way, and who can start more."""

    small: SmallRun
    main: Witness
    stage: Stage
    twin: Witness | None = None
    expected: Mapping[str, Any] = field(default_factory=dict)

    def option(self, path: str) -> Any:
        """Return a value of the expected configuration."""
        here: Any = self.expected
        for part in path.split("."):
            here = here[part]
        return here


class Stage:
    """Where runs are played: the services, who starts processes, and a folder of its own for everything they leave."""

    def __init__(self, exports: Mapping[str, str], commands: Starter, folder: Path) -> None:
        self.exports, self.commands, self.folder = dict(exports), commands, folder

    def copied(self, experiment: str, name: str) -> Path:
        """Return a fresh copy of an experiment without its caches: what older code prepared would hide a fault."""
        target = self.folder / name / experiment
        shutil.copytree(EXPERIMENTS / experiment, target, ignore=shutil.ignore_patterns(".cache", "__pycache__"))
        return target

    def play(self, small: SmallRun, name: str, code: Path, *, documented: bool = False) -> Witness:
        """Train a run from its beginning to its end; with `documented` by ``python -u -m src.main`` itself."""
        words = small.words(self.folder / name / "results", name)
        if documented:
            done = python("src.main", *words, folder=code, env=environment(**self.exports))
            ended = Ended(done.returncode, done.stdout + done.stderr)
        else:
            ended = self.start(code, name, *words).wait()
        assert ended.returncode == 0, ended.output
        return self.witness(small, name)

    def interrupt(self, small: SmallRun, name: str, code: Path, stops: Sequence[tuple[int, signal.Signals]]) -> Witness:
        """Train a run that gets signals, each after so many rows of its journal, and resume it every time."""
        words = small.words(self.folder / name / "results", name)
        folder = self.folder / name / "results" / small.run_id
        interruptions: list[Interruption] = []
        for rows, number in stops:
            command = self.start(code, name, *words)
            journal = folder / "history.jsonl"
            end = time.monotonic() + 300
            while not (journal.exists() and journal.read_bytes().count(b"\n") > rows):
                assert time.monotonic() < end, (self.folder / name / "log").read_text()
                time.sleep(0.005)
            os.kill(command.pid, number)
            ended = command.wait()
            assert ended.returncode == {signal.SIGINT: 130, signal.SIGKILL: -9}[number], ended.output
            spent_s = json.loads((folder / "clock.json").read_text())["elapsed_s"]
            # A killed process may have left half a line.
            last = journal.read_text().rpartition("\n")[0].splitlines()[-1]
            interruptions.append(Interruption(json.loads(last)["step"], spent_s))
        ended = self.start(code, name, *words).wait()
        assert ended.returncode == 0, ended.output
        assert ended.output.count("resumed at step") == len(stops), ended.output
        return replace(self.witness(small, name), interruptions=tuple(interruptions))

    def start(self, code: Path, name: str, *words: str, module: str = "src.main", **changed: str) -> Any:
        """Start a module of an experiment; return the command."""
        log = self.folder / name / "log"
        log.parent.mkdir(parents=True, exist_ok=True)
        return self.commands.start(code, module, *words, log=log, **changed)

    def witness(self, small: SmallRun, project: str) -> Witness:
        """Read a run back."""
        results = self.folder / project / "results"
        return read_back(self.exports, project, results / small.run_id, self.folder / project / "from-the-tracker")


def read_back(exports: Mapping[str, str], project: str, folder: Path, saved: Path) -> Witness:
    """Return the run that a folder is named after, as the tracker tells it; the files saved with it go to `saved`."""
    api = wandb.Api(overrides={"base_url": exports["WANDB_BASE_URL"]}, api_key=exports["WANDB_API_KEY"], timeout=60)
    run = api.run(f"{ENTITY}/{project}/{folder.name}")
    files = {file.name: file for file in run.files()}
    for wanted in SAVED:
        if wanted in files:
            files[wanted].download(root=str(saved / folder.name), replace=True).close()
    return Witness(
        rows=[{key: value for key, value in row.items() if value is not None} for row in run.scan_history()],
        summary=dict(run.summary),
        config=dict(run.config),
        state=run.state,
        files=frozenset(files),
        runs_of_project=[other.id for other in api.runs(f"{ENTITY}/{project}")],
        project=project,
        folder=folder,
        saved=saved / folder.name,
    )
