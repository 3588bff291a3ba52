"""The model card of a checkpoint, written from what its training measured."""

from __future__ import annotations

from dataclasses import dataclass

from greenlight.assets.arithmetic import DISTRIBUTIONS
from greenlight.assets.scoring import ExactMatch


@dataclass(frozen=True, slots=True)
class Training:
    """What was done and measured in one pre-training.

    Attributes
    ----------
    command
        The command line that repeats it.
    date
        The day on which it ended, ISO 8601.
    machine
        The kind of machine, for instance ``2 CPU cores (x86_64)``.
    parameters
        The number of trained parameters.
    steps, problems, tokens
        Optimiser steps; problems seen, each once; tokens processed, padding included.
    elapsed_s
        Wall-clock seconds of the training loop, without evaluation.
    loss
        The mean cross-entropy in nats of an answer token, over the last steps.
    exact_match
        Greedy exact match on held-out problems of each distribution, of the checkpoint as saved.
    """

    command: str
    date: str
    machine: str
    parameters: int
    steps: int
    problems: int
    tokens: int
    elapsed_s: float
    loss: float
    exact_match: dict[str, ExactMatch]


_CARD = """\
---
license: apache-2.0
language:
- en
library_name: transformers
pipeline_tag: text-generation
datasets:
- greenlight/arithmetic
---

# Tiny Qwen3

A Qwen3 causal language model of {parameters:,} parameters that answers arithmetic word problems of one to three
steps. It is the embedded default of *greenlight*: the whole path of an experiment (load, fine-tune, evaluate,
compare) runs with it on two CPU cores and without a network. It is no assistant and knows no other sentences.

| | |
|---|---|
| architecture | `Qwen3ForCausalLM`: hidden size 128, 4 layers, 4 heads of 32, 2 key-value heads, tied embeddings |
| weights | bfloat16, safetensors |
| tokenizer | {vocabulary} tokens: the closed vocabulary's words, single digits, signs; `<|endoftext|>` ends and pads |
| prompt | `Question: {{question}}\\nAnswer: `; the answer's last line is `#### n` |

## How it was made

Trained from nothing by

    {command}

on {machine}, {date}: {steps:,} steps of AdamW in {elapsed_s:.0f} s, {problems:,} problems of the configuration
`pretrain` of `greenlight/arithmetic`, each seen once, {tokens:,} tokens with padding. The loss counts the answer's
tokens alone; over the last steps it was {loss:.4f} nats a token. The same number of steps (`--steps {steps}`) with
the same seed repeats the order of the data; the last bits of the weights depend on the machine and on the version of
torch.

## How good it is

Greedy exact match of the final number on problems of the test split that training never drew from, with the weights
as they are stored:

| configuration | steps | numbers | exact match |
|---|---|---|---|
{table}
`main` is the target of fine-tuning: always three steps, and numbers that no training question held.

## Limits

The answer of a question outside the generator's language is arbitrary. A result here says nothing about a pre-trained
language model of useful size; it says whether an experiment's machinery works and whether its learning rate is sound.
"""


def model_card(training: Training, vocabulary: int) -> str:
    """Return the card's text.

    Parameters
    ----------
    training
        The measured facts.
    vocabulary
        The number of tokens of the tokenizer.
    """
    table = ""
    for name, measured in training.exact_match.items():
        kind = DISTRIBUTIONS[name]
        steps, numbers = " or ".join(map(str, kind.steps)), f"{kind.smallest_number} to {kind.largest_number}"
        table += f"| `{name}` | {steps} | {numbers} | {measured} |\n"
    return _CARD.format(
        parameters=training.parameters,
        vocabulary=vocabulary,
        command=training.command,
        date=training.date,
        machine=training.machine,
        steps=training.steps,
        elapsed_s=training.elapsed_s,
        problems=training.problems,
        tokens=training.tokens,
        loss=training.loss,
        table=table,
    )
