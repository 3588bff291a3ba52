"""From a validated configuration to a tracked run: its folder, the search, the training, what is left behind."""

from __future__ import annotations

import logging
import math
import tempfile
import threading
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Generic, Literal, Protocol, TypeVar

from pydantic import Field

from greenlight.endpoints import check_tracker
from greenlight.errors import GreenlightError
from greenlight.harness import checkpoint
from greenlight.harness.compose import validated_values
from greenlight.harness.loop import Clock, Progress, Row
from greenlight.harness.run_folder import RunFolder, fingerprint
from greenlight.harness.search import search
from greenlight.harness.sections import Optuna, Section, Wandb, with_values
from greenlight.harness.stopping import stop_between_steps
from greenlight.harness.tracking import TrackedRun, Untracked

log = logging.getLogger(__name__)


class RunSection(Section):
    """What every run's configuration has, whatever the experiment."""

    run_id: str = Field(min_length=1)
    method: str = Field(min_length=1)
    mode: Literal["trial", "full"]
    results_dir: Path
    seed: int = Field(ge=0)
    optuna: Optuna
    wandb: Wandb


ConfigT = TypeVar("ConfigT", bound=RunSection)


class Job(Protocol):
    """One training under one budget."""

    interrupted: threading.Event

    @property
    def progress(self) -> Progress:
        """What was done."""

    @property
    def budget(self) -> Clock:
        """The clock."""

    def prepare(self) -> Row | None:
        """Take up the last checkpoint, or return the row of step 0."""

    def train(self, tracker: TrackedRun | Untracked) -> str:
        """Train, logging a row a step; return what ended it. KeyboardInterrupt where `interrupted` was set."""

    def finish(self, stop_reason: str) -> dict[str, Any]:
        """Measure what the budget bought, write the files that are saved with the run, and return the summary.

        What is no part of the budget, such as another data set, is measured here after the clock was read.
        """


@dataclass(frozen=True)
class Experiment(Generic[ConfigT]):
    """What an experiment says about its runs.

    Attributes
    ----------
    schema
        The configuration class.
    searchable
        The one table from parameter names of a search space to paths of the configuration.
    job
        Returns the job of a configuration in a folder; `test` says whether the reported split is measured at the end,
        which the trials of a search never do.
    objective
        What a search optimises, from the summary of a job without the reported split.
    saved
        Files of the run's folder that are saved with the tracked run; `Job.finish` writes them.
    mendable
        Exceptions besides `GreenlightError` that a user can mend: a run that had not begun is forgotten after one.
    told
        How the log tells the objective of a search's trial, as a format of one number.
    """

    schema: type[ConfigT]
    searchable: Mapping[str, str]
    job: Callable[[ConfigT, Path, bool], Job]
    objective: Callable[[ConfigT, Mapping[str, Any]], float]
    saved: tuple[str, ...] = ()
    mendable: tuple[type[Exception], ...] = ()
    told: str = "objective {:.5g}"


def conduct(experiment: Experiment[ConfigT], config: ConfigT) -> dict[str, Any] | None:
    """Run the search if there is one, then train, measure and track the final run.

    A trial leaves nothing but its empty folder. A run that was interrupted goes on where its checkpoint is.

    Returns
    -------
    dict or None
        The summary; None for a run that was finished before.

    Raises
    ------
    GreenlightError
        For anything that the user can mend: a tracker that does not answer, a folder in use, another configuration.
    """
    if config.wandb.mode == "online":
        check_tracker()
    if config.mode == "trial":
        with tempfile.TemporaryDirectory(prefix="trial-") as scratch:
            RunFolder(config.results_dir, config.run_id)
            return _conduct(experiment, config, RunFolder(Path(scratch), config.run_id))
    folder = RunFolder(config.results_dir, config.run_id)
    with folder.held():
        return _conduct(experiment, config, folder)


def _conduct(experiment: Experiment[ConfigT], config: ConfigT, folder: RunFolder) -> dict[str, Any] | None:
    resuming = folder.known
    recorded = config.model_dump(mode="json", exclude={"results_dir", "mode"})
    folder.start(recorded)
    if folder.finished:
        log.info("%s is finished already; choose another results_dir to train it again", folder.path)
        return None
    mendable: tuple[type[Exception], ...] = (GreenlightError, *experiment.mendable)
    try:
        best = search(
            config.optuna,
            experiment.searchable,
            lambda values, number: _objective(experiment, config, values, number),
            storage=folder.path / "search.db",
            study=fingerprint(recorded),
            seed=config.seed,
        )
        final = config
        if best is not None:
            final = validated_values(with_values(config.model_dump(), best.values), experiment.schema)
        resumed_step = (checkpoint.latest_step(folder.path) or 0) if resuming else None
        logged = final.model_dump(mode="json") | {"search": None if best is None else asdict(best)}
        job = experiment.job(final, folder.path, True)
        first_row = job.prepare()
        tracker = TrackedRun(final.wandb, final.run_id, logged, folder.path, resumed_step=resumed_step)
    except mendable:
        if not resuming:
            # The run itself did not begin: the next attempt may have another configuration.
            folder.forget()
            checkpoint.discard(folder.path)
        raise
    exit_code = 1
    try:
        if first_row is not None:
            tracker.log(0, first_row)
        stop_between_steps(job.interrupted)
        log.info("training starts: budget %g s, %g s of it kept for the end", job.budget.total_s, job.budget.reserve_s)
        summary = job.finish(job.train(tracker))
        tracker.summarise(summary)
        for name in experiment.saved:
            tracker.save_file(folder.path / name)
        exit_code = 0
    except KeyboardInterrupt:
        log.warning("interrupted at step %d; the same command resumes", job.progress.step)
        exit_code = 130
        raise
    finally:
        tracker.finish(exit_code)
    folder.finish()
    checkpoint.discard(folder.path)
    return summary


def _objective(experiment: Experiment[ConfigT], config: ConfigT, values: dict[str, Any], number: int) -> float:
    """Train one trial of the search under the same budget; return its objective on the development split."""
    content = with_values(config.model_dump(), values)
    log.info("search trial %d: %s", number, values)
    with tempfile.TemporaryDirectory(prefix="trial-") as folder:
        job = experiment.job(validated_values(content, experiment.schema), Path(folder), False)
        job.prepare()
        found = float(experiment.objective(config, job.finish(job.train(Untracked()))))
    if not math.isfinite(found):
        raise FloatingPointError(f"trial {number}: the objective is {found}")
    log.info("search trial %d: %s", number, experiment.told.format(found))
    return found
