"""Train one run inside its wall-clock budget: the search, then one tracked run with the best parameters."""

# mypy: disable-error-code="import-not-found"
from __future__ import annotations

import json
import time
from collections.abc import Iterable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import optuna
import torch
import wandb
from omegaconf import DictConfig, OmegaConf
from peft import PeftModel
from torch.utils.data import DataLoader
from transformers import PreTrainedTokenizerBase, set_seed

from src.model import answer, build_model, make_schedule
from src.preprocess import IGNORED, Examples, Question, collate, final_number, load_splits

# The one table from the names of a search space to keys of the configuration.
SEARCHABLE = {
    "lr_init": "training.optimizer.lr_init",
    "cooldown_share": "training.scheduler.cooldown_share",
    "floor": "training.scheduler.floor",
    "lora_r": "model.lora.r",
}
RESERVE_FACTOR = 1.25  # the final evaluation may take this much longer per question than the one before training


def with_values(cfg: DictConfig, values: dict[str, Any]) -> DictConfig:
    """Return a copy of the configuration with the values of a search's parameters in their places."""
    tuned = cfg.copy()
    for name, value in values.items():
        OmegaConf.update(tuned, SEARCHABLE[name], value)
    return tuned


def suggest(trial: optuna.Trial, name: str, dimension: DictConfig) -> Any:
    """Draw a parameter of the search space.

    Raises
    ------
    ValueError
        For a kind of dimension that is not known.
    """
    if dimension.type == "loguniform":
        return trial.suggest_float(name, dimension.low, dimension.high, log=True)
    if dimension.type == "uniform":
        return trial.suggest_float(name, dimension.low, dimension.high)
    if dimension.type == "categorical":
        return trial.suggest_categorical(name, list(dimension.choices))
    raise ValueError(f"optuna.search_space.{name}: type {dimension.type}: say loguniform, uniform or categorical")


def objective(trial: optuna.Trial, cfg: DictConfig) -> float:
    """Train with drawn parameters, untracked; return the exact match on the development questions."""
    values = {name: suggest(trial, name, dimension) for name, dimension in cfg.optuna.search_space.items()}
    summary, _ = fit(with_values(cfg, values), run=None)
    return float(summary["final_dev_exact_match"])


def search(cfg: DictConfig) -> dict[str, Any]:
    """Return the best parameters of the search."""
    sampler = optuna.samplers.TPESampler(seed=cfg.seed)
    study = optuna.create_study(direction=cfg.optuna.direction, sampler=sampler)
    study.optimize(partial(objective, cfg=cfg), n_trials=cfg.optuna.n_trials)
    return dict(study.best_params)


def outcomes_of(
    model: PeftModel, tokenizer: PreTrainedTokenizerBase, questions: list[Question], evaluation: DictConfig
) -> list[dict[str, Any]]:
    """Return what the model answers to each question and whether that is the gold number."""
    texts = answer(
        model, tokenizer, questions, max_new_tokens=evaluation.max_new_tokens, batch_size=evaluation.batch_size
    )
    predictions = [final_number(text) for text in texts]
    return [
        {"question_id": q.question_id, "prediction": p, "gold": q.gold, "correct": p == q.gold}
        for q, p in zip(questions, predictions, strict=True)
    ]


def exact_match(outcomes: list[dict[str, Any]]) -> float:
    """Return the share of right answers."""
    return sum(bool(row["correct"]) for row in outcomes) / len(outcomes)


def grouped(batches: Iterable[dict[str, torch.Tensor]], size: int) -> Iterator[list[dict[str, torch.Tensor]]]:
    """Yield the micro-batches of one optimiser step after another; the last group may be smaller."""
    group: list[dict[str, torch.Tensor]] = []
    for batch in batches:
        group.append(batch)
        if len(group) == size:
            yield group
            group = []
    if group:
        yield group


def answer_tokens(batch: dict[str, torch.Tensor]) -> int:
    """Return how many tokens of a batch carry a loss; the first position predicts nothing."""
    return int((batch["labels"][:, 1:] != IGNORED).sum())


def take_step(
    model: PeftModel,
    optimizer: torch.optim.Optimizer,
    group: list[dict[str, torch.Tensor]],
    clip_grad_norm: float,
    device: torch.device,
) -> tuple[float, float]:
    """Take one optimiser step on the mean loss over all answer tokens; return that loss and the gradient's norm."""
    counted = sum(answer_tokens(batch) for batch in group)
    total = 0.0
    for batch in group:
        inputs = {name: value.to(device) for name, value in batch.items()}
        output = model(input_ids=inputs["input_ids"], attention_mask=inputs["attention_mask"], labels=inputs["labels"])
        loss = output.loss * (answer_tokens(batch) / counted)
        loss.backward()
        total += loss.item()
    norm = torch.nn.utils.clip_grad_norm_(model.parameters(), clip_grad_norm)
    optimizer.step()
    optimizer.zero_grad(set_to_none=True)
    return total, norm.item()


def fit(cfg: DictConfig, *, run: Any) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """Train once under the budget; return the summary and, for a tracked run, the outcome of every test question.

    The clock starts with the first batch. Time for the evaluation at its end is set aside, so that the reported values
    are those at the end of the budget, not after it.
    """
    set_seed(cfg.seed)
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    model, tokenizer = build_model(cfg.model, device, gradient_checkpointing=cfg.training.gradient_checkpointing)
    splits = load_splits(cfg.dataset, cfg.evaluation.test_examples)
    loader = DataLoader(
        Examples(splits.train, tokenizer, cfg.dataset.max_tokens),
        batch_size=cfg.training.micro_batch_size,
        shuffle=True,
        collate_fn=partial(collate, pad_id=tokenizer.pad_token_id),
        generator=torch.Generator().manual_seed(cfg.seed),
    )
    optimizer = torch.optim.AdamW(
        [parameter for parameter in model.parameters() if parameter.requires_grad],
        lr=cfg.training.optimizer.lr_init,
        betas=tuple(cfg.training.optimizer.betas),
        weight_decay=cfg.training.optimizer.weight_decay,
    )
    schedule = make_schedule(cfg.training.scheduler)

    asked = time.monotonic()
    best_dev = exact_match(outcomes_of(model, tokenizer, splits.dev, cfg.evaluation))
    question_s = (time.monotonic() - asked) / len(splits.dev)
    budget_s = 60.0 * cfg.training.budget_minutes
    train_s = budget_s - RESERVE_FACTOR * question_s * (len(splits.dev) + len(splits.test))
    if train_s <= 0:
        raise ValueError(f"training.budget_minutes={cfg.training.budget_minutes}: the evaluation alone takes longer")

    model.train()
    step, epoch, tokens, best_step, loss, stop_reason = 0, 0, 0, 0, None, None
    started = time.monotonic()
    while stop_reason is None:
        for group in grouped(loader, cfg.training.gradient_accumulation_steps):
            share = min(1.0, (time.monotonic() - started) / train_s)
            learning_rate = cfg.training.optimizer.lr_init * schedule(share)
            for parameters in optimizer.param_groups:
                parameters["lr"] = learning_rate
            loss, grad_norm = take_step(model, optimizer, group, cfg.training.clip_grad_norm, device)
            step += 1
            tokens += sum(answer_tokens(batch) for batch in group)
            row = {
                "step": step,
                "epoch": epoch,
                "train_loss": loss,
                "grad_norm": grad_norm,
                "learning_rate": learning_rate,
                "answer_tokens": tokens,
            }
            has_time = share * train_s + question_s * len(splits.dev) < train_s
            if step % cfg.evaluation.interval_steps == 0 and has_time:
                row["dev_exact_match"] = exact_match(outcomes_of(model, tokenizer, splits.dev, cfg.evaluation))
                if row["dev_exact_match"] > best_dev:
                    best_dev, best_step = row["dev_exact_match"], step
            row["elapsed_s"] = time.monotonic() - started
            row["budget_left_s"] = budget_s - row["elapsed_s"]
            if run is not None:
                run.log(row, step=step)
            if row["elapsed_s"] >= train_s:
                stop_reason = "budget"
            elif step >= cfg.training.total_steps:
                stop_reason = "total_steps"
            if stop_reason is not None:
                break
        epoch += 1
        if stop_reason is None and cfg.training.epochs is not None and epoch >= cfg.training.epochs:
            stop_reason = "epochs"

    final_dev = exact_match(outcomes_of(model, tokenizer, splits.dev, cfg.evaluation))
    if final_dev > best_dev:
        best_dev, best_step = final_dev, step
    summary = {
        "final_train_loss": loss,
        "final_dev_exact_match": final_dev,
        "best_dev_exact_match": best_dev,
        "best_dev_step": best_step,
        "steps": step,
        "tokens_trained": tokens,
        "stop_reason": stop_reason,
    }
    if run is None:
        return summary, []
    outcomes = outcomes_of(model, tokenizer, splits.test, cfg.evaluation)
    elapsed_s = time.monotonic() - started
    summary["exact_match_at_budget"] = exact_match(outcomes)
    summary["test_questions"] = len(outcomes)
    summary["total_s"] = elapsed_s
    summary["overrun_s"] = max(0.0, elapsed_s - budget_s)
    model.save_pretrained(str(Path(cfg.results_dir) / cfg.run_id / "adapter"))
    return summary, outcomes


def train(cfg: DictConfig) -> None:
    """Search if the run asks for it, then train and track the run once with the best parameters."""
    if cfg.optuna.n_trials > 0:
        cfg = with_values(cfg, search(cfg))
    folder = Path(cfg.results_dir) / cfg.run_id
    folder.mkdir(parents=True, exist_ok=True)
    recorded: Any = OmegaConf.to_container(cfg, resolve=True)
    run = wandb.init(
        entity=cfg.wandb.entity,
        project=cfg.wandb.project,
        id=cfg.run_id,
        name=cfg.run_id,
        config=recorded,
        mode=cfg.wandb.mode,
        resume="never",
        dir=str(folder),
    )
    summary, outcomes = fit(cfg, run=run)
    for key, value in summary.items():
        run.summary[key] = value
    path = folder / "outcomes.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in outcomes), encoding="utf-8")
    run.save(str(path), base_path=str(folder), policy="now")
    run.finish()
