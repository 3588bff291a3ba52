"""Greedy exact match of a causal language model on word problems, with its 95 % interval."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import sqrt
from typing import TYPE_CHECKING

from greenlight.assets.arithmetic import Problem
from greenlight.errors import GreenlightError

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerFast, Qwen3ForCausalLM

LONGEST_ANSWER_TOKENS = 112  # the longest of 20,000 answers has 93, its end included
BATCH_SIZE = 128


@dataclass(frozen=True, slots=True)
class ExactMatch:
    """How many of `total` problems were answered with the very number."""

    correct: int
    total: int

    @property
    def rate(self) -> float:
        """The share of right answers, from 0 to 1."""
        return self.correct / self.total

    def interval(self) -> tuple[float, float]:
        """Return the 95 % Wilson score interval of the rate (Wilson 1927, JASA 22:209)."""
        z, n, p = 1.959963984540054, self.total, self.rate
        middle = (p + z * z / (2 * n)) / (1 + z * z / n)
        half = z / (1 + z * z / n) * sqrt(p * (1 - p) / n + z * z / (4 * n * n))
        return max(0.0, middle - half), min(1.0, middle + half)

    def __str__(self) -> str:
        low, high = self.interval()
        return f"{self.rate:.1%} ({self.correct} of {self.total}; 95 % interval {low:.1%} to {high:.1%})"


def prompt(problem: Problem) -> str:
    """Return the text that the model continues; the answer and the end of text follow it."""
    return f"Question: {problem.question}\nAnswer: "


def final_number(answer: str) -> str | None:
    """Return what stands behind the last ``####`` of an answer, or None where there is no such line."""
    _, marker, number = answer.rpartition("\n#### ")
    return number.strip() if marker else None


def exact_match(model: Qwen3ForCausalLM, tokenizer: PreTrainedTokenizerFast, held_out: Sequence[Problem]) -> ExactMatch:
    """Answer every problem greedily and count the answers whose final number is right.

    Parameters
    ----------
    model
        A causal language model; its mode (train or eval) is left as it was.
    tokenizer
        The model's tokenizer, with an end-of-text token that also pads.
    held_out
        At least one problem.

    Raises
    ------
    GreenlightError
        If there is no problem to answer.
    """
    import torch
    from transformers import GenerationConfig

    if not held_out:
        raise GreenlightError("exact match over 0 problems: a rate needs at least one; pass more problems")
    was_training = model.training
    model.train(mode=False)
    greedy = GenerationConfig(
        max_new_tokens=LONGEST_ANSWER_TOKENS,
        do_sample=False,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
    )
    ordered = sorted(held_out, key=lambda problem: len(problem.question))  # alike lengths waste little padding
    correct = 0
    for start in range(0, len(ordered), BATCH_SIZE):
        batch = ordered[start : start + BATCH_SIZE]
        prompts = [prompt(problem) for problem in batch]
        encoded = tokenizer(prompts, padding=True, padding_side="left", return_tensors="pt")
        with torch.inference_mode():
            ids = model.generate(**encoded, generation_config=greedy)  # type: ignore[misc]  # its self type is a protocol
        texts = tokenizer.batch_decode(ids[:, encoded["input_ids"].shape[1] :], skip_special_tokens=True)
        correct += sum(
            final_number(text) == final_number(problem.answer) for text, problem in zip(texts, batch, strict=True)
        )
    model.train(was_training)
    return ExactMatch(correct, len(ordered))
