"""The main job on the embedded default: three planners, one budget, an honest comparison, nothing from outside."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console

from greenlight.contract import commands, experiment
from greenlight.errors import GreenlightError
from greenlight.launch.children import child, tail
from greenlight.launch.progress import display, follow
from greenlight.launch.services import Services, services

ENTITY = "greenlight"
RUN_IDS = (
    "proposed-iter1-tiny-qwen3-arithmetic",
    "comparative-1-iter1-tiny-qwen3-arithmetic",
    "comparative-2-iter1-tiny-qwen3-arithmetic",
)
LABELS = {RUN_IDS[0]: "GRAFF (proposed)", RUN_IDS[1]: "REACTOR", RUN_IDS[2]: "linear over time (the bar)"}


@dataclass(frozen=True)
class Demo:
    """What a demo is run with: the experiment, where results go, overrides, and whether the page stays."""

    folder: Path
    results: Path
    overrides: Sequence[str]
    stay: bool


def find_experiment(start: Path) -> Path:
    """Return ``experiments/gsm8k`` of the checkout that `start` lies in.

    Raises
    ------
    GreenlightError
        If there is none: the demo runs an experiment of the repository, not of the installed package.
    """
    places = [*[start, *start.parents], *Path(__file__).resolve().parents]
    for place in places:
        if (place / "experiments" / "gsm8k" / "src" / "main.py").is_file():
            return place / "experiments" / "gsm8k"
    raise GreenlightError(f"{start}: no experiments/gsm8k here or above; run the demo in a clone of the repository")


def run(demo: Demo, console: Console) -> None:
    """Train the three runs one after another, evaluate them, show what came out.

    Raises
    ------
    GreenlightError
        If a command of the experiment fails; the message names its log.
    """
    subject = experiment.read(demo.folder)
    for run_id in RUN_IDS:
        subject.require(run_id)
    stamp = time.strftime("%Y%m%d-%H%M%S")
    results = demo.results / stamp
    try:
        results.mkdir(parents=True)
    except OSError as error:
        raise GreenlightError(
            f"results {results}: cannot be made ({error.strerror}); name a folder that you may write, --results"
        ) from error
    project = f"demo-{stamp}"
    with services(demo.results / "tracker", demo.results / "hub", inherit=False) as servers:
        _introduce(servers, project, console)
        place = [f"wandb.entity={ENTITY}", f"wandb.project={project}"]
        _train(subject.folder, results, [*place, *demo.overrides], servers, console)
        _evaluate(subject.folder, results, place, servers, console)
        _conclude(results, servers, project, console)
        if demo.stay:
            console.print("The page stays up until Ctrl-C.")
            _sleep_until_interrupted()
    address_again = f"uv run greenlight tracker --data {_short(demo.results / 'tracker')}"
    console.print(f"The curves again, later: [bold]{address_again}[/bold]", soft_wrap=True)


def _introduce(servers: Services, project: str, console: Console) -> None:
    console.print(f"tracker  {servers.tracker_url}/{ENTITY}/{project}", soft_wrap=True, highlight=False)
    console.print(f"         key {servers.api_key}", highlight=False)
    console.print(f"hub      {servers.hub_url}", highlight=False)


def _train(folder: Path, results: Path, overrides: Sequence[str], servers: Services, console: Console) -> None:
    with display(console) as progress:
        lines = {run_id: progress.add_task("", label=LABELS[run_id], state="waits", start=False) for run_id in RUN_IDS}
        # One after another: side by side they would share the cores, and a wall-clock budget would mean nothing.
        for run_id, task in lines.items():
            progress.start_task(task)
            progress.update(task, state="loading")
            log = results / f"{run_id}.log"
            with child(
                commands.train(run_id, results, "full", overrides),
                folder=folder,
                environment=servers.environment,
                log=log,
            ) as process:
                status = follow(process, results / run_id / "clock.json", progress, task)
            if status:
                raise GreenlightError(f"training of {run_id}: exit {status}; {log} ends in:\n{tail(log)}")


def _evaluate(folder: Path, results: Path, overrides: Sequence[str], servers: Services, console: Console) -> None:
    log = results / "evaluate.log"
    with (
        console.status("evaluating: reading the runs back, tests, figures"),
        child(
            commands.evaluate(results, RUN_IDS, overrides), folder=folder, environment=servers.environment, log=log
        ) as process,
    ):
        status = process.wait()
    if status:
        raise GreenlightError(f"evaluation: exit {status}; {log} ends in:\n{tail(log)}")
    console.print(log.read_text(encoding="utf-8"), end="", highlight=False, markup=False, soft_wrap=True)


def _conclude(results: Path, servers: Services, project: str, console: Console) -> None:
    summary = json.loads((results / "comparison" / "aggregated_metrics.json").read_text(encoding="utf-8"))
    gap = summary["gap"]
    if gap is not None:
        best, bar = summary["best_proposed"], summary["best_baseline"]
        console.print(
            f"GRAFF {best['value']:.1%}, best baseline {LABELS[bar['run_id']]} {bar['value']:.1%}: gap {gap:+.1f} %"
        )
    console.print(f"files    {_short(results)}", soft_wrap=True, highlight=False)
    console.print(f"page     {servers.tracker_url}/{ENTITY}/{project}  (key above)", soft_wrap=True, highlight=False)


def _sleep_until_interrupted() -> None:
    try:
        while True:
            time.sleep(3600)
    except KeyboardInterrupt:
        pass


def _short(path: Path) -> str:
    relative = os.path.relpath(path)
    return str(path) if relative.startswith("..") else relative
