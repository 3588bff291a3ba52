"""Sets of questions: with a passage, with choices, or with nothing but the question."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from greenlight.rehearse.standins.datasets import label_names
from greenlight.rehearse.standins.datasets.schema import (
    BOOL,
    FLOAT32,
    HIDDEN,
    INT32,
    TEXT,
    Column,
    Configuration,
    DataSet,
    Group,
    Groups,
    Label,
    Many,
    Place,
    Row,
)
from greenlight.rehearse.standins.datasets.sentences import Draw

_THREE = ("train", "validation", "test")
_TWO = ("train", "validation")
_MIXED = ("train", "test", "validation")


def _squad(draw: Draw, at: Place) -> Row:
    about = draw.subject()
    passage = draw.passage(draw.length(4), about)
    words = passage.split()
    first = draw.number(0, min(len(words) - 1, 12))
    answer = " ".join(words[first : first + draw.number(1, 3)])
    start = passage.index(answer)
    # SQuAD 2 has questions without an answer; where there are several answers, most repeat one another.
    times = 0 if at.configuration == "squad_v2" and at.index % 3 == 2 else 1 if at.split == "train" else 3
    return {
        "id": f"{at.index:024x}",
        "title": about.title(),
        "context": passage,
        "question": draw.question(about),
        "answers": {"text": [answer] * times, "answer_start": [start] * times},
    }


def _hotpot(draw: Draw, at: Place) -> Row:
    titles = draw.some(("The Tide", "Old Bridge", "Glacier", "Harvest", "Moon"), 4)
    shown = not at.hidden
    return {
        "id": f"{at.index:024x}",
        "question": f"Which is older, {titles[0]} or {titles[1]}?",
        "answer": draw.one(("yes", "no", titles[0])) if shown else "",
        "type": draw.one(("comparison", "bridge")) if shown else "",
        "level": draw.one(("easy", "medium", "hard")) if shown else "",
        "supporting_facts": {"title": titles[:2] if shown else [], "sent_id": [0, 1] if shown else []},
        "context": {"title": titles, "sentences": [[draw.sentence(), f" {draw.sentence()}"] for _ in titles]},
    }


def _boolq(draw: Draw, _at: Place) -> Row:
    about = draw.subject()
    return {"question": f"is {about} old", "answer": draw.chance(0.6), "passage": draw.passage(draw.length(4), about)}


def _piqa(draw: Draw, at: Place) -> Row:
    thing = draw.one(("a lamp", "a rope", "a plate"))
    return {
        "goal": f"How do you clean {thing}?",
        "sol1": f"Wipe {thing} with a damp cloth." + (f" {draw.passage(12)}" if at.index % 16 == 3 else ""),
        "sol2": f"Put {thing} into the fire.",
        "label": HIDDEN if at.hidden else draw.number(0, 1),
    }


def _hellaswag(draw: Draw, at: Place) -> Row:
    first, second = draw.sentence(), draw.name()
    activity = draw.one(("Washing dishes", "Sailing", "How to draw a map"))
    if at.index % 8 == 3:
        first = f"[header] {activity} [title] Begin. [step] {first}"
    return {
        "ind": at.index,
        "activity_label": activity,
        "ctx_a": first,
        "ctx_b": second,
        "ctx": f"{first} {second}",
        "endings": [f"{draw.one(('picks', 'drops', 'sells'))} {draw.number(2, 9)} plates." for _ in range(4)],
        "source_id": f"activitynet~v_{at.index:08x}",
        "split": at.split.replace("validation", "val"),
        "split_type": draw.one(("indomain", "zeroshot")),
        "label": "" if at.hidden else str(draw.number(0, 3)),  # a number as text, as in the real set
    }


def _winogrande(draw: Draw, at: Place) -> Row:
    one, other = draw.some(("Ada", "Boris", "Dana", "Ivo"), 2)
    answer = draw.one(("1", "2"))
    return {
        "sentence": f"{one} lent a kite to {other} because _ {draw.one(('had two', 'wanted one'))}.",
        "option1": one,
        "option2": other,
        "answer": "" if at.hidden else answer,
    }


def _choices(draw: Draw, count: int, letters: Sequence[str] = "ABCDE") -> dict[str, list[str]]:
    return {"text": [draw.sentence().split(" near")[0] for _ in range(count)], "label": list(letters[:count])}


def _arc(draw: Draw, at: Place) -> Row:
    count = 3 if at.index % 16 == 5 else 5 if at.index % 16 == 9 else 4
    choices = _choices(draw, count, "12345" if at.index % 12 == 7 else "ABCDE")  # some real rows count 1, 2, 3, 4
    return {
        "id": f"Mercury_{7000 + at.index}",
        "question": draw.question(),
        "choices": choices,
        "answerKey": draw.one(choices["label"]),
    }


def _openbook(draw: Draw, at: Place) -> Row:
    row = {
        "id": f"7-{980 + at.index}",
        "question_stem": draw.question().rstrip("?"),
        "choices": _choices(draw, 4),
        "answerKey": draw.one("ABCD"),
    }
    if at.configuration == "main":
        return row
    more = {
        "fact1": draw.sentence(),
        "humanScore": 1.0,
        "clarity": draw.real(1, 2),
        "turkIdAnonymized": f"{at.index:08x}",
    }
    return {**row, **more}


def _commonsense(draw: Draw, at: Place) -> Row:
    return {
        "id": f"{at.index:032x}",
        "question": draw.question(),
        "question_concept": draw.one(("tide", "bridge", "harvest")),
        "choices": _choices(draw, 5),
        "answerKey": "" if at.hidden else draw.one("ABCDE"),
    }


def _mmlu(draw: Draw, at: Place) -> Row:
    subject = draw.one(label_names.MMLU) if at.configuration == "all" else at.configuration
    question, _, answer = draw.problem()
    right = draw.number(0, 3)
    choices = [str(answer + place - right) for place in range(4)]
    return {"question": question, "subject": subject, "choices": choices, "answer": right}


def _truthful(draw: Draw, at: Place) -> Row:
    right, wrong = [draw.sentence() for _ in range(draw.number(1, 4))], [draw.sentence() for _ in range(3)]
    if at.configuration == "generation":
        return {
            "type": "Adversarial",
            "category": draw.one(("Science", "Proverbs")),
            "question": draw.question(),
            "best_answer": right[0],
            "correct_answers": right,
            "incorrect_answers": wrong,
            "source": "https://example.org/made-up",
        }

    def targets(good: list[str]) -> dict[str, Any]:
        return {"choices": [*good, *wrong], "labels": [1] * len(good) + [0] * len(wrong)}

    return {"question": draw.question(), "mc1_targets": targets(right[:1]), "mc2_targets": targets(right)}


def _social(draw: Draw, _at: Place) -> Row:
    answers = [draw.opinion(True), draw.opinion(False), draw.sentence()]
    return {
        "context": draw.sentence(), "question": draw.question(), "answerA": answers[0], "answerB": answers[1],
        "answerC": answers[2], "label": draw.one("123"),
    }  # fmt: skip


def _sciq(draw: Draw, at: Place) -> Row:
    words = draw.some(("water", "light", "stone", "salt", "iron"), 4)
    return {
        "question": draw.question(), "distractor3": words[0], "distractor1": words[1], "distractor2": words[2],
        "correct_answer": words[3], "support": "" if at.index % 8 == 3 else draw.passage(draw.length(3)),
    }  # fmt: skip


def _race(draw: Draw, at: Place) -> Row:
    return {
        "example_id": f"{at.configuration}{at.index // 2}.txt",
        "article": draw.passage(draw.length(10)),
        "answer": draw.one("ABCD"),
        "question": draw.question() if at.index % 4 else "According to the passage,   _  .",
        "options": [draw.sentence() for _ in range(4)],
    }


def _texts(names: str, splits: tuple[str, ...], row: Callable[[Draw, Place], Row]) -> Configuration:
    return Configuration(dict.fromkeys(names.split(), TEXT), splits, row)


_PASSAGE = Groups({"text": TEXT, "answer_start": INT32})
_SQUAD = Configuration(
    {"id": TEXT, "title": TEXT, "context": TEXT, "question": TEXT, "answers": _PASSAGE}, _TWO, _squad
)


def _hotpot_qa(splits: tuple[str, ...]) -> Configuration:
    facts = Groups({"title": TEXT, "sent_id": INT32})
    context = Groups({"title": TEXT, "sentences": Many(TEXT)})
    texts = dict.fromkeys(("id", "question", "answer", "type", "level"), TEXT)
    return Configuration({**texts, "supporting_facts": facts, "context": context}, splits, _hotpot)


_LETTERED = Groups({"text": TEXT, "label": TEXT})
_ARC = Configuration({"id": TEXT, "question": TEXT, "choices": _LETTERED, "answerKey": TEXT}, _THREE, _arc)
_OPENBOOK: dict[str, Column] = {"id": TEXT, "question_stem": TEXT, "choices": _LETTERED, "answerKey": TEXT}
_SUBJECT = Configuration(
    {"question": TEXT, "subject": TEXT, "choices": Many(TEXT), "answer": Label(("A", "B", "C", "D"))},
    ("test", "validation", "dev"),
    _mmlu,
)
_TARGETS = Group({"choices": Many(TEXT), "labels": Many(INT32)})
_RACE = Configuration(
    {"example_id": TEXT, "article": TEXT, "answer": TEXT, "question": TEXT, "options": Many(TEXT)},
    ("test", "train", "validation"),
    _race,
)

SETS = (
    DataSet("rajpurkar/squad", {"plain_text": _SQUAD}, names=("squad",)),
    DataSet("rajpurkar/squad_v2", {"squad_v2": _SQUAD}, names=("squad_v2",)),
    DataSet(
        "hotpotqa/hotpot_qa", {"distractor": _hotpot_qa(_TWO), "fullwiki": _hotpot_qa(_THREE)}, names=("hotpot_qa",)
    ),
    DataSet(
        "google/boolq",
        {"default": Configuration({"question": TEXT, "answer": BOOL, "passage": TEXT}, _TWO, _boolq)},
        names=("boolq",),
    ),
    DataSet(
        "ybisk/piqa",
        {
            "plain_text": Configuration(
                {"goal": TEXT, "sol1": TEXT, "sol2": TEXT, "label": Label(("0", "1"))}, _MIXED, _piqa
            )
        },
        names=("piqa",),
    ),
    DataSet(
        "Rowan/hellaswag",
        {
            "default": Configuration(
                {
                    "ind": INT32,
                    "activity_label": TEXT,
                    "ctx_a": TEXT,
                    "ctx_b": TEXT,
                    "ctx": TEXT,
                    "endings": Many(TEXT),
                    "source_id": TEXT,
                    "split": TEXT,
                    "split_type": TEXT,
                    "label": TEXT,
                },
                _MIXED,
                _hellaswag,
            )
        },
        names=("hellaswag",),
    ),
    DataSet(
        "allenai/winogrande",
        {
            f"winogrande_{size}": _texts("sentence option1 option2 answer", _MIXED, _winogrande)
            for size in ("xs", "s", "m", "l", "xl", "debiased")
        },
        names=("winogrande",),
    ),
    DataSet("allenai/ai2_arc", {"ARC-Challenge": _ARC, "ARC-Easy": _ARC}, names=("ai2_arc",)),
    DataSet(
        "allenai/openbookqa",
        {
            "main": Configuration(_OPENBOOK, _THREE, _openbook),
            "additional": Configuration(
                {**_OPENBOOK, "fact1": TEXT, "humanScore": FLOAT32, "clarity": FLOAT32, "turkIdAnonymized": TEXT},
                _THREE,
                _openbook,
            ),
        },
        "main",
        ("openbookqa",),
    ),
    DataSet(
        "tau/commonsense_qa",
        {
            "default": Configuration(
                {
                    "id": TEXT,
                    "question": TEXT,
                    "question_concept": TEXT,
                    "choices": Groups({"label": TEXT, "text": TEXT}),
                    "answerKey": TEXT,
                },
                _THREE,
                _commonsense,
            )
        },
        names=("commonsense_qa",),
    ),
    DataSet("cais/mmlu", dict.fromkeys((*label_names.MMLU, "all"), _SUBJECT)),
    DataSet(
        "truthfulqa/truthful_qa",
        {
            "generation": Configuration(
                {
                    "type": TEXT,
                    "category": TEXT,
                    "question": TEXT,
                    "best_answer": TEXT,
                    "correct_answers": Many(TEXT),
                    "incorrect_answers": Many(TEXT),
                    "source": TEXT,
                },
                ("validation",),
                _truthful,
            ),
            "multiple_choice": Configuration(
                {"question": TEXT, "mc1_targets": _TARGETS, "mc2_targets": _TARGETS}, ("validation",), _truthful
            ),
        },
        names=("truthful_qa",),
    ),
    DataSet(
        "allenai/social_i_qa",
        {"default": _texts("context question answerA answerB answerC label", _TWO, _social)},
        names=("social_i_qa",),
    ),
    DataSet(
        "allenai/sciq",
        {
            "default": _texts(
                "question distractor3 distractor1 distractor2 correct_answer support",
                ("train", "validation", "test"),
                _sciq,
            )
        },
        names=("sciq",),
    ),
    DataSet("ehovy/race", {"all": _RACE, "high": _RACE, "middle": _RACE}, names=("race",)),
)
