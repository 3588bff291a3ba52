"""A seeded source of sentences, word problems, opinions and passages."""

from __future__ import annotations

import random
from collections.abc import Sequence
from functools import cache
from typing import TypeVar

from greenlight.rehearse.standins.datasets import phrases

_Any = TypeVar("_Any")


class Draw:
    """One source; the same seed gives the same texts.

    Parameters
    ----------
    seed
        Any text, for instance the id of a data set, its configuration and its split.
    """

    def __init__(self, seed: str) -> None:
        self._random = random.Random(seed)  # noqa: S311 - rows of data, no secret

    def one(self, choices: Sequence[_Any]) -> _Any:
        """Return one of the choices."""
        return self._random.choice(choices)

    def some(self, choices: Sequence[_Any], count: int) -> list[_Any]:
        """Return `count` different ones of the choices, in random order."""
        return self._random.sample(list(choices), count)

    def number(self, low: int, high: int) -> int:
        """Return an integer from `low` to `high`, both included."""
        return self._random.randint(low, high)

    def real(self, low: float, high: float) -> float:
        """Return a number between `low` and `high`, with one decimal."""
        return round(self._random.uniform(low, high), 1)

    def chance(self, share: float) -> bool:
        """Return True in a `share` (0 to 1) of all calls."""
        return self._random.random() < share

    def bytes(self, count: int) -> bytes:
        """Return `count` random bytes."""
        return self._random.randbytes(count)

    def name(self) -> str:
        """Return the name of a person; some are not ASCII."""
        return self.one(phrases.NAMES)

    def subject(self) -> str:
        """Return what a sentence is about, for instance ``the tide``."""
        return self.one(phrases.SUBJECTS)

    def sentence(self, subject: str | None = None) -> str:
        """Return a statement, about `subject` if that is given."""
        about = subject or self.subject()
        if subject is None and self.chance(0.4):
            act, thing, time = self.one(phrases.ACTS), self.one(phrases.THINGS), self.one(phrases.TIMES)
            return f"{self.name()} {act} {self.number(2, 90)} {thing} {time}."
        reason = f", {self.one(phrases.REASONS)}" if self.chance(0.5) else ""
        return f"{about[0].upper()}{about[1:]} near {self.one(phrases.PLACES)} {self.one(phrases.FACTS)}{reason}."

    def passage(self, sentences: int, subject: str | None = None) -> str:
        """Return so many sentences in one line."""
        return " ".join(self.sentence(subject if place == 0 else None) for place in range(sentences))

    def length(self, usual: int) -> int:
        """Return how many sentences a text has: about `usual`, but ten times as many in one text of sixteen."""
        return usual * 10 if self.chance(1 / 16) else max(1, self.number(usual - 1, usual + 2))

    def question(self, subject: str | None = None) -> str:
        """Return a question."""
        about = subject or self.subject()
        return self.one(
            (f"Why is {about} important?", f"Where can one see {about}?", f"What is known about {about}?",
             f"Who wrote about {about} in {self.number(1890, 2020)}?", f"How does {about} work?")
        )  # fmt: skip

    def opinion(self, good: bool) -> str:
        """Return what somebody thinks of a film, a hotel and the like."""
        word = self.one(phrases.PRAISE if good else phrases.BLAME)
        work, part = self.one(phrases.WORKS), self.one(phrases.PARTS)
        other = self.one(phrases.BLAME if good else phrases.PRAISE)
        return self.one(
            (f"This {work} is {word}.", f"The {part} of this {work} was {word}.",
             f"Some called the {part} {other}, but for me the {work} was {word}!")
        )  # fmt: skip

    def review(self, good: bool, usual: int) -> str:
        """Return an opinion with reasons and a story around it."""
        rest = [self.opinion(good) if self.chance(0.5) else self.sentence() for _ in range(self.length(usual))]
        return " ".join([self.opinion(good), *rest])

    def problem(self) -> tuple[str, list[str], int]:
        """Return a word problem: the question, its worked lines in the notation of GSM8K, and the answer.

        One answer of eight is above a thousand; some are equal to others.
        """
        name, thing, other = self.name(), self.one(phrases.THINGS), self.name()
        boxes, inside, more = self.number(2, 12), self.number(3, 40), self.number(1, 60)
        if self.chance(1 / 8):
            inside *= 100
        held = boxes * inside
        total = held + more
        question = self.one(
            (f"{name} packs {boxes} boxes with {inside:,} {thing} each and finds {more} more. "
             f"How many {thing} are there?",
             f"There are {boxes} shelves of {inside:,} {thing}. {other} brings {more}. "
             f"How many {thing} does {name} count?")
        )  # fmt: skip
        lines = [
            f"The full ones hold {boxes}*{inside}=<<{boxes}*{inside}={held}>>{held} {thing}.",
            f"Together that is {held}+{more}=<<{held}+{more}={total}>>{total} {thing}.",
        ]
        return question, lines, total


@cache
def corpus() -> tuple[str, ...]:
    """Return the sentences from which the tokenizers of stand-in models learn."""
    draw = Draw("tokenizers")
    texts = [*phrases.MATHEMATICS] * 3
    for _ in range(400):
        question, lines, answer = draw.problem()
        texts += [draw.sentence(), draw.question(), draw.opinion(draw.chance(0.5)), question, *lines, f"#### {answer}"]
    texts += [f"{task} {subject}." for task in phrases.TASKS for subject in phrases.SUBJECTS]
    texts += [f"{one} {two}." for one in phrases.GERMAN.values() for two in phrases.GERMAN_FACTS.values()]
    return tuple(texts)
