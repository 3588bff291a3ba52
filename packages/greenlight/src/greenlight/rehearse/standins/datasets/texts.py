"""Sets of running text, of summaries and of translations."""

from __future__ import annotations

from collections.abc import Callable

from greenlight.rehearse.standins.datasets import phrases
from greenlight.rehearse.standins.datasets.schema import TEXT, Configuration, DataSet, Place, Row, Translation
from greenlight.rehearse.standins.datasets.sentences import Draw

_TRAIN = ("train",)
_TWO = ("train", "validation")
_THREE = ("train", "validation", "test")
_WMT14 = ("cs", "de", "fr", "hi", "ru")
_WMT16 = ("cs", "de", "fi", "ro", "ru", "tr")


def _wiki(draw: Draw, at: Place) -> Row:
    if at.index % 4 == 0:
        return {"text": ""}  # every second or third line of the real one is empty
    if at.index % 4 == 1:
        return {"text": f" = {draw.subject().title()} = \n"}
    text = draw.passage(draw.length(5)).replace(".", " .").replace(",", " ,")
    if not at.configuration.endswith("raw-v1"):
        text = text.replace("é", "<unk>").replace("ü", "<unk>")
    return {"text": f" {text} \n"}


def _penn(draw: Draw, _at: Place) -> Row:
    words = draw.sentence().lower().rstrip(".").replace(",", "").split()
    return {"sentence": " ".join("N" if word.isdigit() else word if word.isascii() else "<unk>" for word in words)}


def _page(draw: Draw, at: Place) -> Row:
    text = "\n".join(draw.passage(draw.length(4)) for _ in range(draw.number(1, 4)))
    stamp = f"2019-04-{draw.number(10, 28)}T{draw.number(10, 20)}:57:54Z"
    return {"text": text, "timestamp": stamp, "url": f"https://example.org/{at.index}"}


def _running(usual: int) -> Callable[[Draw, Place], Row]:
    def row(draw: Draw, _at: Place) -> Row:
        return {"text": draw.passage(draw.length(usual))}

    return row


def _lower(draw: Draw, _at: Place) -> Row:
    return {"text": draw.sentence().lower().replace(".", " .")}


def _summary(document: str, summary: str, usual: int, identified: bool) -> Callable[[Draw, Place], Row]:
    def row(draw: Draw, at: Place) -> Row:
        about = draw.subject()
        text = "" if usual < 20 and at.index % 31 == 30 else draw.passage(draw.length(usual), about)
        row = {document: text, summary: draw.sentence(about)}
        return {**row, "id": f"{at.index:08x}"} if identified else row

    return row


def _dialogue(draw: Draw, at: Place) -> Row:
    one, other = draw.some(phrases.NAMES, 2)
    about = draw.subject()
    turns = [f"{(one, other)[place % 2]}: {draw.sentence(about)}" for place in range(draw.length(5))]
    if at.index % 31 == 30:
        turns = []  # one real dialogue is empty
    return {
        "id": str(13800000 + at.index),
        "dialogue": "\r\n".join(turns),
        "summary": f"{one} tells {other} about {about}.",
    }


def _translation(draw: Draw, at: Place) -> Row:
    language = at.configuration.split("-")[0]
    about, fact = draw.one(tuple(phrases.GERMAN)), draw.one(tuple(phrases.GERMAN_FACTS))
    english = f"{about[0].upper()}{about[1:]} {fact}."
    other = f"{phrases.GERMAN[about]} {phrases.GERMAN_FACTS[fact]}."
    return {"translation": {language: other[0].upper() + other[1:], "en": english}}


def _pairs(languages: tuple[str, ...]) -> dict[str, Configuration]:
    return {
        f"{code}-en": Configuration({"translation": Translation((code, "en"))}, _THREE, _translation)
        for code in languages
    }


_PLAIN = {"text": TEXT}
_WIKI = Configuration(_PLAIN, ("test", "train", "validation"), _wiki)
_PAGE = Configuration({"text": TEXT, "timestamp": TEXT, "url": TEXT}, _TWO, _page)
_NEWS = Configuration(
    {"article": TEXT, "highlights": TEXT, "id": TEXT}, _THREE, _summary("article", "highlights", 25, identified=True)
)

SETS = (
    DataSet(
        "Salesforce/wikitext",
        {f"wikitext-{size}{raw}-v1": _WIKI for size in ("103", "2") for raw in ("-raw", "")},
        names=("wikitext",),
    ),
    DataSet(
        "ptb-text-only/ptb_text_only",
        {"penn_treebank": Configuration({"sentence": TEXT}, ("train", "test", "validation"), _penn)},
        names=("ptb_text_only",),
    ),
    DataSet("allenai/c4", dict.fromkeys(("en", "en.noblocklist", "en.noclean", "realnewslike"), _PAGE)),
    DataSet(
        "Skylion007/openwebtext", {"plain_text": Configuration(_PLAIN, _TRAIN, _running(12))}, names=("openwebtext",)
    ),
    DataSet("bookcorpus/bookcorpus", {"plain_text": Configuration(_PLAIN, _TRAIN, _lower)}, names=("bookcorpus",)),
    DataSet("roneneldan/TinyStories", {"default": Configuration(_PLAIN, _TWO, _running(6))}),
    DataSet(
        "Samsung/samsum",
        {
            "samsum": Configuration(
                {"id": TEXT, "dialogue": TEXT, "summary": TEXT}, ("train", "test", "validation"), _dialogue
            )
        },
        names=("samsum",),
    ),
    DataSet(
        "knkarthick/samsum",
        {"default": Configuration({"id": TEXT, "dialogue": TEXT, "summary": TEXT}, _THREE, _dialogue)},
    ),
    DataSet("abisee/cnn_dailymail", dict.fromkeys(("1.0.0", "2.0.0", "3.0.0"), _NEWS), names=("cnn_dailymail",)),
    DataSet(
        "EdinburghNLP/xsum",
        {
            "default": Configuration(
                {"document": TEXT, "summary": TEXT, "id": TEXT},
                _THREE,
                _summary("document", "summary", 12, identified=True),
            )
        },
        names=("xsum",),
    ),
    DataSet(
        "alexfabbri/multi_news",
        {
            "default": Configuration(
                {"document": TEXT, "summary": TEXT}, _THREE, _summary("document", "summary", 40, identified=False)
            )
        },
        names=("multi_news",),
    ),
    DataSet("wmt/wmt14", _pairs(_WMT14), names=("wmt14",)),
    DataSet("wmt/wmt16", _pairs(_WMT16), names=("wmt16",)),
)
