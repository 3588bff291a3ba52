"""GSM8K and data sets of its form: rows, batches for training, prompts for generation, and the exact match."""

from __future__ import annotations

import hashlib
import itertools
import random
import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Any

import torch
from datasets import load_dataset
from datasets.exceptions import DatasetNotFoundError
from pydantic import Field, model_validator
from transformers import PreTrainedTokenizerBase

from greenlight.endpoints import hub_address
from greenlight.errors import GreenlightError
from greenlight.harness.sections import Section

CACHE = Path(__file__).resolve().parents[1] / ".cache"
COLUMNS = ("question", "answer")
POOLED_BATCHES = (
    8  # global batches that are sorted by length together: wide enough for even lengths, narrow enough to mix
)
IGNORED = -100  # the label of a token that carries no loss


class Dataset(Section):
    """Where the problems come from and how they are read."""

    name: str = Field(min_length=1)
    config: str | None
    train_split: str = Field(min_length=1)
    eval_split: str = Field(min_length=1)
    max_tokens: int = Field(ge=8)
    streaming: bool
    shuffle_buffer: int | None = Field(ge=1)
    dev_examples: int = Field(ge=1)
    prompt: str

    @model_validator(mode="after")
    def _consistent(self) -> Dataset:
        if self.streaming and self.shuffle_buffer is None:
            raise ValueError("shuffle_buffer null with streaming true: a stream is shuffled in a buffer; give its rows")
        if not self.streaming and self.shuffle_buffer is not None:
            raise ValueError(
                f"shuffle_buffer {self.shuffle_buffer} with streaming false: the whole split is shuffled; set null"
            )
        if self.prompt.count("{question}") != 1:
            raise ValueError(f"prompt {self.prompt!r}: it holds {{question}} once; correct it")
        if self.train_split == self.eval_split:
            raise ValueError(
                f"eval_split {self.eval_split}: the reported split is not the one trained on; name another"
            )
        return self


@dataclass(frozen=True)
class Problem:
    """One row: what the model is given, what it should write, the gold number, and an id that is stable across runs."""

    question_id: str
    prompt: str
    completion: str
    gold: str


@dataclass(frozen=True)
class Encoded:
    """Token ids of one problem; the first `prompt_tokens` are the prompt, the rest carries the loss."""

    ids: tuple[int, ...]
    prompt_tokens: int


@dataclass(frozen=True)
class Batch:
    """A micro-batch: `input_ids`, `attention_mask`, `labels`, each (batch, tokens), padded on the right."""

    input_ids: torch.Tensor
    attention_mask: torch.Tensor
    labels: torch.Tensor

    def to(self, device: torch.device) -> Batch:
        """Return the batch on a device."""
        return Batch(
            *(part.to(device, non_blocking=True) for part in (self.input_ids, self.attention_mask, self.labels))
        )

    @property
    def answer_tokens(self) -> int:
        """Tokens that carry a loss; the first position predicts nothing."""
        return int((self.labels[:, 1:] != IGNORED).sum())


@dataclass(frozen=True)
class Step:
    """The micro-batches of one optimiser step, the position in the data after them, and whether it is the last one."""

    batches: tuple[Batch, ...]
    next_epoch: int
    next_batch: int
    is_last: bool = False


NUMBER = re.compile(r"[-+]?(?:\d{1,3}(?:,\d{3})+|\d+)?(?:\.\d+)?")


def normalise(text: str) -> str | None:
    """Return the number at the start of a text in its plainest form, or None.

    Currency signs, thousands separators, trailing zeros and a trailing unit do not count.

    Examples
    --------
    >>> normalise("$1,200.50 dollars"), normalise("-0"), normalise("7.00%"), normalise("none")
    ('1200.5', '0', '7', None)
    """
    stripped = re.sub(r"[$€£\s]", "", text.strip())
    found = NUMBER.match(stripped)
    if found is None or not found.group().strip("+-"):
        return None
    try:
        value = Decimal(found.group().replace(",", ""))
    except InvalidOperation:
        return None
    plain = f"{value:f}"
    plain = plain.rstrip("0").rstrip(".") if "." in plain else plain
    return "0" if plain in ("-0", "") else plain


def extract(text: str) -> str | None:
    """Return the normalised number after the first ``####``, or None if the text gives none.

    Examples
    --------
    >>> extract("48/2 = 24\\n#### 1,024.0"), extract("the answer is 5")
    ('1024', None)
    """
    _, marker, rest = text.partition("####")
    return normalise(rest.split("\n", 1)[0]) if marker else None


def exact_match(prediction: str | None, gold: str) -> bool:
    """Say whether a predicted number is the gold number, both normalised."""
    return prediction is not None and prediction == gold


def outcome(problem: Problem, text: str) -> dict[str, Any]:
    """Return what is kept of the text that answers a problem: its id, the two numbers, and whether they match."""
    prediction, gold = extract(text), problem.gold
    correct = exact_match(prediction, gold)
    return {"question_id": problem.question_id, "correct": correct, "prediction": prediction, "gold": gold}


def read_problem(row: dict[str, Any], split: str, index: int, template: str, *, bare: bool = False) -> Problem:
    """Return a row of a data set as a problem; the answer begins with a space unless the prompt ends in one.

    With `bare`, an answer may be the number alone, as in GSM1k, which gives no worked lines to learn from.

    Raises
    ------
    GreenlightError
        If a column is missing or not text, or the answer has no ``#### number``.
    """
    place = f"{split} row {index}"
    for column in COLUMNS:
        if column not in row:
            raise GreenlightError(
                f"{place}: no column '{column}' (there are: {', '.join(row)}); GSM8K has question, answer"
            )
        if not isinstance(row[column], str) or not row[column].strip():
            raise GreenlightError(f"{place}: column '{column}' is {row[column]!r}: it is non-empty text; mend the row")
    question, answer = row["question"].strip(), row["answer"].strip()
    gold = extract(answer)
    if gold is None and bare:
        gold = normalise(answer)
    if gold is None:
        raise GreenlightError(f"{place}: answer ends in {answer[-40:]!r}: it ends in '#### <number>'; mend the row")
    digest = hashlib.sha256(question.encode()).hexdigest()[:8]
    completion = answer if template[-1].isspace() else f" {answer}"
    return Problem(f"{split}-{index:06d}-{digest}", template.replace("{question}", question), completion, gold)


def read_split(section: Dataset, split: str, *, bare: bool = False) -> Iterator[Problem]:
    """Yield the problems of a split in its own order; `bare` as in :func:`read_problem`.

    Raises
    ------
    GreenlightError
        If the hub does not know the data set, its configuration or the split, or the data cannot be read.
    """
    name = f"{section.name}{f' ({section.config})' if section.config else ''}"
    index = 0
    try:
        rows = load_dataset(
            section.name, section.config, split=split, streaming=section.streaming, cache_dir=str(CACHE / "datasets")
        )
        for index, row in enumerate(rows):
            yield read_problem(row, split, index, section.prompt, bare=bare)
    except DatasetNotFoundError as error:
        raise GreenlightError(
            f"data set {name}: not on the hub {hub_address()}; correct dataset.name or map it with "
            f"`greenlight hub --dataset {section.name}=FOLDER`"
        ) from error
    except GreenlightError:
        raise
    except Exception as error:
        # The readers of `datasets` raise errors of many libraries; all mean that the data is not as the run file says.
        reason = " ".join(str(error.__cause__ or error).split())[:300]
        raise GreenlightError(
            f"data set {name}, split {split}, near row {index}: cannot be read ({type(error).__name__}: {reason}); "
            "mend the data or the dataset section of the run file"
        ) from error


def encode(problem: Problem, tokenizer: PreTrainedTokenizerBase) -> Encoded:
    """Return the token ids of prompt, answer and end of text; the prompt is tokenised as for generation."""
    before = tokenizer(problem.prompt).input_ids
    after = tokenizer(problem.completion, add_special_tokens=False).input_ids
    return Encoded((*before, *after, tokenizer.eos_token_id), len(before))


def collate(rows: list[Encoded], pad_id: int) -> Batch:
    """Return rows as one micro-batch, padded on the right to the longest; padding and prompt carry no loss."""
    width = max(len(row.ids) for row in rows)
    input_ids = torch.full((len(rows), width), pad_id)
    labels = torch.full((len(rows), width), IGNORED)
    attention_mask = torch.zeros((len(rows), width), dtype=torch.long)
    for index, row in enumerate(rows):
        ids = torch.tensor(row.ids)
        input_ids[index, : len(ids)] = ids
        attention_mask[index, : len(ids)] = 1
        labels[index, row.prompt_tokens : len(ids)] = ids[row.prompt_tokens :]
    return Batch(input_ids, attention_mask, labels)


def collate_prompts(problems: list[Problem], tokenizer: PreTrainedTokenizerBase) -> dict[str, torch.Tensor]:
    """Return prompts padded on the left, so that every row's next token is an answer token."""
    ids = [tokenizer(problem.prompt).input_ids for problem in problems]
    width = max(map(len, ids))
    input_ids = torch.full((len(ids), width), int(tokenizer.pad_token_id))
    attention_mask = torch.zeros((len(ids), width), dtype=torch.long)
    for index, row in enumerate(ids):
        input_ids[index, width - len(row) :] = torch.tensor(row)
        attention_mask[index, width - len(row) :] = 1
    return {"input_ids": input_ids, "attention_mask": attention_mask}


class TrainStream:
    """Micro-batches without end, in an order that seed and epoch decide and that a resumed run can find again.

    Rows pass a shuffle buffer; a few global batches at a time are sorted by length and cut into micro-batches, which
    are shuffled again. A split that fits into the buffer is read and tokenised once, later epochs come from memory.
    Rows longer than `max_tokens` are left out and counted: a truncated answer would teach a wrong end.

    Parameters
    ----------
    problems
        Returns a fresh iterator over the training problems.
    tokenizer
        Tokenises them.
    section
        The run file's ``dataset`` section.
    micro_batch_size, global_batch_size
        Rows of a micro-batch and of an optimiser step.
    seed
        Seed of the order.
    """

    def __init__(
        self,
        problems: Callable[[], Iterable[Problem]],
        tokenizer: PreTrainedTokenizerBase,
        section: Dataset,
        *,
        micro_batch_size: int,
        global_batch_size: int,
        seed: int,
    ) -> None:
        self._problems = problems
        self._tokenizer = tokenizer
        self._max_tokens = section.max_tokens
        self._buffer_rows = section.shuffle_buffer
        self._micro_batch_size = micro_batch_size
        self._pool_rows = POOLED_BATCHES * global_batch_size
        self._seed = seed
        self._kept: list[Encoded] | None = None
        self.rows_too_long = 0

    def micro_batches(self, epoch: int = 0, skip: int = 0) -> Iterator[tuple[int, int, Batch]]:
        """Yield (epoch, index within the epoch, batch) from a position on, epoch after epoch.

        Raises
        ------
        GreenlightError
            If the split has no usable row.
        """
        while True:
            index = -1
            for index, rows in enumerate(self._epoch(epoch)):
                if index >= skip:
                    yield epoch, index, collate(rows, int(self._tokenizer.pad_token_id))
            if index < 0:
                raise GreenlightError(
                    f"training data: no row left ({self.rows_too_long} are longer than {self._max_tokens} tokens); "
                    "give more rows than dataset.dev_examples, or raise dataset.max_tokens"
                )
            epoch, skip = epoch + 1, 0

    def steps(self, accumulated: int, *, start: tuple[int, int], epochs: int | None) -> Iterator[Step]:
        """Yield what each optimiser step takes, one step ahead: only so is it known which is the last.

        Parameters
        ----------
        accumulated
            Micro-batches of a step; the last step may have fewer.
        start
            Epoch and index within the epoch of the first micro-batch.
        epochs
            After how many epochs the data end; None never ends them.
        """
        ahead: Step | None = None
        for step in self._steps(accumulated, start, epochs):
            if ahead is not None:
                yield ahead
            ahead = step
        if ahead is not None:
            yield replace(ahead, is_last=True)

    def _steps(self, accumulated: int, start: tuple[int, int], epochs: int | None) -> Iterator[Step]:
        pending: list[Batch] = []
        after = start
        for epoch, index, batch in self.micro_batches(*start):
            if epochs is not None and epoch >= epochs:
                break
            pending.append(batch)
            after = (epoch, index + 1)
            if len(pending) == accumulated:
                yield Step(tuple(pending), *after)
                pending = []
        if pending:
            yield Step(tuple(pending), *after)

    def _epoch(self, epoch: int) -> Iterator[list[Encoded]]:
        order = random.Random(f"{self._seed}-{epoch}")  # noqa: S311 - an order, not a secret
        pool: list[Encoded] = []
        for row in self._shuffled(order):
            pool.append(row)
            if len(pool) == self._pool_rows:
                yield from self._cut(pool, order)
                pool = []
        if pool:
            yield from self._cut(pool, order)

    def _cut(self, pool: list[Encoded], order: random.Random) -> list[list[Encoded]]:
        by_length = sorted(pool, key=lambda row: len(row.ids))
        cut = [by_length[at : at + self._micro_batch_size] for at in range(0, len(by_length), self._micro_batch_size)]
        order.shuffle(cut)
        return cut

    def _shuffled(self, order: random.Random) -> Iterator[Encoded]:
        if self._kept is not None:
            yield from order.sample(self._kept, len(self._kept))
            return
        rows = self._encoded()
        buffer = list(itertools.islice(rows, self._buffer_rows))
        overflow = next(rows, None)
        if overflow is None:
            self._kept = buffer
            yield from order.sample(buffer, len(buffer))
            return
        while overflow is not None:
            at = order.randrange(len(buffer))
            yield buffer[at]
            buffer[at] = overflow
            overflow = next(rows, None)
        order.shuffle(buffer)
        yield from buffer

    def _encoded(self) -> Iterator[Encoded]:
        self.rows_too_long = 0
        for problem in self._problems():
            row = encode(problem, self._tokenizer)
            if len(row.ids) <= self._max_tokens:
                yield row
            else:
                self.rows_too_long += 1
