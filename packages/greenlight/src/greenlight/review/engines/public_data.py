"""What is known for sure about public data sets: their configurations, splits and columns.

A data set stands here only with what its page on the hub states; what is uncertain is left out, so that a rule that
reads this can trust every entry.
"""

from __future__ import annotations

from dataclasses import dataclass

_ALIASES = {
    "gsm8k": "openai/gsm8k",
    "nyu-mll/glue": "glue",
    "aps/super_glue": "super_glue",
    "Salesforce/wikitext": "wikitext",
    "abisee/cnn_dailymail": "cnn_dailymail",
    "ai2_arc": "allenai/ai2_arc",
    "stanfordnlp/imdb": "imdb",
    "fancyzhx/ag_news": "ag_news",
    "rajpurkar/squad": "squad",
    "fancyzhx/yelp_polarity": "yelp_polarity",
    "fancyzhx/dbpedia_14": "dbpedia_14",
    "stanfordnlp/sst2": "sst2",
    "ylecun/mnist": "mnist",
    "uoft-cs/cifar10": "cifar10",
    "uoft-cs/cifar100": "cifar100",
    "EdinburghNLP/xsum": "xsum",
    "google/boolq": "boolq",
    "ehovy/race": "race",
    "hotpotqa/hotpot_qa": "hotpot_qa",
}


@dataclass(frozen=True)
class PublicData:
    """One data set, or one configuration of it.

    Attributes
    ----------
    name
        The name used here.
    configurations
        Those one of which has to be named; empty where none is needed or that is not known.
    splits
        All its splits; empty where not known.
    columns
        All its columns, in order; empty where not known.
    texts
        Those columns that hold text.
    """

    name: str
    configurations: tuple[str, ...] = ()
    splits: tuple[str, ...] = ()
    columns: tuple[str, ...] = ()
    texts: frozenset[str] = frozenset()


_TRAIN_TEST = ("train", "test")
_THREE = ("train", "validation", "test")
_PAIR = frozenset({"sentence1", "sentence2"})

_SETS: tuple[PublicData, ...] = (
    PublicData(
        "openai/gsm8k", ("main", "socratic"), _TRAIN_TEST, ("question", "answer"), frozenset({"question", "answer"})
    ),
    PublicData(
        "glue",
        ("cola", "sst2", "mrpc", "qqp", "stsb", "mnli", "mnli_mismatched", "mnli_matched", "qnli", "rte", "wnli", "ax"),
    ),
    PublicData("glue/sst2", (), _THREE, ("sentence", "label", "idx"), frozenset({"sentence"})),
    PublicData("glue/cola", (), _THREE, ("sentence", "label", "idx"), frozenset({"sentence"})),
    PublicData("glue/mrpc", (), _THREE, ("sentence1", "sentence2", "label", "idx"), _PAIR),
    PublicData("glue/rte", (), _THREE, ("sentence1", "sentence2", "label", "idx"), _PAIR),
    PublicData("glue/wnli", (), _THREE, ("sentence1", "sentence2", "label", "idx"), _PAIR),
    PublicData("glue/stsb", (), _THREE, ("sentence1", "sentence2", "label", "idx"), _PAIR),
    PublicData("glue/qnli", (), _THREE, ("question", "sentence", "label", "idx"), frozenset({"question", "sentence"})),
    PublicData(
        "glue/qqp", (), _THREE, ("question1", "question2", "label", "idx"), frozenset({"question1", "question2"})
    ),
    PublicData(
        "glue/mnli",
        (),
        ("train", "validation_matched", "validation_mismatched", "test_matched", "test_mismatched"),
        ("premise", "hypothesis", "label", "idx"),
        frozenset({"premise", "hypothesis"}),
    ),
    PublicData(
        "super_glue",
        ("boolq", "cb", "copa", "multirc", "record", "rte", "wic", "wsc", "wsc.fixed", "axb", "axg"),
    ),
    PublicData(
        "super_glue/boolq", (), _THREE, ("question", "passage", "idx", "label"), frozenset({"question", "passage"})
    ),
    PublicData(
        "wikitext",
        ("wikitext-103-raw-v1", "wikitext-103-v1", "wikitext-2-raw-v1", "wikitext-2-v1"),
        _THREE,
        ("text",),
        frozenset({"text"}),
    ),
    PublicData(
        "cnn_dailymail",
        ("1.0.0", "2.0.0", "3.0.0"),
        _THREE,
        ("article", "highlights", "id"),
        frozenset({"article", "highlights", "id"}),
    ),
    PublicData(
        "allenai/ai2_arc",
        ("ARC-Challenge", "ARC-Easy"),
        _THREE,
        ("id", "question", "choices", "answerKey"),
        frozenset({"id", "question", "answerKey"}),
    ),
    PublicData("race", ("all", "high", "middle"), _THREE),
    PublicData("hotpot_qa", ("distractor", "fullwiki")),
    PublicData("imdb", (), ("train", "test", "unsupervised"), ("text", "label"), frozenset({"text"})),
    PublicData("ag_news", (), _TRAIN_TEST, ("text", "label"), frozenset({"text"})),
    PublicData("yelp_polarity", (), _TRAIN_TEST, ("text", "label"), frozenset({"text"})),
    PublicData("dbpedia_14", (), _TRAIN_TEST, ("label", "title", "content"), frozenset({"title", "content"})),
    PublicData("sst2", (), _THREE, ("idx", "sentence", "label"), frozenset({"sentence"})),
    PublicData(
        "squad",
        (),
        ("train", "validation"),
        ("id", "title", "context", "question", "answers"),
        frozenset({"id", "title", "context", "question"}),
    ),
    PublicData("mnist", (), _TRAIN_TEST, ("image", "label")),
    PublicData("cifar10", (), _TRAIN_TEST, ("img", "label")),
    PublicData("cifar100", (), _TRAIN_TEST, ("img", "fine_label", "coarse_label")),
    PublicData("xsum", (), _THREE, ("document", "summary", "id"), frozenset({"document", "summary", "id"})),
    PublicData(
        "boolq", (), ("train", "validation"), ("question", "answer", "passage"), frozenset({"question", "passage"})
    ),
)
_BY_NAME = {known.name: known for known in _SETS}


def public_data(name: str, configuration: str | None = None) -> PublicData | None:
    """Return what is known of a data set by its name on the hub, or of one configuration; None where nothing is.

    Examples
    --------
    >>> public_data("gsm8k").configurations
    ('main', 'socratic')
    >>> public_data("glue", "sst2").columns
    ('sentence', 'label', 'idx')
    """
    known = _ALIASES.get(name, name)
    if configuration is not None and f"{known}/{configuration}" in _BY_NAME:
        return _BY_NAME[f"{known}/{configuration}"]
    return _BY_NAME.get(known)
