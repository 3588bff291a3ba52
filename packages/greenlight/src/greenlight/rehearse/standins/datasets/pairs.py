"""GLUE, SuperGLUE and sets for inference between two sentences."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from greenlight.rehearse.standins.datasets.schema import (
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

_USUAL = ("train", "validation", "test")
_ENTAILMENT = Label(("entailment", "neutral", "contradiction"))
_TWO = Label(("entailment", "not_entailment"))
_TRUTH = Label(("False", "True"))

_Texts = Callable[[Draw, int], Mapping[str, object]]


def _labelled(texts: _Texts, classes: int, *, numbered: bool = True) -> Callable[[Draw, Place], Row]:
    """Return what makes a row of texts, a label that a test split hides, and a number."""

    def row(draw: Draw, at: Place) -> Row:
        label = at.index % classes
        number = {"idx": at.index} if numbered else {}
        return {**texts(draw, label), **number, "label": HIDDEN if at.hidden else label}

    return row


def _glue(
    columns: Mapping[str, Column], label: Label, texts: _Texts, splits: tuple[str, ...] = _USUAL
) -> Configuration:
    return Configuration({**columns, "label": label, "idx": INT32}, splits, _labelled(texts, len(label.names)))


def _super(
    columns: Mapping[str, Column], label: Label, texts: _Texts, splits: tuple[str, ...] = _USUAL
) -> Configuration:
    return Configuration({**columns, "idx": INT32, "label": label}, splits, _labelled(texts, len(label.names)))


def _two(one: str, other: str) -> _Texts:
    """Return what makes two sentences: the same, of the same thing, or of another one, by the label."""

    def texts(draw: Draw, label: int) -> Mapping[str, object]:
        about = draw.subject()
        first = draw.sentence(about)
        second = first if label == 0 and draw.chance(0.2) else draw.sentence(about if label != 2 else draw.subject())
        return {one: first, other: second}

    return texts


def _two_questions(draw: Draw, label: int) -> Mapping[str, object]:
    about = draw.subject()
    return {"question1": draw.question(about), "question2": draw.question(about if label else draw.subject())}


def _answered(draw: Draw, label: int) -> Mapping[str, object]:
    about = draw.subject()
    return {"question": draw.question(about), "sentence": draw.sentence(draw.subject() if label else about)}


def _acceptable(draw: Draw, label: int) -> Mapping[str, object]:
    words = draw.sentence().removesuffix(".").split()
    return {"sentence": " ".join(words if label else draw.some(words, len(words))) + "."}


def _sentiment(draw: Draw, label: int) -> Mapping[str, object]:
    return {"sentence": draw.opinion(bool(label)).lower() + " "}  # the real rows end in a blank


def _similar(draw: Draw, at: Place) -> Row:
    about = draw.subject()
    return {
        "sentence1": draw.sentence(about),
        "sentence2": draw.sentence(about),
        "label": float(HIDDEN) if at.hidden else draw.number(0, 25) / 5,
        "idx": at.index,
    }


def _passage_question(draw: Draw, _label: int) -> Mapping[str, object]:
    about = draw.subject()
    return {"question": f"is {about} in {draw.one(('winter', 'June'))}", "passage": draw.passage(draw.length(4), about)}


def _cause(draw: Draw, label: int) -> Mapping[str, object]:
    about = draw.subject()
    choices = [draw.sentence(), draw.sentence(about)]
    return {
        "premise": draw.sentence(about),
        "choice1": choices[1 - label],
        "choice2": choices[label],
        "question": draw.one(("cause", "effect")),
    }


def _word(draw: Draw, _label: int) -> Mapping[str, object]:
    word = draw.one(("bank", "spring", "light"))
    sentences = [f"{draw.name()} saw the {word} again.", f"The {word} near {draw.name()}'s house is old."]
    starts = [sentence.index(word) for sentence in sentences]
    ends = [start + len(word) for start in starts]
    return {
        "word": word, "sentence1": sentences[0], "sentence2": sentences[1],
        "start1": starts[0], "start2": starts[1], "end1": ends[0], "end2": ends[1],
    }  # fmt: skip


def _pronoun(draw: Draw, _label: int) -> Mapping[str, object]:
    name, other = draw.some(("Ada", "Boris", "Dana", "Ivo"), 2)
    text = f"{name} thanked {other} because the gift had pleased them ."
    return {"text": text, "span1_index": 0, "span2_index": 8, "span1_text": name, "span2_text": "them"}


def _many_answers(draw: Draw, at: Place) -> Row:
    about = draw.subject()
    return {
        "paragraph": draw.passage(draw.length(6), about),
        "question": draw.question(about),
        "answer": draw.sentence(about),
        "idx": {"paragraph": at.index // 4, "question": at.index // 2, "answer": at.index},
        "label": HIDDEN if at.hidden else at.index % 2,
    }


def _record(draw: Draw, at: Place) -> Row:
    name, other = draw.some(("Ada", "Boris", "Dana", "Ivo"), 2)
    text = f"{name} met {other}. {draw.passage(draw.length(4))}\n@highlight\n{draw.sentence()}"
    spans = [(entity, text.index(entity)) for entity in (name, other)]
    return {
        "passage": text,
        "query": f"@placeholder said that {draw.sentence()}",
        "entities": [name, other],
        "entity_spans": {
            "text": [entity for entity, _ in spans],
            "start": [start for _, start in spans],
            "end": [start + len(entity) for entity, start in spans],
        },
        "answers": [] if at.hidden else [name],
        "idx": {"passage": at.index // 2, "query": at.index},
    }


def _unlabelled(draw: Draw, at: Place) -> Row:
    row = _two("premise", "hypothesis")(draw, at.index % 3)
    # One row in sixteen has no label that the annotators agreed on.
    return {**row, "label": HIDDEN if at.index % 16 == 15 else at.index % 3}


def _multi(draw: Draw, at: Place) -> Row:
    row = _two("premise", "hypothesis")(draw, at.index % 3)
    parsed = {f"{name}_{form}": f"( {row[name]} )" for name in row for form in ("binary_parse", "parse")}
    genre = draw.one(("government", "telephone", "fiction", "travel"))
    return {
        "promptID": 1000 + at.index, "pairID": f"{1000 + at.index}e", **row, **parsed, "genre": genre,
        "label": at.index % 3,
    }  # fmt: skip


def _adversarial(draw: Draw, at: Place) -> Row:
    row = _two("premise", "hypothesis")(draw, at.index % 3)
    reason = draw.sentence() if draw.chance(0.5) else ""
    return {"uid": f"{at.split}-{at.index}", **row, "label": at.index % 3, "reason": reason}


_PAIR = {"sentence1": TEXT, "sentence2": TEXT}
_PREMISE = {"premise": TEXT, "hypothesis": TEXT}
_MNLI = _two("premise", "hypothesis")
_SPAN = {"text": TEXT, "span1_index": INT32, "span2_index": INT32, "span1_text": TEXT, "span2_text": TEXT}
_FIVE = ("train", "validation_matched", "validation_mismatched", "test_matched", "test_mismatched")

_GLUE = DataSet(
    "nyu-mll/glue",
    {
        "ax": _glue(_PREMISE, _ENTAILMENT, _MNLI, ("test",)),
        "cola": _glue({"sentence": TEXT}, Label(("unacceptable", "acceptable")), _acceptable),
        "mnli": _glue(_PREMISE, _ENTAILMENT, _MNLI, _FIVE),
        "mnli_matched": _glue(_PREMISE, _ENTAILMENT, _MNLI, ("validation", "test")),
        "mnli_mismatched": _glue(_PREMISE, _ENTAILMENT, _MNLI, ("validation", "test")),
        "mrpc": _glue(_PAIR, Label(("not_equivalent", "equivalent")), _two(*_PAIR)),
        "qnli": _glue({"question": TEXT, "sentence": TEXT}, _TWO, _answered),
        "qqp": _glue({"question1": TEXT, "question2": TEXT}, Label(("not_duplicate", "duplicate")), _two_questions),
        "rte": _glue(_PAIR, _TWO, _two(*_PAIR)),
        "sst2": _glue({"sentence": TEXT}, Label(("negative", "positive")), _sentiment),
        "stsb": Configuration({**_PAIR, "label": FLOAT32, "idx": INT32}, _USUAL, _similar),
        "wnli": _glue(_PAIR, Label(("not_entailment", "entailment")), _two(*_PAIR)),
    },
    names=("glue",),
)
_SUPER_GLUE = DataSet(
    "aps/super_glue",
    {
        "boolq": _super({"question": TEXT, "passage": TEXT}, _TRUTH, _passage_question),
        "cb": _super(_PREMISE, Label(("entailment", "contradiction", "neutral")), _MNLI),
        "copa": _super(
            {"premise": TEXT, "choice1": TEXT, "choice2": TEXT, "question": TEXT}, Label(("choice1", "choice2")), _cause
        ),
        "multirc": Configuration(
            {
                "paragraph": TEXT,
                "question": TEXT,
                "answer": TEXT,
                "idx": Group({"paragraph": INT32, "question": INT32, "answer": INT32}),
                "label": _TRUTH,
            },
            _USUAL,
            _many_answers,
        ),
        "record": Configuration(
            {
                "passage": TEXT,
                "query": TEXT,
                "entities": Many(TEXT),
                "entity_spans": Groups({"text": TEXT, "start": INT32, "end": INT32}),
                "answers": Many(TEXT),
                "idx": Group({"passage": INT32, "query": INT32}),
            },
            _USUAL,
            _record,
        ),
        "rte": _super(_PREMISE, _TWO, _MNLI),
        "wic": _super(
            {
                "word": TEXT,
                "sentence1": TEXT,
                "sentence2": TEXT,
                "start1": INT32,
                "start2": INT32,
                "end1": INT32,
                "end2": INT32,
            },
            _TRUTH,
            _word,
        ),
        "wsc": _super(_SPAN, _TRUTH, _pronoun),
        "wsc.fixed": _super(_SPAN, _TRUTH, _pronoun),
        "axb": _super(_PAIR, _TWO, _two(*_PAIR), ("test",)),
        "axg": _super(_PREMISE, _TWO, _MNLI, ("test",)),
    },
    names=("super_glue",),
)
_PARSES = dict.fromkeys(
    ("premise", "premise_binary_parse", "premise_parse", "hypothesis", "hypothesis_binary_parse"), TEXT
)
_ROUNDS = tuple(f"{split}_r{number}" for number in (1, 2, 3) for split in ("train", "dev", "test"))

SETS = (
    _GLUE,
    _SUPER_GLUE,
    DataSet(
        "stanfordnlp/snli",
        {"plain_text": Configuration({**_PREMISE, "label": _ENTAILMENT}, ("test", "validation", "train"), _unlabelled)},
        names=("snli",),
    ),
    DataSet(
        "nyu-mll/multi_nli",
        {
            "default": Configuration(
                {
                    "promptID": INT32,
                    "pairID": TEXT,
                    **_PARSES,
                    "hypothesis_parse": TEXT,
                    "genre": TEXT,
                    "label": _ENTAILMENT,
                },
                ("train", "validation_matched", "validation_mismatched"),
                _multi,
            )
        },
        names=("multi_nli",),
    ),
    DataSet(
        "facebook/anli",
        {
            "plain_text": Configuration(
                {"uid": TEXT, **_PREMISE, "label": _ENTAILMENT, "reason": TEXT}, _ROUNDS, _adversarial
            )
        },
        names=("anli",),
    ),
)
