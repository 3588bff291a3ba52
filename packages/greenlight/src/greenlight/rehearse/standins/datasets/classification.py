"""Sets that give a text, or each of its words, a class."""

from __future__ import annotations

from collections.abc import Callable

from greenlight.rehearse.standins.datasets import label_names
from greenlight.rehearse.standins.datasets.schema import (
    HIDDEN,
    INT32,
    TEXT,
    Column,
    Configuration,
    DataSet,
    Label,
    Many,
    Place,
    Row,
)
from greenlight.rehearse.standins.datasets.sentences import Draw

_TEST = ("train", "test")
_THREE = ("train", "validation", "test")
_SIGNS = Label(("negative", "positive"))
_SUBJECTS = ("an election", "a football match", "the market", "a telescope")
_DBPEDIA = Label(
    ("Company", "EducationalInstitution", "Artist", "Athlete", "OfficeHolder", "MeanOfTransportation", "Building",
     "NaturalPlace", "Village", "Animal", "Plant", "Album", "Film", "WrittenWork")
)  # fmt: skip


def _reviews(usual: int, classes: int = 2) -> Callable[[Draw, Place], Row]:
    """Return what makes reviews of about `usual` sentences; labels are in order, as in the real files."""

    def row(draw: Draw, at: Place) -> Row:
        count = 64 if at.split.startswith("train") else 32
        label = at.index * classes // count
        text = draw.review(label >= classes / 2, usual)
        if draw.chance(0.2):
            text = text.replace(". ", ".<br /><br />", 1)
        return {"text": text, "label": HIDDEN if at.split == "unsupervised" else label}

    return row


def _sst2(draw: Draw, at: Place) -> Row:
    label = at.index % 2
    return {
        "idx": at.index,
        "sentence": draw.opinion(bool(label)).lower() + " ",
        "label": HIDDEN if at.hidden else label,
    }


def _about(classes: int) -> Callable[[Draw, Place], Row]:
    def row(draw: Draw, _at: Place) -> Row:
        label = draw.number(0, classes - 1)
        return {"text": draw.passage(draw.length(2), _SUBJECTS[label % len(_SUBJECTS)]), "label": label}

    return row


def _short(classes: int) -> Callable[[Draw, Place], Row]:
    def row(draw: Draw, _at: Place) -> Row:
        label = draw.number(0, classes - 1)
        return {"text": draw.opinion(label % 2 == 1).lower().rstrip(".!"), "label": label}

    return row


def _titled(classes: int) -> Callable[[Draw, Place], Row]:
    def row(draw: Draw, at: Place) -> Row:
        label = at.index % classes
        title = "" if at.index % 16 == 7 else draw.opinion(label % 2 == 1).rstrip(".!")
        return {"label": label, "title": title, "content": " " + draw.review(label % 2 == 1, 4)}

    return row


def _trec(draw: Draw, _at: Place) -> Row:
    fine = draw.number(0, 49)
    coarse = ("ABBR", "ENTY", "DESC", "HUM", "LOC", "NUM").index(label_names.TREC_FINE[fine].split(":")[0])
    return {"text": draw.question().replace("?", " ?"), "coarse_label": coarse, "fine_label": fine}


def _tweet(classes: int) -> Callable[[Draw, Place], Row]:
    def row(draw: Draw, _at: Place) -> Row:
        label = draw.number(0, classes - 1)
        return {"text": f"@user {draw.opinion(label == classes - 1)} #{draw.one(('now', 'news'))} 😂", "label": label}

    return row


def _entities(draw: Draw, at: Place) -> Row:
    tags = label_names.PARTS_OF_SPEECH
    name, place, firm = draw.name(), draw.one(("Oslo", "Lima", "Graz")), draw.one(("Northwind", "Lumen"))
    words = [(name, "NNP", "B-NP", 1), ("joined", "VBD", "B-VP", 0), (firm, "NNP", "B-NP", 3), ("in", "IN", "B-PP", 0),
             (place, "NNP", "B-NP", 5), (".", ".", "O", 0)]  # fmt: skip
    if at.index % 16 == 0:
        words = [("-DOCSTART-", "NN", "O", 0)]
    elif at.index % 16 == 5:
        words *= 40
    return {
        "id": str(at.index),
        "tokens": [word for word, *_ in words],
        "pos_tags": [tags.index(tag) for _, tag, *_ in words],
        "chunk_tags": [label_names.CHUNKS.index(tag) for _, _, tag, _ in words],
        "ner_tags": [tag for *_, tag in words],
    }


def _texts(label: Label, splits: tuple[str, ...], row: Callable[[Draw, Place], Row]) -> Configuration:
    return Configuration({"text": TEXT, "label": label}, splits, row)


def _tweets(*names: str) -> Configuration:
    return _texts(Label(names), ("train", "test", "validation"), _tweet(len(names)))


_EMOJI = [
    "❤",
    "😍",
    "😂",
    "💕",
    "🔥",
    "😊",
    "😎",
    "✨",
    "💙",
    "😘",
    "📷",
    "🇺🇸",
    "☀",
    "💜",
    "😉",
    "💯",
    "😁",
    "🎄",
    "📸",
    "😜",
]
_TITLED: dict[str, Column] = {"title": TEXT, "content": TEXT}
_ENTITIES = Label(("O", "B-PER", "I-PER", "B-ORG", "I-ORG", "B-LOC", "I-LOC", "B-MISC", "I-MISC"))
_EMOTIONS = Label(("sadness", "joy", "love", "anger", "fear", "surprise"))
_STARS = Label(("1 star", "2 star", "3 stars", "4 stars", "5 stars"))

SETS = (
    DataSet(
        "stanfordnlp/sst2",
        {"default": Configuration({"idx": INT32, "sentence": TEXT, "label": _SIGNS}, _THREE, _sst2)},
        names=("sst2",),
    ),
    DataSet(
        "stanfordnlp/imdb",
        {"plain_text": _texts(Label(("neg", "pos")), ("train", "test", "unsupervised"), _reviews(8))},
        names=("imdb",),
    ),
    DataSet(
        "cornell-movie-review-data/rotten_tomatoes",
        {"default": _texts(Label(("neg", "pos")), _THREE, _reviews(1))},
        names=("rotten_tomatoes",),
    ),
    DataSet(
        "fancyzhx/ag_news",
        {"default": _texts(Label(("World", "Sports", "Business", "Sci/Tech")), _TEST, _about(4))},
        names=("ag_news",),
    ),
    DataSet(
        "fancyzhx/yelp_polarity",
        {"plain_text": _texts(Label(("1", "2")), _TEST, _reviews(5))},
        names=("yelp_polarity",),
    ),
    DataSet(
        "Yelp/yelp_review_full",
        {"yelp_review_full": Configuration({"label": _STARS, "text": TEXT}, _TEST, _reviews(5, 5))},
        names=("yelp_review_full",),
    ),
    DataSet(
        "fancyzhx/amazon_polarity",
        {"amazon_polarity": Configuration({"label": _SIGNS, **_TITLED}, _TEST, _titled(2))},
        names=("amazon_polarity",),
    ),
    DataSet(
        "fancyzhx/dbpedia_14",
        {"dbpedia_14": Configuration({"label": _DBPEDIA, **_TITLED}, _TEST, _titled(14))},
        names=("dbpedia_14",),
    ),
    DataSet(
        "dair-ai/emotion",
        {"split": _texts(_EMOTIONS, _THREE, _short(6)), "unsplit": _texts(_EMOTIONS, ("train",), _short(6))},
        "split",
        ("emotion",),
    ),
    DataSet(
        "CogComp/trec",
        {
            "default": Configuration(
                {
                    "text": TEXT,
                    "coarse_label": Label(("ABBR", "ENTY", "DESC", "HUM", "LOC", "NUM")),
                    "fine_label": Label(label_names.TREC_FINE),
                },
                _TEST,
                _trec,
            )
        },
        names=("trec",),
    ),
    DataSet(
        "cardiffnlp/tweet_eval",
        {
            "emoji": _tweets(*_EMOJI),
            "emotion": _tweets("anger", "joy", "optimism", "sadness"),
            "hate": _tweets("non-hate", "hate"),
            "irony": _tweets("non_irony", "irony"),
            "offensive": _tweets("non-offensive", "offensive"),
            "sentiment": _tweets("negative", "neutral", "positive"),
            **{
                f"stance_{topic}": _tweets("none", "against", "favor")
                for topic in ("abortion", "atheism", "climate", "feminist", "hillary")
            },
        },
        names=("tweet_eval",),
    ),
    DataSet(
        "eriktks/conll2003",
        {
            "conll2003": Configuration(
                {
                    "id": TEXT,
                    "tokens": Many(TEXT),
                    "pos_tags": Many(Label(label_names.PARTS_OF_SPEECH)),
                    "chunk_tags": Many(Label(label_names.CHUNKS)),
                    "ner_tags": Many(_ENTITIES),
                },
                _THREE,
                _entities,
            )
        },
        names=("conll2003",),
    ),
)
