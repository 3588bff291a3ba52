"""One Weights & Biases run for one run id: every row once, also after a crash and a resume."""

from __future__ import annotations

import contextlib
import logging
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import wandb

from greenlight.endpoints import check_tracker, is_loopback, tracker_address
from greenlight.errors import GreenlightError
from greenlight.harness.journal import Journal, strict
from greenlight.harness.sections import Wandb

log = logging.getLogger(__name__)


class TrackedRun:
    """A run that logs each step once.

    A row is written to the run's journal before it goes to the tracker. After a crash the tracker may lack the last
    rows before the checkpoint (they are handed in from the journal) or hold rows after the checkpoint (they stay, and
    the repeated steps are not logged again).

    Parameters
    ----------
    section
        Entity, project and mode; with mode ``disabled`` nothing is sent and no journal is kept.
    run_id
        The run's id, which is also its name.
    config
        The validated configuration, logged with the run.
    folder
        The run's folder, holding ``history.jsonl``.
    resumed_step
        The step of the checkpoint that training continues from; None if the run starts afresh.

    Raises
    ------
    GreenlightError
        If the tracker cannot be reached, or a fresh run's id is taken.
    """

    def __init__(
        self, section: Wandb, run_id: str, config: Mapping[str, Any], folder: Path, *, resumed_step: int | None
    ) -> None:
        self._journal = Journal(folder / "history.jsonl") if section.mode == "online" else None
        if section.mode == "online":
            check_tracker()
        address = tracker_address()
        name = f"{section.entity}/{section.project}/{run_id}"
        settings = wandb.Settings(
            init_timeout=60,
            x_file_stream_transmit_interval=1.0 if is_loopback(address) else None,
            console="wrap",
        )
        try:
            self._run = wandb.init(
                entity=section.entity,
                project=section.project,
                id=run_id,
                name=run_id,
                group=str(config.get("method", "")) or None,
                config=dict(config),
                mode=section.mode,
                resume="never" if resumed_step is None else "allow",
                dir=folder,
                settings=settings,
            )
        except (wandb.errors.UsageError, wandb.errors.CommError) as error:
            reason = " ".join(str(error).split())
            raise GreenlightError(
                f"run {name} cannot be tracked at {address}: {reason}; if that run exists already, resume it with the "
                "results_dir it was started with, or set wandb.project to a new name"
            ) from error
        self._next_step = self._run.starting_step if section.mode == "online" else 0
        if self._journal is not None and resumed_step is not None:
            self._hand_in(resumed_step)

    @property
    def url(self) -> str | None:
        """The address of the run's page; None if nothing is tracked."""
        return self._run.url

    def _hand_in(self, resumed_step: int) -> None:
        assert self._journal is not None
        self._journal.cut_after(max(resumed_step, self._next_step - 1))
        missing = [row for row in self._journal.rows() if row["step"] >= self._next_step]
        for row in missing:
            self._send(row["step"], row)
        if missing:
            log.info("tracker: %d rows that it had not received were handed in", len(missing))

    def log(self, step: int, row: Mapping[str, Any]) -> None:
        """Log the row of a step; a step that the tracker has already is left as it is.

        Parameters
        ----------
        step
            Optimiser steps done; it only grows.
        row
            Metric name to number. One call holds all that belongs to the step.
        """
        if step < self._next_step:
            return
        if self._journal is not None:
            self._journal.append(step, row)
        self._send(step, row)

    def _send(self, step: int, row: Mapping[str, Any]) -> None:
        self._run.log({"step": step, **row}, step=step, commit=True)
        self._next_step = step + 1

    def summarise(self, values: Mapping[str, Any]) -> None:
        """Set summary values; None stays None, and is explained by a value ``<key>_missing``."""
        for key, value in values.items():
            self._run.summary[key] = strict(value)

    def save_file(self, path: Path) -> None:
        """Save a file with the run, under its own name; it is copied now, and later changes of it are not seen."""
        if self._journal is not None:
            # A copy inside the client's own folder: a file elsewhere is linked there, with a warning to every user.
            copy = Path(self._run.dir) / path.name
            shutil.copyfile(path, copy)
            self._run.save(str(copy), base_path=self._run.dir, policy="now")

    def finish(self, exit_code: int = 0) -> None:
        """End the run; a non-zero code marks it as failed."""
        with contextlib.suppress(BrokenPipeError, ConnectionError):
            self._run.finish(exit_code=exit_code)


class Untracked:
    """Takes rows and keeps none: the trials of a search are not tracked."""

    def log(self, step: int, row: Mapping[str, Any]) -> None:
        """Drop the row."""
