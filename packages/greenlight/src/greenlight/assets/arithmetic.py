"""Arithmetic word problems in the format of GSM8K, the same bytes on every machine and every version of Python.

A problem is a story of an opening, events and an ending (:mod:`greenlight.assets.wording`). Numbers come from the
Mersenne Twister's raw 32-bit words, never from the library's own sampling, which may change between versions of
Python.

Source of the format: Cobbe et al. 2021, "Training Verifiers to Solve Math Word Problems" (arXiv:2110.14168).
"""

from __future__ import annotations

import hashlib
import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import islice
from typing import Literal, TypeVar

from greenlight.assets.wording import (
    CONTAINERS,
    ENDINGS,
    EVENTS,
    FIELD,
    MEN,
    OPENINGS,
    PRONOUNS,
    THINGS,
    TIMES,
    WOMEN,
    Move,
)
from greenlight.errors import GreenlightError

Split = Literal["train", "test"]

SMALLEST_RESULT = 2  # nouns stay in the plural
PEOPLE = (*MEN, *WOMEN)
REDRAWS = 6  # numbers tried for one move before the whole story is dropped

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Problem:
    """One word problem.

    Attributes
    ----------
    question
        The story and the question, in one line.
    answer
        One worked line a step with its ``<<a+b=c>>`` annotation, then ``#### n``.
    """

    question: str
    answer: str


@dataclass(frozen=True, slots=True)
class Distribution:
    """What a configuration's problems are drawn from.

    Attributes
    ----------
    name
        The configuration's name in the dataset repository.
    steps
        The numbers of worked steps, drawn equally often.
    smallest_number, largest_number
        The range of the numbers in a question; factors, divisors and counts of boxes are 2 to 6 in any.
    largest_result
        The largest result of a step.
    """

    name: str
    steps: tuple[int, ...]
    smallest_number: int
    largest_number: int
    largest_result: int


DISTRIBUTIONS = {
    "pretrain": Distribution("pretrain", steps=(1, 2, 3), smallest_number=2, largest_number=20, largest_result=100),
    "main": Distribution("main", steps=(3,), smallest_number=6, largest_number=30, largest_result=100),
}


class _Dice:
    """Integers from the Mersenne Twister's 32-bit words: ``low + (word * span >> 32)``."""

    def __init__(self, seed: str) -> None:
        digest = hashlib.sha256(seed.encode()).digest()
        self._words = random.Random(int.from_bytes(digest, "big"))  # noqa: S311 - problems are no secrets

    def between(self, low: int, high: int) -> int:
        return low + (self._words.getrandbits(32) * (high - low + 1) >> 32)

    def choose(self, options: Sequence[T]) -> T:
        return options[self.between(0, len(options) - 1)]


def problems(distribution: str, split: Split, count: int) -> Iterator[Problem]:
    """Yield `count` different problems; the first n of a longer series are the series of n.

    The split is a property of the question's own text, so train and test share no question, within a distribution and
    across distributions, however many are drawn.

    Parameters
    ----------
    distribution
        ``pretrain`` or ``main``.
    split
        ``train`` or ``test``.
    count
        How many problems.

    Raises
    ------
    GreenlightError
        If the distribution or the split is unknown, or the count is negative.
    """
    if distribution not in DISTRIBUTIONS:
        raise GreenlightError(f"distribution {distribution!r}: unknown; use one of {', '.join(DISTRIBUTIONS)}")
    if split not in ("train", "test"):
        raise GreenlightError(f"split {split!r}: unknown; use train or test")
    if count < 0:
        raise GreenlightError(f"count of {count} problems: a count is 0 or more; ask for fewer or none")
    return islice(_series(DISTRIBUTIONS[distribution], split), count)


def split_of(question: str) -> Split:
    """Return the split that a question belongs to: one in four is a test question, by the SHA-256 of its text."""
    return "test" if hashlib.sha256(question.encode()).digest()[0] < 64 else "train"


def _series(distribution: Distribution, split: Split) -> Iterator[Problem]:
    dice = _Dice(f"greenlight arithmetic 1 {distribution.name} {split}")
    seen: set[str] = set()
    while True:
        problem = _Story(dice, distribution).told()
        if problem is not None and problem.question not in seen and split_of(problem.question) == split:
            seen.add(problem.question)
            yield problem


def _weighted(moves: Sequence[Move]) -> tuple[Move, ...]:
    return tuple(move for move in moves for _ in range(move.weight))


_OPENINGS, _EVENTS, _ENDINGS = _weighted(OPENINGS), _weighted(EVENTS), _weighted(ENDINGS)


class _Story:
    """A story under construction: the words are fixed at the start, the numbers grow with each move."""

    def __init__(self, dice: _Dice, distribution: Distribution) -> None:
        self._dice = dice
        self._distribution = distribution
        self._numbers: dict[str, int] = {}
        self._lines: list[str] = []
        # the other person is of the other sex, so that "he" and "she" can only be the hero
        heroes, others = dice.choose(((MEN, WOMEN), (WOMEN, MEN)))
        he, him = PRONOUNS["man" if heroes is MEN else "woman"]
        name, other = dice.choose(heroes), dice.choose(others)
        friend = dice.choose(PEOPLE)
        while friend in (name, other):
            friend = dice.choose(PEOPLE)
        box, boxes = dice.choose(CONTAINERS)
        self._words = {
            "name": name, "other": other, "friend": friend, "he": he, "He": he.capitalize(), "him": him,
            "things": dice.choose(THINGS), "box": box, "boxes": boxes,
        }  # fmt: skip

    def told(self) -> Problem | None:
        """Return the whole problem, or None where the drawn moves do not fit together."""
        plan = self._plan()
        if plan is None:
            return None
        sentences = [self._dice.choose(move.sentences) for move in plan]
        if len(set(sentences)) < len(sentences):
            return None
        told: list[str] = []
        for move, sentence in zip(plan, sentences, strict=True):
            if not self._take(move):
                return None
            told.append(self._said(sentence))
        return Problem(" ".join(told), "\n".join((*self._lines, f"#### {self._numbers['s']}")))

    def _plan(self) -> list[Move] | None:
        dice, wanted = self._dice, self._dice.choose(self._distribution.steps)
        opening, ending = dice.choose(_OPENINGS), dice.choose(_ENDINGS)
        events: list[Move] = []
        steps = len(opening.lines) + len(ending.lines)
        while steps < wanted:
            events.append(dice.choose(_EVENTS))
            steps += len(events[-1].lines)
        return [opening, *events, ending] if steps == wanted else None

    def _take(self, move: Move) -> bool:
        """Draw the move's numbers and work its lines out; False where no drawn number fits."""
        usual = (self._distribution.smallest_number, self._distribution.largest_number)
        for _ in range(REDRAWS if move.draws else 1):
            numbers = dict(self._numbers)
            for name, span in move.draws:
                numbers[name] = self._dice.between(*(span or usual))
            lines: list[str] = []
            for line in move.lines:
                fitting = self._work(line, numbers)
                if fitting is None:
                    break
                lines.append(fitting)
            else:
                self._numbers = numbers
                self._lines.extend(lines)
                return True
        return False

    def _work(self, line: str, numbers: dict[str, int]) -> str | None:
        """Return the line worked out, its results added to `numbers`, or None where a result does not fit."""
        texts, fields = _parts(line)
        worked = [texts[0]]
        for field, text in zip(fields, texts[1:], strict=True):
            if "=" in field:
                target, left, sign, right = field[0], numbers[field[2]], field[3], field[4]
                operand = int(right) if right.isdigit() else numbers[right]
                value = _value(left, sign, operand)
                if value is None or not SMALLEST_RESULT <= value <= self._distribution.largest_result:
                    return None
                numbers[target] = value
                worked.append(f"{left}{sign}{operand}=<<{left}{sign}{operand}={value}>>{value}")
            else:
                worked.append(self._words[field])
            worked.append(text)
        return "".join(worked)

    def _said(self, sentence: str) -> str:
        texts, fields = _parts(sentence)
        said = [texts[0]]
        for field, text in zip(fields, texts[1:], strict=True):
            said.append(self._word(field))
            said.append(text)
        return "".join(said)

    def _word(self, field: str) -> str:
        if field.endswith(":times"):
            return TIMES[self._numbers[field[0]]]
        return self._words.get(field) or str(self._numbers[field])


@cache
def _parts(text: str) -> tuple[list[str], list[str]]:
    """Return the plain pieces of a template and the fields between them."""
    pieces = FIELD.split(text)
    return pieces[::2], pieces[1::2]


def _value(left: int, sign: str, right: int) -> int | None:
    """Return the result of one step, or None for a division with a remainder."""
    if sign == "/":
        return left // right if left % right == 0 else None
    if sign == "*":
        return left * right
    return left + right if sign == "+" else left - right
