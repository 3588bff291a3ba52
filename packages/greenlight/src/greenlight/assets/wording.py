"""The closed language of the word problems: who, what, and every sentence that a problem can hold.

A :class:`Move` is a piece of a story, kept as data. In its texts, ``{name}`` and the like are words, ``{k}`` is a
number of the story, and ``{s=s+k}`` in a worked line is a step: it is written as ``5+3=<<5+3=8>>8`` and its value
becomes ``s``, the number of things that the hero of the story has.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

FIELD = re.compile(r"\{([^}]*)\}")
"""A placeholder in a sentence or in a worked line."""

WORD = re.compile(r"[A-Za-z]+")

MEN = ("Adam", "Ben", "Carl", "David", "Eric", "Frank", "Henry", "Tom")
WOMEN = ("Alice", "Betty", "Clara", "Emma", "Grace", "Julia", "Maria", "Sara")
THINGS = (
    "apples", "beads", "books", "buttons", "cards", "coins", "cookies", "lemons",
    "marbles", "mugs", "pencils", "plums", "shells", "stamps", "stickers", "toys",
)  # fmt: skip
CONTAINERS = (("bag", "bags"), ("basket", "baskets"), ("box", "boxes"), ("crate", "crates"))
TIMES = {2: "twice", 3: "three times", 4: "four times"}
PRONOUNS = {"man": ("he", "him"), "woman": ("she", "her")}


@dataclass(frozen=True, slots=True)
class Move:
    """One piece of a story: an opening, an event or an ending.

    Attributes
    ----------
    sentences
        The wordings to choose from; each says the same.
    lines
        The worked lines, one step each.
    draws
        The numbers to draw: name and range; None is the distribution's own range.
    weight
        How often the move is chosen, relative to its neighbours.
    """

    sentences: tuple[str, ...]
    lines: tuple[str, ...] = ()
    draws: tuple[tuple[str, tuple[int, int] | None], ...] = ()
    weight: int = 1


OPENINGS = (
    Move(
        ("{name} has {s} {things}.", "On Monday {name} has {s} {things}.", "{name} starts with {s} {things}."),
        draws=(("s", None),),
        weight=7,
    ),
    Move(
        ("{name} buys {g} {boxes} with {b} {things} in each {box}.", "{name} has {g} {boxes} of {b} {things}."),
        ("{name} has {s=g*b} {things}.",),
        (("g", (2, 6)), ("b", None)),
    ),
    Move(
        ("{name} collects {b} {things} each day for {g} days.", "For {g} days {name} gets {b} {things} each day."),
        ("{name} has {s=b*g} {things}.",),
        (("g", (2, 6)), ("b", None)),
    ),
    Move(
        ("{other} has {a} {things}. {name} has {f:times} as many {things} as {other}.",),
        ("{name} has {s=a*f} {things}.",),
        (("a", None), ("f", (2, 4))),
    ),
    Move(
        ("{other} has {a} {things}. {name} has {k} more {things} than {other}.",),
        ("{name} has {s=a+k} {things}.",),
        (("a", None), ("k", None)),
    ),
    Move(
        ("{other} has {a} {things}. {name} has {k} fewer {things} than {other}.",),
        ("{name} has {s=a-k} {things}.",),
        (("a", None), ("k", None)),
    ),
    Move(
        ("{name} finds {a} {things} on Monday and {k} on Tuesday.",),
        ("{name} has {s=a+k} {things}.",),
        (("a", None), ("k", None)),
    ),
    Move(
        ("{name} finds {a} {things} on Monday and {f:times} as many on Tuesday.",),
        ("On Tuesday {he} finds {t=a*f} {things}.", "{name} has {s=a+t} {things}."),
        (("a", None), ("f", (2, 4))),
    ),
)

EVENTS = (
    Move(
        (
            "{He} buys {k} more.",
            "{He} finds {k} more {things}.",
            "{other} gives {him} {k} more.",
            "Then {he} gets {k} {things} from {other}.",
        ),
        ("{name} has {s=s+k} {things}.",),
        (("k", None),),
        weight=4,
    ),
    Move(
        (
            "{He} gives {k} {things} to {other}.",
            "{He} loses {k} of them.",
            "{He} sells {k} of the {things}.",
            "Then {he} loses {k} {things}.",
        ),
        ("{name} has {s=s-k} {things} left.",),
        (("k", None),),
        weight=4,
    ),
    Move(
        ("A week later {he} has {f:times} as many {things}.", "By Friday {he} has {f:times} as many."),
        ("{name} has {s=s*f} {things} now.",),
        (("f", (2, 4)),),
        weight=2,
    ),
    Move(
        (
            "{He} gives half of the {things} to {other}.",
            "{He} sells half of them.",
            "Then {he} loses half of the {things}.",
        ),
        ("{name} has {s=s/2} {things} left.",),
        weight=2,
    ),
    Move(
        ("{He} gives a third of the {things} to {other}.", "{He} sells a third of them."),
        ("A third is {t=s/3} {things}.", "{name} has {s=s-t} {things} left."),
    ),
    Move(
        ("{He} buys {g} {boxes} with {b} {things} in each {box}.", "Then {he} gets {g} {boxes} of {b} {things}."),
        ("The {boxes} hold {t=g*b} {things}.", "{name} has {s=s+t} {things}."),
        (("g", (2, 6)), ("b", None)),
        weight=2,
    ),
)

ENDINGS = (
    Move(
        (
            "How many {things} does {name} have now?",
            "How many {things} does {he} have in the end?",
        ),
        weight=8,
    ),
    Move(
        ("{He} shares all of them equally among {d} friends. How many {things} does each friend get?",),
        ("Each friend gets {s=s/d} {things}.",),
        (("d", (2, 6)),),
    ),
    Move(
        ("{He} puts all {things} equally into {d} {boxes}. How many {things} are in each {box}?",),
        ("Each {box} holds {s=s/d} {things}.",),
        (("d", (2, 6)),),
    ),
    Move(
        ("{He} sells all of them for {f} dollars each. How many dollars does {he} get?",),
        ("{name} gets {s=s*f} dollars.",),
        (("f", (2, 6)),),
    ),
    Move(
        ("{friend} has {k} {things}. How many {things} do {name} and {friend} have together?",),
        ("Together they have {s=s+k} {things}.",),
        (("k", None),),
    ),
    Move(
        ("{He} wants to have {k} {things}. How many more {things} does {he} need?",),
        ("{name} needs {s=k-s} more {things}.",),
        (("k", None),),
    ),
    Move(
        ("{friend} has {k} {things}. How many more {things} does {name} have than {friend}?",),
        ("{name} has {s=s-k} more {things}.",),
        (("k", None),),
    ),
    Move(
        ("{friend} has {k} more {things} than {name}. How many {things} do {name} and {friend} have together?",),
        ("{friend} has {t=s+k} {things}.", "Together they have {s=s+t} {things}."),
        (("k", None),),
    ),
    Move(
        ("{friend} has {f:times} as many {things} as {name}. How many {things} do {name} and {friend} have together?",),
        ("{friend} has {t=s*f} {things}.", "Together they have {s=s+t} {things}."),
        (("f", (2, 4)),),
    ),
)


def vocabulary() -> tuple[str, ...]:
    """Return every word that a problem can hold, sorted, each in the spelling and the case in which it is used."""
    words: set[str] = {*MEN, *WOMEN, *THINGS}
    words.update(form for forms in CONTAINERS for form in forms)
    words.update(word for phrase in TIMES.values() for word in phrase.split())
    for pronouns in PRONOUNS.values():
        words.update(pronouns)
        words.add(pronouns[0].capitalize())
    for move in (*OPENINGS, *EVENTS, *ENDINGS):
        for text in (*move.sentences, *move.lines):
            words.update(WORD.findall(FIELD.sub(" ", text)))
    return tuple(sorted(words))
