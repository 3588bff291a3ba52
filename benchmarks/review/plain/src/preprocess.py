"""GSM8K: its splits, batches for training, prompts for generation, and the exact match of answers."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from datasets import load_dataset
from datasets.exceptions import DatasetNotFoundError
from omegaconf import DictConfig
from transformers import PreTrainedTokenizerBase

CACHE = Path(__file__).resolve().parents[1] / ".cache"
IGNORED = -100  # the label of a token that carries no loss
NUMBER = re.compile(r"[-+]?\d[\d,]*(?:\.\d+)?|[-+]?\.\d+")


@dataclass(frozen=True)
class Question:
    """One row: an id that is the same in every run, what the model is given, what it should write, the gold number."""

    question_id: str
    prompt: str
    completion: str
    gold: str


@dataclass(frozen=True)
class Splits:
    """Disjoint questions: to train on, to develop on (cut from the training split), and to report on."""

    train: list[Question]
    dev: list[Question]
    test: list[Question]


def final_number(text: str) -> str | None:
    """Return the number after the first ``####`` in its plainest form, or None if there is none."""
    _, marker, rest = text.partition("####")
    found = NUMBER.search(rest.split("\n", 1)[0]) if marker else None
    if found is None:
        return None
    plain = found.group().replace(",", "").removeprefix("+")
    if "." in plain:
        plain = plain.rstrip("0").rstrip(".")
    return "0" if plain in ("", "-", "-0") else plain


def read_questions(dataset: DictConfig, split: str) -> list[Question]:
    """Return the questions of a split in its own order.

    Raises
    ------
    RuntimeError
        If the data set or the split cannot be loaded.
    ValueError
        If a row has no final number.
    """
    try:
        rows = load_dataset(dataset.name, dataset.config, split=split, cache_dir=str(CACHE / "datasets"))
    except (DatasetNotFoundError, OSError, ValueError) as error:
        raise RuntimeError(f"data set {dataset.name} ({dataset.config}), split {split}: cannot be loaded") from error
    questions = []
    for index, row in enumerate(rows):
        gold = final_number(row["answer"])
        if gold is None:
            raise ValueError(f"{split} row {index}: the answer has no '#### <number>'; mend the row")
        prompt = f"Question: {row['question'].strip()}\nAnswer:"
        questions.append(Question(f"{split}-{index}", prompt, " " + row["answer"].strip(), gold))
    return questions


def load_splits(dataset: DictConfig, test_examples: int | None) -> Splits:
    """Return the splits; the development questions are drawn from the training split with a seed of their own."""
    questions = read_questions(dataset, dataset.train_split)
    test = read_questions(dataset, dataset.eval_split)[:test_examples]
    if len(questions) <= dataset.dev_examples or not test:
        raise ValueError(f"data set {dataset.name}: {len(questions)} training and {len(test)} test rows are too few")
    order = torch.randperm(len(questions), generator=torch.Generator().manual_seed(dataset.split_seed)).tolist()
    dev = [questions[index] for index in order[: dataset.dev_examples]]
    train = [questions[index] for index in order[dataset.dev_examples :]]
    return Splits(train, dev, test)


class Examples(torch.utils.data.Dataset[dict[str, list[int]]]):
    """Tokenised training questions; only the answer and its end carry a loss. Rows that are too long are left out."""

    def __init__(self, questions: list[Question], tokenizer: PreTrainedTokenizerBase, max_tokens: int) -> None:
        self.rows: list[dict[str, list[int]]] = []
        for question in questions:
            prompt = tokenizer(question.prompt).input_ids
            answer = [*tokenizer(question.completion, add_special_tokens=False).input_ids, tokenizer.eos_token_id]
            if len(prompt) + len(answer) <= max_tokens:
                self.rows.append({"input_ids": prompt + answer, "labels": [IGNORED] * len(prompt) + answer})
        if not self.rows:
            raise ValueError(f"dataset.max_tokens={max_tokens}: no training row is that short; raise it")

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, index: int) -> dict[str, list[int]]:
        return self.rows[index]


def collate(rows: list[dict[str, list[int]]], pad_id: int) -> dict[str, torch.Tensor]:
    """Return rows as one batch, padded on the right; padding is neither attended to nor learned."""
    width = max(len(row["input_ids"]) for row in rows)
    input_ids = torch.full((len(rows), width), pad_id, dtype=torch.long)
    labels = torch.full((len(rows), width), IGNORED, dtype=torch.long)
    attention_mask = torch.zeros((len(rows), width), dtype=torch.long)
    for index, row in enumerate(rows):
        length = len(row["input_ids"])
        input_ids[index, :length] = torch.tensor(row["input_ids"])
        labels[index, :length] = torch.tensor(row["labels"])
        attention_mask[index, :length] = 1
    return {"input_ids": input_ids, "attention_mask": attention_mask, "labels": labels}


def prompt_batch(questions: list[Question], tokenizer: PreTrainedTokenizerBase) -> Any:
    """Return prompts padded on the left, so that the next token of every row is the first of its answer."""
    tokenizer.padding_side = "left"
    return tokenizer([question.prompt for question in questions], return_tensors="pt", padding=True)
