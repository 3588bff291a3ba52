"""A whole experiment on its embedded default: some runs, one budget, an honest comparison, nothing from outside."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console

from greenlight.contract import commands, experiment
from greenlight.errors import GreenlightError
from greenlight.launch.children import child, tail
from greenlight.launch.progress import display, follow
from greenlight.launch.services import Services, services

ENTITY = "greenlight"


@dataclass(frozen=True)
class Scene:
    """Which runs of an experiment a demo shows.

    Attributes
    ----------
    labels
        Run id to what it is called, in the order of training; the first one is the proposed.
    score
        How the primary metric is written.
    seconds
        The budget of each run.
    """

    labels: Mapping[str, str]
    score: str
    seconds: float

    @property
    def run_ids(self) -> tuple[str, ...]:
        """The runs, in the order of training."""
        return tuple(self.labels)


SCENES = {
    "gsm8k": Scene(
        {
            "proposed-iter1-tiny-qwen3-arithmetic": "GRAFF (proposed)",
            "comparative-1-iter1-tiny-qwen3-arithmetic": "REACTOR",
            "comparative-2-iter1-tiny-qwen3-arithmetic": "linear over time (the bar)",
        },
        score="{:.1%}",
        seconds=45.0,
    ),
    "chipseq": Scene(
        {
            "proposed-iter1-technb-mu-r-simulator": "TechNB_mu_r (proposed)",
            "comparative-7-iter1-technb-mixture-simulator": "TechNB mixture",
            "comparative-3-iter1-nb-glm-simulator": "negative-binomial GLM",
            "comparative-4-iter1-depth-scaling-simulator": "depth scaling",
        },
        score="{:.4f} nats per bin",
        seconds=15.0,
    ),
}
RUN_IDS = SCENES["gsm8k"].run_ids


@dataclass(frozen=True)
class Demo:
    """What a demo is run with: experiment, place of results, overrides, whether the page stays, another budget."""

    folder: Path
    results: Path
    overrides: Sequence[str]
    stay: bool
    seconds: float | None = None

    @property
    def scene(self) -> Scene:
        """The runs that it shows."""
        return SCENES[self.folder.name]


def find_experiment(start: Path, name: str = "gsm8k") -> Path:
    """Return the folder of an experiment in the checkout that `start` lies in.

    Raises
    ------
    GreenlightError
        If it has no demo, or is not there: the demo runs an experiment of the repository, not of the installed package.
    """
    if name not in SCENES:
        raise GreenlightError(f"--experiment {name}: the demos are {', '.join(SCENES)}; name one of them")
    places = [*[start, *start.parents], *Path(__file__).resolve().parents]
    for place in places:
        if (place / "experiments" / name / "src" / "main.py").is_file():
            return place / "experiments" / name
    raise GreenlightError(f"{start}: no experiments/{name} here or above; run the demo in a clone of the repository")


def run(demo: Demo, console: Console) -> None:
    """Train the runs one after another, evaluate them, show what came out.

    Raises
    ------
    GreenlightError
        If a command of the experiment fails; the message names its log.
    """
    subject, scene = experiment.read(demo.folder), demo.scene
    for run_id in scene.run_ids:
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
        seconds = scene.seconds if demo.seconds is None else demo.seconds
        budget = f"training.budget_seconds={seconds:g}"
        _train(scene, subject.folder, results, [*place, budget, *demo.overrides], servers, console)
        _evaluate(scene, subject.folder, results, place, servers, console)
        _conclude(scene, results, servers, project, console)
        if demo.stay:
            console.print("The page stays up until Ctrl-C.")
            _sleep_until_interrupted()
    address_again = f"uv run greenlight tracker --data {_short(demo.results / 'tracker')}"
    console.print(f"The curves again, later: [bold]{address_again}[/bold]", soft_wrap=True)


def _introduce(servers: Services, project: str, console: Console) -> None:
    console.print(f"tracker  {servers.tracker_url}/{ENTITY}/{project}", soft_wrap=True, highlight=False)
    console.print(f"         key {servers.api_key}", highlight=False)
    console.print(f"hub      {servers.hub_url}", highlight=False)


def _train(
    scene: Scene, folder: Path, results: Path, overrides: Sequence[str], servers: Services, console: Console
) -> None:
    with display(console) as progress:
        labels = scene.labels.items()
        lines = {run_id: progress.add_task("", label=label, state="waits", start=False) for run_id, label in labels}
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


def _evaluate(
    scene: Scene, folder: Path, results: Path, overrides: Sequence[str], servers: Services, console: Console
) -> None:
    log = results / "evaluate.log"
    with (
        console.status("evaluating: reading the runs back, tests, figures"),
        child(
            commands.evaluate(results, scene.run_ids, overrides),
            folder=folder,
            environment=servers.environment,
            log=log,
        ) as process,
    ):
        status = process.wait()
    if status:
        raise GreenlightError(f"evaluation: exit {status}; {log} ends in:\n{tail(log)}")
    console.print(log.read_text(encoding="utf-8"), end="", highlight=False, markup=False, soft_wrap=True)


def _conclude(scene: Scene, results: Path, servers: Services, project: str, console: Console) -> None:
    summary = json.loads((results / "comparison" / "aggregated_metrics.json").read_text(encoding="utf-8"))
    gap = summary["gap"]
    if gap is not None:
        best, bar = summary["best_proposed"], summary["best_baseline"]
        ours, theirs = (scene.score.format(found["value"]) for found in (best, bar))
        names = [scene.labels[found["run_id"]].removesuffix(" (proposed)") for found in (best, bar)]
        console.print(f"{names[0]} {ours}, best baseline {names[1]} {theirs}: gap {gap:+.1f} %")
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
