"""``greenlight run`` and ``greenlight compare``: the experiment's own commands, with a tracker and a hub."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

from greenlight.contract import commands, experiment
from greenlight.errors import GreenlightError
from greenlight.launch.children import child
from greenlight.launch.services import services


def train(
    folder: Path,
    run_ids: Sequence[str],
    results: Path,
    mode: str,
    models: Sequence[str],
    datasets: Sequence[str],
    overrides: Sequence[str],
    tracker_data: Path,
) -> None:
    """Train runs one after another; the first that fails ends the job with its exit status.

    Raises
    ------
    GreenlightError
        If the mode or a run is unknown, or a mapping is wrong.
    """
    if mode not in experiment.MODES:
        raise GreenlightError(f"--mode {mode}: a mode is trial or full; say one of them")
    subject = experiment.read(folder)
    for run_id in run_ids:
        subject.require(run_id)
    for override in overrides:
        if "=" not in override:
            raise GreenlightError(f"--set {override}: an override has the form key=value")
    with services(tracker_data, tracker_data.parent / "hub", models, datasets) as servers:
        for run_id in run_ids:
            _run(commands.train(run_id, results, mode, overrides), subject.folder, servers.environment)


def evaluate(folder: Path, run_ids: Sequence[str], results: Path, overrides: Sequence[str], tracker_data: Path) -> None:
    """Evaluate and compare finished runs.

    Raises
    ------
    GreenlightError
        If a run is unknown.
    """
    subject = experiment.read(folder)
    for run_id in run_ids:
        subject.require(run_id)
    with services(tracker_data, tracker_data.parent / "hub") as servers:
        _run(commands.evaluate(results, run_ids, overrides), subject.folder, servers.environment)


def _run(command: Sequence[str], folder: Path, environment: dict[str, str]) -> None:
    print(f"$ cd {folder} && {' '.join(command)}", flush=True)
    with child(command, folder=folder, environment=environment) as process:
        status = process.wait()
    if status:
        sys.exit(status)
