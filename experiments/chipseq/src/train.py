"""Train or fit one run inside its wall-clock budget: the search, the clock, the loop, and the held-out measurement."""

from __future__ import annotations

import copy
import logging
import math
import threading
import time
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from pydantic import model_validator

import graff
import technoise
from greenlight.errors import GreenlightError
from greenlight.harness import checkpoint
from greenlight.harness.best import BestWeights
from greenlight.harness.journal import ClockFile
from greenlight.harness.loop import BudgetClock, Pace, Progress, train_until_spent
from greenlight.harness.measures import area_over_budget, energy_used, peak_memory_mb
from greenlight.harness.search import check_names
from greenlight.harness.session import Experiment, RunSection, conduct
from greenlight.harness.stopping import Patience
from greenlight.harness.tracking import TrackedRun, Untracked
from src.model import Evaluation, Model, Prediction, Training, build, device, fit_baseline, plan, predict
from src.preprocess import Dataset, Step, load, predictions, steps
from technoise import TechnoiseError
from technoise.losses import Composite
from technoise.network import Network
from technoise.qc.metrics import HeldOut, held_out_metrics, recovery_metrics
from technoise.qc.predictions import Predictions

log = logging.getLogger("chipseq")
Tracker = TrackedRun | Untracked

# The one table from the parameter names of a search space to paths of the configuration.
SEARCHABLE = {
    "lr_init": "training.optimizer.lr_init",
    "weight_decay": "training.optimizer.weight_decay",
    "batch_bins": "training.batch_bins",
    "dropout": "model.dropout",
    "graff_outer_lr": "training.scheduler.outer_lr",
}
RESERVE_FACTOR = 1.25  # the measurement at the end may take this much longer per bin than the slower of the last two
KEEPING_FACTOR = 2.0  # predictions of a trained network compress less than those of the untrained one that was timed
LARGEST_RESERVE = 0.5  # of the budget; beyond it hardly anything would be trained
# A checkpoint is kept of the best value of each of these.
BEST_OF: dict[str, Literal["maximize", "minimize"]] = {"dev_nll": "minimize", "dev_pit_ks": "minimize"}
PREDICTIONS = "predictions.npz"
DIVERGED = (
    "step %d: the loss is not finite and the step is skipped; a network that has diverged stays so, and its best "
    "weights are reported; lower training.optimizer.lr_init or set training.clip_grad_norm"
)


class RunConfig(RunSection):
    """Everything that a run is made of."""

    model: Model
    dataset: Dataset
    training: Training
    evaluation: Evaluation

    @model_validator(mode="after")
    def _searchable(self) -> RunConfig:
        check_names(self.optuna, SEARCHABLE)
        if self.optuna.n_trials and not self.model.is_trained:
            raise ValueError(f"optuna.n_trials: model {self.model.type} is fitted in one go; set it to 0")
        return self


class Job:
    """One training or fit under one budget: what networks and baselines share.

    Checkpoints and the clock are kept in `folder`. Without `test` the test split is not measured, as in a search.
    """

    def __init__(self, config: RunConfig, folder: Path, *, test: bool) -> None:
        torch.manual_seed(config.seed)
        self.config, self.folder, self.test = config, folder, test
        self.data = load(config.dataset, config.evaluation.max_bins)
        self.budget = config.training.budget()
        self.clock = BudgetClock(self.budget, ClockFile(folder / "clock.json"))
        self.progress = Progress()
        self.energy = graff.EnergyMeter()
        self.interrupted = threading.Event()

    def measure(self, of_split: Prediction, split: str) -> HeldOut:
        """Return the metrics of a split's prediction, their names led by the split."""
        rows, mean, size = self.data.rows[split], of_split.mean, of_split.size
        counts = self.data.treatment[rows]
        found = held_out_metrics(counts, mean, size, seed=self.config.seed, signal=of_split.signal)
        if self.data.truth:
            truth = {name: array[rows] for name, array in self.data.truth.items()}
            found = found.joined(recovery_metrics(counts, mean, size, **truth))
        return found.named(f"{split}_")

    def _kept(self, everywhere: Prediction) -> Predictions:
        """Return what of a prediction of all bins is kept with the run."""
        only_test = self.config.evaluation.predicted == "test"
        return predictions(self.data, everywhere.mean, everywhere.size, everywhere.signal, only_test=only_test)

    def note_dev(self, metrics: dict[str, float], started: float) -> dict[str, float]:
        """Keep what the curve needs of a development evaluation that began at a monotonic time."""
        took_s, bins = time.monotonic() - started, len(self.data.rows["dev"])
        self.progress.note_dev(self.budget.elapsed_s, metrics.get("dev_nll", math.nan), took_s=took_s, examples=bins)
        return metrics

    def shown(self) -> dict[str, float | None]:
        """Return what a progress display shows besides the clock."""
        return {"dev_nll": self.progress.dev_curve[-1][1] if self.progress.dev_curve else None}

    def concluded(self, everywhere: Prediction, stop_reason: str) -> dict[str, Any]:
        """Measure the test split, keep the predictions, and return the summary values that all runs have."""
        data, progress = self.data, self.progress
        summary: dict[str, Any] = {}
        if self.test:
            summary |= self.measure(everywhere.of(data.rows["test"]), "test").with_reasons()
            self._kept(everywhere).save(self.folder / PREDICTIONS)
        best = min(progress.dev_curve, key=lambda point: point[1] if math.isfinite(point[1]) else math.inf)
        self.clock.show(progress, now=True, **self.shown())
        return summary | {
            "final_dev_nll": progress.dev_curve[-1][1],
            "best_dev_nll": best[1],
            "best_dev_step": int(best[2]),
            "auc_dev_nll_over_budget": area_over_budget(progress.dev_curve, self.budget.total_s),
            "bins_seen": progress.examples,
            **{f"{name}_bins": len(found) for name, found in data.rows.items()},
            **energy_used(*self.energy.stop(), resumed=progress.resumed),
            "peak_memory_mb": peak_memory_mb(),
            "device": torch.cuda.get_device_name() if torch.cuda.is_available() else "cpu",
            **self.clock.summary(progress, stop_reason),
        }


class BaselineJob(Job):
    """A baseline is fitted in one go: no step is taken, and the summary says so."""

    def prepare(self) -> dict[str, float] | None:
        """Return no row: before its fit a baseline says nothing, and a fit has no checkpoint to go on from."""
        return None

    def train(self, tracker: Tracker) -> str:
        """Fit to the training bins and log the one row that there is."""
        self.energy.start()
        self.budget.start()
        self.fitted = fit_baseline(self.config.model, self.data)
        self.fit_s = self.budget.elapsed_s
        if self.interrupted.is_set():
            raise KeyboardInterrupt
        rows, started = self.data.rows["dev"], time.monotonic()
        row = self.note_dev(self.measure(self.fitted.everywhere.of(rows), "dev").values, started)
        tracker.log(0, row | self.clock.row())
        return "fitted in one go, no step was taken"

    def finish(self, stop_reason: str) -> dict[str, Any]:
        """Measure the test split and return the summary."""
        summary = self.concluded(self.fitted.everywhere, stop_reason)
        for name in ("final_loss", "best_loss", "planner_overhead_fraction"):
            summary |= {name: None, f"{name}_missing": stop_reason}
        estimates = {f"fitted_{name}": value for name, value in self.fitted.estimates.items()}
        return summary | estimates | {"fit_s": self.fit_s, "parameters": self.fitted.parameters}


class NetworkJob(Job):
    """A network takes optimiser steps until its budget, steps, epochs or patience are used up."""

    def __init__(self, config: RunConfig, folder: Path, *, test: bool) -> None:
        super().__init__(config, folder, test=test)
        training = config.training
        self.model = build(config.model, self.data)
        self.model.train()
        self.planner = plan(training, self.model, self.budget, config.seed)
        weights = training.losses.model_dump()
        trained = {name: weight for name, weight in weights.items() if weight > 0}
        if self.data.treatment.shape[1] == 1 and trained.keys() != {"nll"}:
            raise GreenlightError("training.losses: there is one replicate to train on; set all but nll to 0")
        self.losses = Composite(trained)
        # The others cost more than the step itself, and with one replicate they do not exist.
        self.logged_losses = Composite(weights if self.data.treatment.shape[1] > 1 else trained)
        self.best = BestWeights(folder, BEST_OF)
        self.patience = Patience(training.early_stopping.patience, min_delta=training.early_stopping.min_delta)
        self.last_loss, self.keeping_s = 0.0, 0.0
        self.covariates = torch.from_numpy(self.data.covariates).to(device(), torch.float32)
        self.counts = torch.from_numpy(self.data.treatment.copy()).to(device())
        self.offsets = torch.from_numpy(self.data.offsets).to(device(), torch.float32)

    def prepare(self) -> dict[str, float] | None:
        """Load the last checkpoint or measure the untrained model; neither is charged to the budget.

        Returns the row of step 0 for a fresh run, None for a resumed one.
        """
        self._time_keeping()
        found = checkpoint.load(self.folder)
        if found is not None:
            self._restore(found)
            log.info("resumed at step %d, %.1f s of the budget are used up", self.progress.step, self.budget.elapsed_s)
            self._reserve()
            return None
        self._dev_metrics()  # warms up
        row = self.measure_dev() | self.clock.row()
        started = time.monotonic()
        self.save()
        self.progress.checkpoint_s = time.monotonic() - started
        self._reserve()
        if self.budget.reserve_s > LARGEST_RESERVE * self.budget.total_s:
            raise GreenlightError(
                f"budget of {self.budget.total_s:g} s: the measurement at its end takes about "
                f"{self.budget.reserve_s:.1f} s, more than half of it; raise the budget or lower evaluation.max_bins"
            )
        return row

    def _time_keeping(self) -> None:
        """Predict all bins and keep that once, as at the end, to know how long it takes."""
        started, file = time.monotonic(), self.folder / f".{PREDICTIONS}"
        self._kept(predict(self.model, self.data, np.arange(self.data.table.n_bins))).save(file)
        file.unlink()
        self.keeping_s = KEEPING_FACTOR * (time.monotonic() - started)

    def _reserve(self) -> None:
        if self.config.mode == "trial":
            return  # it ends after its steps, however slow the machine is
        dev_s, rows = self.dev_takes_s(), self.data.rows
        test_s = dev_s * len(rows["test"]) / len(rows["dev"]) if self.test else 0.0
        self.budget.reserve(dev_s + test_s + self.keeping_s + 2 * self.progress.checkpoint_s)

    def train(self, tracker: Tracker) -> str:
        """Take optimiser steps; return what ended them."""
        training, progress = self.config.training, self.progress
        self.energy.start()
        start = (progress.epoch, progress.next_batch)
        rows, seed = self.data.rows["train"], self.config.seed
        batches = steps(rows, training.batch_bins, seed=seed, start=start, epochs=training.epochs)
        pace = Pace(self.config.evaluation.interval_steps, training.checkpoint_seconds)
        return train_until_spent(self, batches, self.clock, pace, log=tracker.log, interrupted=self.interrupted)

    def step(self, batch: Step) -> dict[str, float]:
        """Take one optimiser step and return what is logged of it."""
        started_s, progress = self.budget.elapsed_s, self.progress
        rows = torch.from_numpy(batch.rows).to(device())
        every = (progress.step + 1) % self.config.evaluation.interval_steps == 0  # with the evaluation after this step
        loss, components = self._loss(rows, self.logged_losses if every else self.losses)
        self.planner.note(len(rows) * loss, len(rows))
        loss.backward()
        report = self.planner.step(probe=lambda: self._probe(rows))
        loss_value = float(loss.detach())
        progress.step += 1
        progress.epoch, progress.next_batch = batch.next_epoch, batch.next_batch
        progress.examples += len(rows)
        if not math.isfinite(loss_value) and math.isfinite(self.last_loss):
            log.warning(DIVERGED, progress.step)
        self.last_loss = loss_value
        progress.note_loss(loss_value)
        return {
            "loss": loss_value,
            "loss_running_mean": progress.loss_mean,
            **{f"loss/{name}": value for name, value in components.items()},
            "learning_rate": report.learning_rate,
            "bins_seen": progress.examples,
            "epoch": progress.epoch,
            "step_s": self.budget.elapsed_s - started_s,
            "step_skipped": float(report.skipped),
            **{f"planner/{name}": value for name, value in report.metrics.items()},
        }

    def ended(self) -> str | None:
        """Return why the last step was the last one, or None; an evaluation may have used up the patience."""
        if self.progress.step >= self.config.training.total_steps:
            return "total_steps"
        if self.progress.epoch == self.config.training.epochs:
            return "epochs"
        return "early_stopping" if self.patience.exhausted else None

    def _loss(self, rows: torch.Tensor, losses: Composite) -> tuple[torch.Tensor, dict[str, float]]:
        log_mean, log_size = self.model(self.covariates[rows], self.offsets)
        return losses(technoise.Prediction(self.counts[rows], log_mean, log_size, self.model.signal(len(rows))))

    def _probe(self, rows: torch.Tensor) -> torch.Tensor:
        """Return the loss of a slice of a batch without dropout: two evaluations differ by the weights alone."""
        self.model.eval()
        try:
            with torch.no_grad():
                return self._loss(rows[: max(2, len(rows) // 4)], self.losses)[0]
        finally:
            self.model.train()

    def dev_takes_s(self) -> float:
        """Return how many seconds a development evaluation may take."""
        return RESERVE_FACTOR * len(self.data.rows["dev"]) * max(self.progress.s_per_example)

    def measure_dev(self) -> dict[str, float]:
        """Measure the development split, keep the weights it is best with, and count towards early stopping."""
        started = time.monotonic()
        with self.planner.evaluating():
            metrics = self._dev_metrics()
            self.best.offer(self.progress.step, metrics, self.model.state_dict)
        self.patience.note(metrics.get("dev_nll", math.nan))
        self.note_dev(metrics, started)
        self._reserve()
        return metrics

    def _dev_metrics(self) -> dict[str, float]:
        rows = self.data.rows["dev"]
        return self.measure(predict(self.model, self.data, rows), "dev").values

    def finish(self, stop_reason: str) -> dict[str, Any]:
        """Measure what the budget bought and return the summary.

        The reserve is for this. Should it be slower than anything measured before, it still measures every bin, and
        ``overrun_s`` says by how much it was late.
        """
        with self.budget.aside():
            self.save()
            if self.progress.dev_curve[-1][2] != self.progress.step:
                self.measure_dev()
            reported, step = self._reported()
            summary = self.concluded(predict(reported, self.data, np.arange(self.data.table.n_bins)), stop_reason)
        keep = {"weights": dict(reported.state_dict()), "covariates": self.data.fitted.state_dict()}
        checkpoint.save(self.folder / "model", step, keep)
        return summary | {
            "final_loss": self.progress.loss_mean,
            "best_loss": self.progress.best_loss,
            "weights_step": step,
            "parameters": sum(parameter.numel() for parameter in self.model.parameters()),
            "planner_overhead_fraction": self.planner.overhead_s / self.budget.elapsed_s,
        }

    def _reported(self) -> tuple[Network, int]:
        """Return a model with the weights that the test split is measured with, and their step."""
        with self.planner.evaluating():
            model = copy.deepcopy(self.model)
        best = self.best.of("dev_nll")
        if self.config.evaluation.weights == "last" or best is None:
            return model, self.progress.step
        model.load_state_dict(best.weights)
        return model, best.step

    def save(self) -> None:
        """Write a checkpoint."""
        tree = {
            "model": dict(self.model.state_dict()),
            "optimizer": self.planner.optimizer.state_dict(),
            "planner": self.planner.state_dict(),
            "budget": self.budget.state_dict(),
            "progress": asdict(self.progress),
            "best": self.best.state_dict(),
            "patience": self.patience.state_dict(),
            "rng": checkpoint.random_state(),
        }
        checkpoint.save(self.folder, self.progress.step, tree)
        self.clock.show(self.progress, now=True, **self.shown())

    def _restore(self, tree: dict[str, Any]) -> None:
        self.model.load_state_dict(tree["model"])
        self.planner.optimizer.load_state_dict(tree["optimizer"])
        self.planner.load_state_dict(tree["planner"])
        self.budget.load_state_dict(tree["budget"])
        self.budget.charge(self.clock.used_before_s())
        self.progress = Progress(**tree["progress"])
        self.progress.resumed += 1
        self.best.load_state_dict(tree["best"])
        self.patience.load_state_dict(tree["patience"])
        checkpoint.restore_random_state(tree["rng"])


def job_of(config: RunConfig, folder: Path, test: bool) -> NetworkJob | BaselineJob:
    """Return the job of a run: steps for a network, one fit for a baseline."""
    return (NetworkJob if config.model.is_trained else BaselineJob)(config, folder, test=test)


def dev_nll(config: RunConfig, summary: Mapping[str, Any]) -> float:
    """Return what a search minimises: the development NLL of the weights that would be reported."""
    return float(summary["best_dev_nll" if config.evaluation.weights == "best" else "final_dev_nll"])


def train(config: RunConfig) -> None:
    """Run the search if there is one, then train, measure and track the final run.

    Raises
    ------
    GreenlightError, TechnoiseError
        For what the user can mend: a file that cannot be read, a tracker that does not answer, a folder in use.
    """
    experiment = Experiment(RunConfig, SEARCHABLE, job_of, dev_nll, (PREDICTIONS,), (TechnoiseError,))
    summary = conduct(experiment, config)
    if summary is not None:
        measured = (
            summary["test_nll_missing"] if summary["test_nll"] is None else f"{summary['test_nll']:.4f} nats per bin"
        )
        clock = f"{summary['elapsed_s']:.1f} of {summary['budget_s']:g} s"
        log.info("%s: held-out NLL %s after %s (%s)", config.run_id, measured, clock, summary["stop_reason"])
