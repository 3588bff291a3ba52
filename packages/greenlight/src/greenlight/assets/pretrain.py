"""Train the embedded checkpoint from nothing: ``uv run python -m greenlight.assets.pretrain --out FOLDER``.

The model sees each problem once, as ``Question: ...``, ``Answer: ...`` and the end of text, and learns from the
answer's tokens alone.
"""

from __future__ import annotations

import argparse
import datetime
import math
import os
import platform
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Literal

import torch
from torch import Tensor
from transformers import PreTrainedTokenizerFast, Qwen3Config, Qwen3ForCausalLM

from greenlight.assets.arithmetic import DISTRIBUTIONS, problems
from greenlight.assets.model_card import Training, model_card
from greenlight.assets.scoring import ExactMatch, exact_match, prompt
from greenlight.assets.tokenizer import END_OF_TEXT, MAX_TOKENS, build_tokenizer
from greenlight.errors import GreenlightError

MAX_THREADS = 2
IGNORED_LABEL = -100  # cross_entropy's own default
BATCHES_PER_SORT = 32  # batches drawn at once and cut by length: less padding, still a random order
REPORT_STEPS = 100


@dataclass(frozen=True, slots=True)
class Recipe:
    """How to train; the model card says what came of it."""

    seed: int = 0
    batch_size: int = 16
    learning_rate: float = 3e-3
    warmup_steps: int = 100
    betas: tuple[float, float] = (0.9, 0.95)
    weight_decay: float = 0.1
    gradient_norm: float = 1.0


@dataclass(frozen=True, slots=True)
class Extent:
    """How long to train: wall-clock seconds, or optimiser steps for a run that can be repeated."""

    amount: float
    unit: Literal["seconds", "steps"]

    def progress(self, step: int, elapsed_s: float) -> float:
        """Return the part of the training that lies behind, from 0; 1 or more means that it is over."""
        return (step if self.unit == "steps" else elapsed_s) / self.amount


@dataclass(frozen=True, slots=True)
class Loop:
    """What the training loop counted; the loss is the mean of the last steps, in nats an answer token."""

    steps: int
    tokens: int
    elapsed_s: float
    loss: float


def new_model(tokenizer: PreTrainedTokenizerFast) -> Qwen3ForCausalLM:
    """Return the untrained model in float32, with weights from torch's global seed."""
    end = tokenizer.eos_token_id
    config = Qwen3Config(
        vocab_size=len(tokenizer),
        hidden_size=128,
        num_hidden_layers=4,
        num_attention_heads=4,
        num_key_value_heads=2,
        head_dim=32,
        intermediate_size=384,
        max_position_embeddings=MAX_TOKENS,
        tie_word_embeddings=True,
        initializer_range=0.06,  # 0.02 suits wide models; at width 128 it halved the exact match after 60 s
        bos_token_id=end,
        eos_token_id=end,
        pad_token_id=end,
    )
    return Qwen3ForCausalLM(config)


def batches(tokenizer: PreTrainedTokenizerFast, recipe: Recipe) -> Iterator[tuple[Tensor, Tensor]]:
    """Yield ids and labels of ever new problems, both of shape (batch, tokens); only answers are labelled."""
    order = torch.Generator().manual_seed(recipe.seed)
    stream = problems("pretrain", "train", sys.maxsize)
    while True:
        drawn = list(islice(stream, recipe.batch_size * BATCHES_PER_SORT))
        prompts = tokenizer([prompt(problem) for problem in drawn])["input_ids"]
        answers = tokenizer([problem.answer + END_OF_TEXT for problem in drawn])["input_ids"]
        rows = sorted(zip(prompts, answers, strict=True), key=lambda row: len(row[0]) + len(row[1]))
        for place in torch.randperm(BATCHES_PER_SORT, generator=order).tolist():
            batch = rows[place * recipe.batch_size : (place + 1) * recipe.batch_size]
            length = max(len(question) + len(answer) for question, answer in batch)
            ids = torch.full((len(batch), length), tokenizer.pad_token_id)
            labels = torch.full((len(batch), length), IGNORED_LABEL)
            for row, (question, answer) in enumerate(batch):
                whole = torch.tensor(question + answer)
                ids[row, : len(whole)] = whole
                labels[row, len(question) : len(whole)] = whole[len(question) :]
            yield ids, labels


def train(model: Qwen3ForCausalLM, tokenizer: PreTrainedTokenizerFast, recipe: Recipe, extent: Extent) -> Loop:
    """Train in place: warm-up over steps, then linear decay to zero over the extent; prints the loss as it goes."""
    optimizer = torch.optim.AdamW(
        model.parameters(), lr=recipe.learning_rate, betas=recipe.betas, weight_decay=recipe.weight_decay
    )
    model.train()
    start = time.perf_counter()
    tokens = 0
    recent: list[float] = []
    for step, (ids, labels) in enumerate(batches(tokenizer, recipe)):
        elapsed_s = time.perf_counter() - start
        progress = extent.progress(step, elapsed_s)
        if progress >= 1:
            return Loop(step, tokens, elapsed_s, sum(recent) / max(len(recent), 1))
        for group in optimizer.param_groups:
            group["lr"] = recipe.learning_rate * min(1.0, (step + 1) / recipe.warmup_steps) * (1 - progress)
        # rows are padded on the right, so a causal model needs no mask; the head is applied to labelled places alone
        hidden = model.model(input_ids=ids).last_hidden_state[:, :-1]
        labelled = labels[:, 1:] != IGNORED_LABEL
        loss = torch.nn.functional.cross_entropy(model.lm_head(hidden[labelled]), labels[:, 1:][labelled])
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), recipe.gradient_norm)
        optimizer.step()
        tokens += ids.numel()
        recent = [*recent[1 - REPORT_STEPS :], loss.item()]
        if (step + 1) % REPORT_STEPS == 0:
            print(f"{elapsed_s:5.0f} s  step {step + 1:5d}  loss {sum(recent) / len(recent):.4f}", flush=True)
    raise AssertionError("the stream of problems has no end")


def measure(folder: Path, count: int) -> dict[str, ExactMatch]:
    """Return the greedy exact match of a saved checkpoint on `count` test problems of each distribution."""
    model = Qwen3ForCausalLM.from_pretrained(folder, dtype=torch.float32)
    tokenizer = PreTrainedTokenizerFast.from_pretrained(folder)
    measured = {}
    for name in DISTRIBUTIONS:
        measured[name] = exact_match(model, tokenizer, list(problems(name, "test", count)))
        print(f"exact match, {name}: {measured[name]}", flush=True)
    return measured


def make_checkpoint(folder: Path, extent: Extent, *, held_out: int, recipe: Recipe) -> None:
    """Train, save, measure and write the card.

    Parameters
    ----------
    folder
        A new or an empty folder.
    extent
        How long to train.
    held_out
        How many test problems of each distribution to measure on.
    recipe
        The hyperparameters and the seed.

    Raises
    ------
    GreenlightError
        If the folder holds something already or cannot be made, or the extent or the count is not positive.
    """
    for name, value in ((extent.unit, extent.amount), ("held-out", held_out)):
        if not 0 < value < math.inf:
            raise GreenlightError(f"--{name} {value}: must be a positive number; leave it out for the default")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        occupied = any(folder.iterdir())
    except OSError as error:
        raise GreenlightError(f"--out {folder}: {error.strerror or error}; name a folder that can be made") from error
    if occupied:
        raise GreenlightError(f"--out {folder}: is not empty; name a new folder or empty this one")
    threads = min(MAX_THREADS, len(os.sched_getaffinity(0)))
    torch.set_num_threads(threads)
    torch.manual_seed(recipe.seed)
    tokenizer = build_tokenizer()
    model = new_model(tokenizer)
    parameters = sum(parameter.numel() for parameter in model.parameters())
    print(f"{parameters:,} parameters, {len(tokenizer)} tokens, {threads} threads", flush=True)
    loop = train(model, tokenizer, recipe, extent)
    model.bfloat16().save_pretrained(folder)
    (folder / "model.safetensors").chmod(0o644)  # it is written for the owner alone, and packages are for everybody
    tokenizer.save_pretrained(folder)
    training = Training(
        command=f"uv run python -m greenlight.assets.pretrain --out FOLDER --{extent.unit} {extent.amount:.10g}",
        date=datetime.datetime.now(datetime.UTC).date().isoformat(),
        machine=f"{threads} CPU core{'s' if threads > 1 else ''} ({platform.machine()})",
        parameters=parameters,
        steps=loop.steps,
        problems=loop.steps * recipe.batch_size,
        tokens=loop.tokens,
        elapsed_s=loop.elapsed_s,
        loss=loop.loss,
        exact_match=measure(folder, held_out),
    )
    (folder / "README.md").write_text(model_card(training, len(tokenizer)), encoding="utf-8")


def main(arguments: list[str] | None = None) -> int:
    """Parse the command line, make the checkpoint and return the exit status."""
    parser = argparse.ArgumentParser(prog="python -m greenlight.assets.pretrain", description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, required=True, help="a new folder for the checkpoint")
    length = parser.add_mutually_exclusive_group()
    length.add_argument("--seconds", type=float, default=450.0, help="wall clock to train for (default: %(default)s)")
    length.add_argument("--steps", type=int, help="optimiser steps to train for, instead of seconds")
    parser.add_argument("--held-out", type=int, default=1000, help="test problems to measure on (default: %(default)s)")
    given = parser.parse_args(arguments)
    extent = Extent(given.seconds, "seconds") if given.steps is None else Extent(given.steps, "steps")
    try:
        make_checkpoint(given.out, extent, held_out=given.held_out, recipe=Recipe())
    except GreenlightError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
