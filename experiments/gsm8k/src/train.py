"""Train one run inside its wall-clock budget: the search, the clock, the loop, and the answers at its end."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from itertools import islice
from pathlib import Path
from typing import Any, Literal

import torch
from pydantic import Field, model_validator

import graff
from greenlight.endpoints import check_hub
from greenlight.errors import GreenlightError
from greenlight.harness import checkpoint
from greenlight.harness.journal import ClockFile, write_rows
from greenlight.harness.loop import BudgetClock, Pace, Progress, train_until_spent
from greenlight.harness.measures import area_over_budget, energy_used, joules_of_run, peak_memory_mb, value_at
from greenlight.harness.search import check_names
from greenlight.harness.sections import Section
from greenlight.harness.session import Experiment, RunSection, conduct
from greenlight.harness.tracking import TrackedRun, Untracked
from src.model import Model, Training, answers, device, is_stand_in, load, plan, probe, save_adapter, token_losses
from src.preprocess import Batch, Dataset, Problem, Step, TrainStream, outcome, read_split

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
OUTCOMES = "outcomes.jsonl"


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


class RunConfig(RunSection):
    """Everything that a run is made of."""

    model: Model
    dataset: Dataset
    training: Training
    evaluation: Evaluation

    @model_validator(mode="after")
    def _searchable(self) -> RunConfig:
        check_names(self.optuna, SEARCHABLE)
        return self


@dataclass
class TokenProgress(Progress):
    """What a run has done, with what only this experiment counts."""

    tokens: int = 0  # of questions and answers, cumulative
    test_cost: float = 1.0  # of a test question, relative to a development question: larger batches are cheaper
    target_s: float | None = None  # when the target exact match was reached, and the joules until then
    target_j: float | None = None
    target_j_missing: str | None = "the target was not reached"


class Job:
    """One training under one budget; checkpoints, clock, outcomes and adapter are kept in `folder`.

    Without `test` the test split is not answered at the end: a search measures on the development problems alone.
    """

    def __init__(self, config: RunConfig, folder: Path, test: bool) -> None:
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
        self.clock = BudgetClock(self.budget, ClockFile(folder / "clock.json"))
        clip_norm = training.clip_grad_norm
        self.planner = plan(
            training.scheduler, training.optimizer, self.model, self.budget, seed=config.seed, max_grad_norm=clip_norm
        )
        self.progress = TokenProgress()
        self.data_ended = False
        self.energy = graff.EnergyMeter()
        self.interrupted = threading.Event()

    # ---- before the clock ------------------------------------------------------------------------------------

    def prepare(self) -> dict[str, float] | None:
        """Load the last checkpoint and return None, or measure the untrained model and return the row of step 0.

        Neither is charged to the budget. Kernels are warmed up and the cost of an evaluation and of a checkpoint is
        measured, so that the reserve for the end of the budget is known before the first batch.
        """
        found = checkpoint.load(self.folder)
        if found is not None:
            self._restore(found)
            log.info("resumed at step %d, %.1f s of the budget are used up", self.progress.step, self.budget.elapsed_s)
        self._warm_up()
        first_row = None
        if found is None:
            first_row = {"dev_exact_match": self._dev_exact_match(), **self.clock.row()}
            self._measure_test_cost()
            started = time.monotonic()
            self.save()
            self.progress.checkpoint_s = time.monotonic() - started
        self._reserve()
        if self.budget.reserve_s > LARGEST_RESERVE * self.budget.total_s:
            raise GreenlightError(
                f"budget of {self.budget.total_s:g} s: the evaluation at its end ({len(self.test)} test and "
                f"{len(self.dev)} development questions at {max(self.progress.s_per_example):.2f} s) takes about "
                f"{self.budget.reserve_s:.0f} s; raise the budget or lower evaluation.test_examples and "
                "dataset.dev_examples"
            )
        return first_row

    def _warm_up(self) -> None:
        state = checkpoint.random_state()
        _, _, batch = next(self.stream.micro_batches(self.progress.epoch, self.progress.next_batch))
        with self._autocast():
            token_losses(self.model, batch.to(device()))[0].mean().backward()
        self.model.zero_grad()
        checkpoint.restore_random_state(state)
        self._answer(self.dev[:2], max_new_tokens=2)

    def _measure_test_cost(self) -> None:
        rows = min(self.config.evaluation.batch_size, len(self.test))
        if rows > len(self.dev):
            started = time.monotonic()
            self._answer((self.dev * (rows // len(self.dev) + 1))[:rows])
            self.progress.test_cost = (time.monotonic() - started) / rows / self.progress.s_per_example[-1]

    def _reserve(self) -> None:
        if self.config.mode == "trial":
            return  # it ends after its steps, however slow the machine is
        questions = len(self.dev) + self.progress.test_cost * len(self.test)
        answers_s = RESERVE_FACTOR * questions * max(self.progress.s_per_example)
        self.budget.reserve(answers_s + 2 * self.progress.checkpoint_s)

    # ---- under the clock -------------------------------------------------------------------------------------

    def train(self, tracker: TrackedRun | Untracked) -> str:
        """Take optimiser steps until the budget, the steps or the epochs are used up; return which of them it was."""
        training, progress = self.config.training, self.progress
        self.energy.start()
        start = (progress.epoch, progress.next_batch)
        steps = self.stream.steps(training.gradient_accumulation_steps, start=start, epochs=training.epochs)
        pace = Pace(self.config.evaluation.interval_steps, training.checkpoint_seconds)
        return train_until_spent(self, steps, self.clock, pace, log=tracker.log, interrupted=self.interrupted)

    def step(self, batch: Step) -> dict[str, float]:
        """Take one optimiser step and return what is logged of it."""
        started_s, progress, parts = self.budget.elapsed_s, self.progress, batch.batches
        answer_tokens = sum(part.answer_tokens for part in parts)
        total = torch.zeros((), device=device())
        for part in parts:
            with self._autocast():
                losses, places = token_losses(self.model, part.to(device()))
                loss = self.planner.weigh(losses, places, of=answer_tokens)
            loss.backward()
            total += losses.detach().sum()
        report = self.planner.step(probe=lambda: self._probe(parts[-1]))
        loss_value = float(total) / max(1, answer_tokens)
        progress.step += 1
        progress.epoch, progress.next_batch, self.data_ended = batch.next_epoch, batch.next_batch, batch.is_last
        progress.examples += sum(len(part.input_ids) for part in parts)
        progress.tokens += sum(int(part.attention_mask.sum()) for part in parts)
        progress.note_loss(loss_value)
        return {
            "loss": loss_value,
            "loss_running_mean": progress.loss_mean,
            "learning_rate": report.learning_rate,
            "tokens": progress.tokens,
            "answer_tokens": answer_tokens,
            "epoch": progress.epoch,
            "step_s": self.budget.elapsed_s - started_s,
            "step_skipped": float(report.skipped),
            **{f"planner/{name}": value for name, value in report.metrics.items()},
        }

    def ended(self) -> str | None:
        """Return why the last step was the last one, or None."""
        if self.progress.step >= self.config.training.total_steps:
            return "total_steps"
        return "epochs" if self.data_ended else None

    def _probe(self, batch: Batch) -> torch.Tensor:
        with self._autocast():
            return probe(self.model, batch)

    def _autocast(self) -> torch.autocast:
        return torch.autocast(device().type, torch.bfloat16, enabled=self.config.training.mixed_precision == "bf16")

    def shown(self) -> dict[str, float | None]:
        """Return what a progress display shows besides the clock."""
        return {"dev_exact_match": self.progress.dev_curve[-1][1] if self.progress.dev_curve else None}

    def _show(self, *, now: bool = False) -> None:
        self.clock.show(self.progress, now=now, **self.shown())

    # ---- exact match -----------------------------------------------------------------------------------------

    def dev_takes_s(self) -> float:
        """Return how many seconds a development evaluation may take."""
        return RESERVE_FACTOR * len(self.dev) * max(self.progress.s_per_example)

    def measure_dev(self) -> dict[str, float]:
        """Answer the development questions, and keep as much time for the end as they say is needed."""
        accuracy = self._dev_exact_match()
        self._reserve()
        return {"dev_exact_match": accuracy}

    def _dev_exact_match(self) -> float:
        started, progress = time.monotonic(), self.progress
        found = self._answer(self.dev)
        took_s = time.monotonic() - started
        accuracy = sum(bool(row["correct"]) for row in found) / len(found)
        progress.note_dev(self.budget.elapsed_s, accuracy, took_s=took_s, examples=len(self.dev))
        self._note_target(accuracy)
        return accuracy

    def _note_target(self, accuracy: float) -> None:
        target, progress = self.config.evaluation.target_exact_match, self.progress
        if target is None or progress.target_s is not None or accuracy < target:
            return
        progress.target_s = self.budget.elapsed_s
        read = self.energy.read() if self.budget.started else (0.0, None)
        progress.target_j, progress.target_j_missing = joules_of_run(*read, resumed=progress.resumed)

    def _answer(self, problems: list[Problem], *, max_new_tokens: int | None = None) -> list[dict[str, Any]]:
        with self._autocast(), self.planner.evaluating():
            texts = answers(
                self.model,
                self.tokenizer,
                problems,
                max_new_tokens=max_new_tokens or self.config.evaluation.max_new_tokens,
                batch_size=self.config.evaluation.batch_size,
                heartbeat=self._show,
            )
        return [outcome(problem, text) for problem, text in zip(problems, texts, strict=True)]

    def finish(self, stop_reason: str) -> dict[str, Any]:
        """Measure what the budget bought, keep the outcomes and the adapter, and return the summary.

        The reserve is for this. Should it be slower than anything measured before, it still answers every question,
        because a score over some of them would be another metric, and ``overrun_s`` says by how much it was late.
        """
        progress, target = self.progress, self.config.evaluation.target_exact_match
        with self.budget.aside():
            self.save()
        with self.budget.aside():
            if progress.dev_curve[-1][2] != progress.step:
                self._dev_exact_match()
            outcomes = self._answer(self.test)
        energy = energy_used(*self.energy.stop(), resumed=progress.resumed)
        summary = self.clock.summary(progress, stop_reason)
        curve = progress.dev_curve
        best = max(curve, key=lambda point: point[1])
        summary |= {
            "final_dev_exact_match": curve[-1][1],
            "best_dev_exact_match": best[1],
            "best_dev_step": int(best[2]),
            "final_loss": progress.loss_mean,
            "best_loss": progress.best_loss,
            "auc_em_over_budget": area_over_budget(curve, self.budget.total_s),
            **energy,
            "peak_memory_mb": peak_memory_mb(),
            "planner_overhead_fraction": self.planner.overhead_s / summary["elapsed_s"],
            "tokens": progress.tokens,
            "rows_too_long": self.stream.rows_too_long,
            "device": torch.cuda.get_device_name() if torch.cuda.is_available() else "cpu",
            "stand_in": is_stand_in(self.model),
        }
        for minutes in (30, 60):
            name = f"dev_exact_match_at_{minutes}_min"
            summary[name], summary[f"{name}_missing"] = value_at(curve, 60.0 * minutes, self.budget.total_s)
        if target is not None:
            summary |= {
                "target_exact_match": target,
                "s_to_target": progress.target_s,
                "s_to_target_missing": "the target was not reached" if progress.target_s is None else None,
                "energy_j_to_target": progress.target_j,
                "energy_j_to_target_missing": progress.target_j_missing,
            }
        self._show(now=True)
        return summary | self._kept(outcomes) if outcomes else summary

    def _kept(self, outcomes: list[dict[str, Any]]) -> dict[str, Any]:
        """Write the outcomes and the adapter; return the scores of the test split and, off the clock, of another."""
        write_rows(self.folder / OUTCOMES, outcomes)
        with self.planner.evaluating():
            save_adapter(self.model, self.folder / "adapter")
        right = sum(bool(row["correct"]) for row in outcomes)
        scores = {"exact_match_at_budget": right / len(outcomes), "test_questions": len(outcomes)}
        return scores | self.second()

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

    def save(self) -> None:
        """Write a checkpoint."""
        tree = {
            "adapter": {name: value for name, value in self.model.named_parameters() if value.requires_grad},
            "optimizer": self.planner.optimizer.state_dict(),
            "planner": self.planner.state_dict(),
            "budget": self.budget.state_dict(),
            "progress": asdict(self.progress),
            "rng": checkpoint.random_state(),
        }
        checkpoint.save(self.folder, self.progress.step, tree)
        self._show(now=True)

    def _restore(self, tree: dict[str, Any]) -> None:
        here = dict(self.model.named_parameters())
        with torch.no_grad():
            for name, value in tree["adapter"].items():
                here[name].copy_(value)
        self.planner.optimizer.load_state_dict(tree["optimizer"])
        self.planner.load_state_dict(tree["planner"])
        self.budget.load_state_dict(tree["budget"])
        self.budget.charge(self.clock.used_before_s())
        self.progress = TokenProgress(**tree["progress"])
        self.progress.resumed += 1
        checkpoint.restore_random_state(tree["rng"])


def dev_exact_match(_: RunConfig, summary: Mapping[str, Any]) -> float:
    """Return what a search maximises: exact match on the development problems at the end of the budget."""
    return float(summary["final_dev_exact_match"])


def train(config: RunConfig) -> None:
    """Run the search if there is one, then train, measure and track the final run.

    Raises
    ------
    GreenlightError
        For anything that the user can mend: an unknown model, a tracker that does not answer, a folder in use.
    """
    check_hub()
    told = "dev exact match {:.3f}"
    experiment = Experiment(RunConfig, SEARCHABLE, Job, dev_exact_match, (OUTCOMES,), told=told)
    summary = conduct(experiment, config)
    if summary is not None:
        values = (summary[name] for name in ("exact_match_at_budget", "test_questions", "elapsed_s", "budget_s"))
        log.info("%s: exact match %.3f on %d test questions after %.1f of %g s", config.run_id, *values)
