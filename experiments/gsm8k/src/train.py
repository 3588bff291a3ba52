"""Train one run inside its wall-clock budget: the search, the clock, the loop, and the answers at its end."""

from __future__ import annotations

import logging
import math
import shutil
import tempfile
import threading
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any, Literal

import torch
from pydantic import Field, model_validator

import graff
from greenlight.endpoints import check_hub, check_tracker
from greenlight.errors import GreenlightError
from greenlight.harness import checkpoint
from greenlight.harness.compose import validated_values
from greenlight.harness.journal import ClockFile
from greenlight.harness.measures import area_over_budget, peak_memory_mb, value_at
from greenlight.harness.run_folder import RunFolder, fingerprint
from greenlight.harness.search import check_names, search
from greenlight.harness.sections import Optimizer, Optuna, Section, Wandb, with_values
from greenlight.harness.stopping import stop_between_steps
from greenlight.harness.tracking import TrackedRun
from src.model import Model, Scheduler, answers, device, is_stand_in, load, plan, save_adapter, token_losses, trainable
from src.preprocess import Batch, Dataset, Problem, TrainStream, exact_match, extract, read_split

log = logging.getLogger("gsm8k")

# The one table from the parameter names of a search space to paths of the configuration.
SEARCHABLE = {
    "adapter_lr_init": "training.optimizer.lr_init",
    "graff_outer_lr": "training.scheduler.outer_lr",
    "controller_lr": "training.scheduler.controller_lr",
    "lora_r": "model.lora.r",
}
RESERVE_FACTOR = 1.25  # the final evaluation may take this much longer per question than the slower of the last two
LARGEST_RESERVE = 0.5  # of the budget; beyond it hardly anything would be trained


class Training(Section):
    """The budget, the batch, and what is optimised; exactly one of the two budgets is set."""

    budget_minutes: float | None
    budget_seconds: float | None
    global_batch_size: int = Field(ge=1)
    micro_batch_size: int = Field(ge=1)
    gradient_accumulation_steps: int = Field(ge=1)
    total_steps: int = Field(ge=1)
    epochs: int | None = Field(ge=1)
    mixed_precision: Literal["bf16", "none"]
    gradient_checkpointing: bool
    clip_grad_norm: float | None = Field(gt=0)
    checkpoint_seconds: float = Field(gt=0)
    optimizer: Optimizer
    scheduler: Scheduler

    @model_validator(mode="after")
    def _consistent(self) -> Training:
        self.budget()
        if self.micro_batch_size * self.gradient_accumulation_steps != self.global_batch_size:
            raise ValueError(
                f"global_batch_size {self.global_batch_size}: it is micro_batch_size {self.micro_batch_size} x "
                f"gradient_accumulation_steps {self.gradient_accumulation_steps}; change one of the three"
            )
        return self

    def budget(self) -> graff.Budget:
        """Return a fresh clock of this budget."""
        return graff.Budget(minutes=self.budget_minutes, seconds=self.budget_seconds)


class SecondSet(Section):
    """Another data set that the final weights answer, where it can be loaded; its time is not part of the budget."""

    name: str = Field(min_length=1)
    config: str | None
    split: str = Field(min_length=1)


class Evaluation(Section):
    """When and how exact match is measured; `test_examples` null means the whole split."""

    interval_steps: int = Field(ge=1)
    metrics: tuple[Literal["exact_match"], ...] = Field(min_length=1)
    test_examples: int | None = Field(ge=1)
    max_new_tokens: int = Field(ge=1)
    batch_size: int = Field(ge=1)
    target_exact_match: float | None = Field(gt=0, le=1)
    second: SecondSet | None


class RunConfig(Section):
    """Everything that a run is made of."""

    run_id: str = Field(min_length=1)
    method: str = Field(min_length=1)
    mode: Literal["trial", "full"]
    results_dir: Path
    seed: int = Field(ge=0)
    model: Model
    dataset: Dataset
    training: Training
    evaluation: Evaluation
    optuna: Optuna
    wandb: Wandb

    @model_validator(mode="after")
    def _searchable(self) -> RunConfig:
        check_names(self.optuna, SEARCHABLE)
        return self


@dataclass
class Progress:
    """What a run has done; all of it survives a crash."""

    step: int = 0
    epoch: int = 0
    next_batch: int = 0
    tokens: int = 0
    loss_mean: float = math.nan
    best_loss: float = math.nan
    dev_curve: list[list[float]] = field(default_factory=list)  # [elapsed seconds, exact match, step]
    s_per_question: list[float] = field(default_factory=list)  # of the last two development evaluations
    test_cost: float = 1.0  # of a test question, relative to a development question: larger batches are cheaper
    checkpoint_s: float = 0.0
    resumed: int = 0
    target_s: float | None = None  # when the target exact match was reached, and the joules until then
    target_j: float | None = None
    target_j_missing: str | None = "the target was not reached"

    def note_loss(self, loss: float) -> None:
        """Update the running mean (decay 0.9) and its best value; a non-finite loss changes neither."""
        if not math.isfinite(loss):
            return
        self.loss_mean = loss if math.isnan(self.loss_mean) else 0.9 * self.loss_mean + 0.1 * loss
        self.best_loss = self.loss_mean if math.isnan(self.best_loss) else min(self.best_loss, self.loss_mean)


class Fit:
    """One training under one budget.

    Parameters
    ----------
    config
        The validated configuration.
    folder
        Where checkpoints and the clock are kept.
    test
        Whether the test split is answered at the end; a search measures on the development problems alone.
    """

    def __init__(self, config: RunConfig, folder: Path, *, test: bool) -> None:
        training = config.training
        torch.manual_seed(config.seed)
        self.config, self.folder = config, folder
        self.model, self.tokenizer = load(config.model, gradient_checkpointing=training.gradient_checkpointing)
        self.model.train()
        self.dev = list(islice(read_split(config.dataset, config.dataset.train_split), config.dataset.dev_examples))
        self.test = list(islice(read_split(config.dataset, config.dataset.eval_split), config.evaluation.test_examples))
        if not self.dev or not self.test:
            raise GreenlightError(f"data set {config.dataset.name}: a split is empty; give it rows")
        self.test = self.test if test else []
        self.stream = TrainStream(
            lambda: islice(read_split(config.dataset, config.dataset.train_split), config.dataset.dev_examples, None),
            self.tokenizer,
            config.dataset,
            micro_batch_size=training.micro_batch_size,
            global_batch_size=training.global_batch_size,
            seed=config.seed,
        )
        self.budget = training.budget()
        self.planner = plan(
            training.scheduler,
            training.optimizer,
            self.model,
            self.budget,
            seed=config.seed,
            max_grad_norm=training.clip_grad_norm,
        )
        self.progress = Progress()
        self.clock_file = ClockFile(folder / "clock.json")
        self.energy = graff.EnergyMeter()
        self.interrupted = threading.Event()

    # ---- before the clock ------------------------------------------------------------------------------------

    def prepare(self) -> dict[str, float] | None:
        """Load the last checkpoint or measure the untrained model; neither is charged to the budget.

        Returns the row of step 0 for a fresh run, None for a resumed one.

        Kernels are warmed up and the cost of an evaluation and of a checkpoint is measured, so that the reserve for the
        end of the budget is known before the first batch.
        """
        found = checkpoint.load(self.folder)
        if found is not None:
            self._restore(found)
            log.info("resumed at step %d, %.1f s of the budget are used up", self.progress.step, self.budget.elapsed_s)
        self._warm_up()
        first_row = None
        if found is None:
            first_row = {"dev_exact_match": self._measure_dev(), **self._clock_row()}
            self._measure_test_cost()
            started = time.monotonic()
            self._save()
            self.progress.checkpoint_s = time.monotonic() - started
        self._reserve()
        if self.budget.reserve_s > LARGEST_RESERVE * self.budget.total_s:
            raise GreenlightError(
                f"budget of {self.budget.total_s:g} s: the evaluation at its end ({len(self.test)} test and "
                f"{len(self.dev)} development questions at {max(self.progress.s_per_question):.2f} s) takes about "
                f"{self.budget.reserve_s:.0f} s; raise the budget or lower evaluation.test_examples and "
                "dataset.dev_examples"
            )
        return first_row

    def _warm_up(self) -> None:
        state = torch.get_rng_state()
        _, _, batch = next(self.stream.micro_batches(self.progress.epoch, self.progress.next_batch))
        with self._autocast():
            token_losses(self.model, batch.to(device()))[0].mean().backward()
        for parameter in trainable(self.model):
            parameter.grad = None
        torch.set_rng_state(state)
        self._answer(self.dev[:2], max_new_tokens=2)

    def _measure_test_cost(self) -> None:
        rows = min(self.config.evaluation.batch_size, len(self.test))
        if rows > len(self.dev):
            started = time.monotonic()
            self._answer((self.dev * (rows // len(self.dev) + 1))[:rows])
            self.progress.test_cost = (time.monotonic() - started) / rows / self.progress.s_per_question[-1]

    def _reserve(self) -> None:
        if self.config.mode == "trial":
            return  # it ends after its steps, however slow the machine is
        questions = len(self.dev) + self.progress.test_cost * len(self.test)
        self.budget.reserve(
            RESERVE_FACTOR * questions * max(self.progress.s_per_question) + 2 * self.progress.checkpoint_s
        )

    # ---- under the clock -------------------------------------------------------------------------------------

    def train(self, tracker: TrackedRun) -> str:
        """Take optimiser steps until the budget, the steps or the epochs are used up; return which of them it was."""
        training, interval = self.config.training, self.config.evaluation.interval_steps
        self.energy.start()
        saved_at = time.monotonic()
        for batches, position, is_last in self._steps():
            self.budget.start()
            if self.budget.spent:
                # A run that was killed at the end of its budget comes back to no time at all.
                return "budget"
            if self.interrupted.is_set():
                self._save()
                raise KeyboardInterrupt
            row = self._step(batches)
            self.progress.epoch, self.progress.next_batch = position
            why_last = self._why_last(is_last=is_last)
            if why_last or (self.progress.step % interval == 0 and self._has_time_for_dev()):
                with self.budget.aside():
                    row["dev_exact_match"] = self._measure_dev()
                self._reserve()
            tracker.log(self.progress.step, row | self._clock_row())
            self._tick_clock_file()
            if why_last:
                return why_last
            if time.monotonic() - saved_at >= training.checkpoint_seconds:
                with self.budget.aside():
                    self._save()
                saved_at = time.monotonic()
        return "epochs"

    def _why_last(self, *, is_last: bool) -> str | None:
        if self.budget.spent:
            return "budget"
        if self.progress.step >= self.config.training.total_steps:
            return "total_steps"
        return "epochs" if is_last else None

    def _steps(self) -> Iterator[tuple[list[Batch], tuple[int, int], bool]]:
        """Yield the micro-batches of one optimiser step, the position after them, and whether no other step follows."""
        steps = self._grouped()
        current = next(steps, None)
        while current is not None:
            following = next(steps, None)
            yield *current, following is None
            current = following

    def _grouped(self) -> Iterator[tuple[list[Batch], tuple[int, int]]]:
        pending: list[Batch] = []
        position = (self.progress.epoch, self.progress.next_batch)
        for epoch, index, batch in self.stream.micro_batches(*position):
            if self.config.training.epochs is not None and epoch >= self.config.training.epochs:
                break
            pending.append(batch)
            position = (epoch, index + 1)
            if len(pending) == self.config.training.gradient_accumulation_steps:
                yield pending, position
                pending = []
        if pending:
            yield pending, position

    def _step(self, batches: list[Batch]) -> dict[str, float]:
        started_s = self.budget.elapsed_s
        answer_tokens = sum(batch.answer_tokens for batch in batches)
        total = torch.zeros((), device=device())
        for batch in batches:
            with self._autocast():
                losses, places = token_losses(self.model, batch.to(device()))
                loss = self.planner.weigh(losses, places, of=answer_tokens)
            loss.backward()
            total += losses.detach().sum()
        report = self.planner.step(probe=lambda: self._probe(batches[-1]))
        loss_value = float(total) / max(1, answer_tokens)
        self.progress.step += 1
        self.progress.tokens += sum(int(batch.attention_mask.sum()) for batch in batches)
        self.progress.note_loss(loss_value)
        return {
            "loss": loss_value,
            "loss_running_mean": self.progress.loss_mean,
            "learning_rate": report.learning_rate,
            "tokens": self.progress.tokens,
            "answer_tokens": answer_tokens,
            "epoch": self.progress.epoch,
            "step_s": self.budget.elapsed_s - started_s,
            "step_skipped": float(report.skipped),
            **{f"planner/{name}": value for name, value in report.metrics.items()},
        }

    def _probe(self, batch: Batch) -> torch.Tensor:
        """Return the losses of a slice of a batch without dropout: two evaluations differ by the weights alone."""
        rows = max(1, len(batch.input_ids) // 4)
        part = Batch(batch.input_ids[:rows], batch.attention_mask[:rows], batch.labels[:rows])
        self.model.eval()
        try:
            with torch.no_grad(), self._autocast():
                return token_losses(self.model, part.to(device()))[0]
        finally:
            self.model.train()

    def _autocast(self) -> torch.autocast:
        return torch.autocast(device().type, torch.bfloat16, enabled=self.config.training.mixed_precision == "bf16")

    def _clock_row(self) -> dict[str, float]:
        return {
            "elapsed_s": self.budget.elapsed_s,
            "remaining_s": self.budget.remaining_s,
            "training_s": self.budget.training_s,
        }

    def _tick_clock_file(self, *, now: bool = False) -> None:
        self.clock_file.write(
            self.budget.elapsed_s,
            self.budget.total_s,
            self.progress.step,
            now=now,
            loss=self.progress.loss_mean,
            dev_exact_match=self.progress.dev_curve[-1][1] if self.progress.dev_curve else None,
        )

    # ---- exact match -----------------------------------------------------------------------------------------

    def _has_time_for_dev(self) -> bool:
        """Say whether a periodic evaluation ends before the final one has to begin."""
        takes_s = RESERVE_FACTOR * len(self.dev) * max(self.progress.s_per_question)
        return takes_s < self.budget.remaining_s - self.budget.reserve_s

    def _measure_dev(self) -> float:
        started = time.monotonic()
        found = self._answer(self.dev)
        took_s = (time.monotonic() - started) / len(self.dev)
        self.progress.s_per_question = [*self.progress.s_per_question[-1:], took_s]
        accuracy = sum(bool(row["correct"]) for row in found) / len(found)
        self.progress.dev_curve.append([self.budget.elapsed_s, accuracy, self.progress.step])
        self._note_target(accuracy)
        return accuracy

    def _note_target(self, accuracy: float) -> None:
        target, progress = self.config.evaluation.target_exact_match, self.progress
        if target is None or progress.target_s is not None or accuracy < target:
            return
        progress.target_s = self.budget.elapsed_s
        progress.target_j, progress.target_j_missing = self.energy.read() if self.budget.started else (0.0, None)
        if progress.resumed:
            progress.target_j, progress.target_j_missing = None, self._interrupted()

    def _interrupted(self) -> str:
        return f"the run was interrupted {self.progress.resumed} time(s); a meter reads one process"

    def _answer(self, problems: list[Problem], *, max_new_tokens: int | None = None) -> list[dict[str, Any]]:
        with self._autocast(), self.planner.evaluating():
            texts = answers(
                self.model,
                self.tokenizer,
                problems,
                max_new_tokens=max_new_tokens or self.config.evaluation.max_new_tokens,
                batch_size=self.config.evaluation.batch_size,
                heartbeat=self._tick_clock_file,
            )
        predictions = [extract(text) for text in texts]
        return [
            {
                "question_id": problem.question_id,
                "correct": exact_match(prediction, problem.gold),
                "prediction": prediction,
                "gold": problem.gold,
            }
            for problem, prediction in zip(problems, predictions, strict=True)
        ]

    def finish(self, stop_reason: str) -> tuple[dict[str, Any], list[dict[str, Any]]]:
        """Measure what the budget bought: the summary values, and the outcome of every test question.

        The reserve is for this. Should it be slower than anything measured before, it still answers every question,
        because a score over some of them would be another metric, and ``overrun_s`` says by how much it was late.
        """
        with self.budget.aside():
            self._save()
        with self.budget.aside():
            if not self.progress.dev_curve or self.progress.dev_curve[-1][2] != self.progress.step:
                self._measure_dev()
            outcomes = self._answer(self.test)
        dev = self.progress.dev_curve[-1][1]
        joules, why_no_joules = self.energy.stop()
        if self.progress.resumed:
            joules, why_no_joules = None, self._interrupted()
        elapsed_s = self.budget.elapsed_s
        best = max(self.progress.dev_curve, key=lambda point: point[1])
        summary: dict[str, Any] = {
            "final_dev_exact_match": dev,
            "best_dev_exact_match": best[1],
            "best_dev_step": int(best[2]),
            "final_loss": self.progress.loss_mean,
            "best_loss": self.progress.best_loss,
            "auc_em_over_budget": area_over_budget(self.progress.dev_curve, self.budget.total_s),
            "energy_j": joules,
            "energy_j_missing": why_no_joules,
            "peak_memory_mb": peak_memory_mb(),
            "planner_overhead_fraction": self.planner.overhead_s / elapsed_s,
            "steps": self.progress.step,
            "tokens": self.progress.tokens,
            "rows_too_long": self.stream.rows_too_long,
            "budget_s": self.budget.total_s,
            "elapsed_s": elapsed_s,
            "training_s": self.budget.training_s,
            "overrun_s": max(0.0, elapsed_s - self.budget.total_s),
            "stop_reason": stop_reason,
            "resumed": self.progress.resumed,
            "device": torch.cuda.get_device_name() if torch.cuda.is_available() else "cpu",
            "stand_in": is_stand_in(self.model),
        }
        for minutes in (30, 60):
            value, why_none = value_at(self.progress.dev_curve, 60.0 * minutes, self.budget.total_s)
            summary |= {
                f"dev_exact_match_at_{minutes}_min": value,
                f"dev_exact_match_at_{minutes}_min_missing": why_none,
            }
        if self.config.evaluation.target_exact_match is not None:
            summary |= {
                "target_exact_match": self.config.evaluation.target_exact_match,
                "s_to_target": self.progress.target_s,
                "s_to_target_missing": "the target was not reached" if self.progress.target_s is None else None,
                "energy_j_to_target": self.progress.target_j,
                "energy_j_to_target_missing": self.progress.target_j_missing,
            }
        if outcomes:
            summary["exact_match_at_budget"] = sum(row["correct"] for row in outcomes) / len(outcomes)
            summary["test_questions"] = len(outcomes)
        self._tick_clock_file(now=True)
        return summary, outcomes

    def second(self) -> dict[str, Any]:
        """Answer the second data set, off the clock; where it cannot be loaded the reason takes the score's place."""
        section, name = self.config.evaluation.second, "second_exact_match"
        if section is None:
            return {}
        source = self.config.dataset.model_copy(update={"name": section.name, "config": section.config})
        try:
            problems = list(islice(read_split(source, section.split, bare=True), self.config.evaluation.test_examples))
        except GreenlightError as error:
            return {name: None, f"{name}_missing": str(error)}
        if not problems:
            return {name: None, f"{name}_missing": f"data set {section.name}, split {section.split}: it has no rows"}
        right = sum(bool(row["correct"]) for row in self._answer(problems))
        return {name: right / len(problems), "second_questions": len(problems), "second_data_set": section.name}

    # ---- surviving a crash -----------------------------------------------------------------------------------

    def _save(self) -> None:
        kept = {name: value for name, value in self.model.named_parameters() if value.requires_grad}
        cuda = torch.cuda.get_rng_state() if torch.cuda.is_available() else None
        tree = {
            "adapter": kept,
            "optimizer": self.planner.optimizer.state_dict(),
            "planner": self.planner.state_dict(),
            "budget": self.budget.state_dict(),
            "progress": asdict(self.progress),
            "rng": {"cpu": torch.get_rng_state(), "cuda": cuda},
        }
        checkpoint.save(self.folder, self.progress.step, tree)
        self._tick_clock_file(now=True)

    def _restore(self, tree: dict[str, Any]) -> None:
        here = dict(self.model.named_parameters())
        with torch.no_grad():
            for name, value in tree["adapter"].items():
                here[name].copy_(value)
        self.planner.optimizer.load_state_dict(tree["optimizer"])
        self.planner.load_state_dict(tree["planner"])
        self.budget.load_state_dict(tree["budget"])
        self.budget.charge(max(0.0, self.clock_file.elapsed_s() - self.budget.elapsed_s))
        self.progress = Progress(**tree["progress"])
        self.progress.resumed += 1
        torch.set_rng_state(tree["rng"]["cpu"])
        if tree["rng"]["cuda"] is not None and torch.cuda.is_available():
            torch.cuda.set_rng_state(tree["rng"]["cuda"])


class Untracked:
    """Takes rows and keeps none: a search is not tracked."""

    def log(self, step: int, row: dict[str, Any]) -> None:
        """Drop the row."""


def dev_exact_match(config: RunConfig, values: dict[str, Any], number: int) -> float:
    """Train one trial of the search under the same budget; return exact match on the development problems."""
    content = with_values(config.model_dump(), values)
    folder = Path(tempfile.mkdtemp(prefix="trial-"))
    log.info("search trial %d: %s", number, values)
    try:
        fit = Fit(validated_values(content, RunConfig), folder, test=False)
        untracked: Any = Untracked()
        fit.prepare()
        summary, _ = fit.finish(fit.train(untracked))
    finally:
        shutil.rmtree(folder)
    log.info("search trial %d: dev exact match %.3f", number, summary["final_dev_exact_match"])
    return float(summary["final_dev_exact_match"])


def train(config: RunConfig) -> None:
    """Run the search if there is one, then train, measure and track the final run.

    Raises
    ------
    GreenlightError
        For anything that the user can mend: an unknown model, a tracker that does not answer, a folder in use.
    """
    check_hub()
    if config.wandb.mode == "online":
        check_tracker()
    if config.mode == "trial":
        with tempfile.TemporaryDirectory(prefix="trial-") as scratch:
            RunFolder(config.results_dir, config.run_id)
            _train(config, RunFolder(Path(scratch), config.run_id))
        return
    folder = RunFolder(config.results_dir, config.run_id)
    with folder.held():
        _train(config, folder)


def _train(config: RunConfig, folder: RunFolder) -> None:
    resuming = folder.known
    recorded = config.model_dump(mode="json", exclude={"results_dir", "mode"})
    folder.start(recorded)
    if folder.finished:
        log.info("%s is finished already; choose another results_dir to train it again", folder.path)
        return
    best = search(
        config.optuna,
        SEARCHABLE,
        lambda values, number: dev_exact_match(config, values, number),
        storage=folder.path / "search.db",
        study=fingerprint(recorded),
        seed=config.seed,
    )
    if best is not None:
        config = validated_values(with_values(config.model_dump(), best.values), RunConfig)
    resumed_step = (checkpoint.latest_step(folder.path) or 0) if resuming else None
    logged = config.model_dump(mode="json") | {"search": None if best is None else asdict(best)}
    try:
        fit = Fit(config, folder.path, test=True)
        first_row = fit.prepare()
        tracker = TrackedRun(config.wandb, config.run_id, logged, folder.path, resumed_step=resumed_step)
    except GreenlightError:
        if not resuming:
            # Nothing was trained: the next attempt may have another configuration.
            folder.forget()
            checkpoint.discard(folder.path)
        raise
    exit_code = 1
    try:
        if first_row is not None:
            tracker.log(0, first_row)
        stop_between_steps(fit.interrupted)
        log.info("training starts: budget %g s, %g s of it kept for the end", fit.budget.total_s, fit.budget.reserve_s)
        stop_reason = fit.train(tracker)
        summary, outcomes = fit.finish(stop_reason)
        tracker.summarise(summary | fit.second())
        tracker.save_rows(folder.path / "outcomes.jsonl", outcomes)
        with fit.planner.evaluating():
            save_adapter(fit.model, folder.path / "adapter")
        exit_code = 0
    except KeyboardInterrupt:
        log.warning("interrupted at step %d; the same command resumes", fit.progress.step)
        exit_code = 130
        raise
    finally:
        tracker.finish(exit_code)
    folder.finish()
    checkpoint.discard(folder.path)
    log.info(
        "%s: exact match %.3f on %d test questions after %.1f of %g s",
        config.run_id,
        summary["exact_match_at_budget"],
        len(outcomes),
        summary["elapsed_s"],
        fit.budget.total_s,
    )
