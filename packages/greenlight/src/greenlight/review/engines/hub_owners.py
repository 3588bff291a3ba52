"""Data sets that once had no owner on the hub: who owns them now, and whether an experiment can still load the old id.

The hub redirects the old ids, but its client does not take them any more: from huggingface-hub 1.16 on a path of its
file system needs an owner, and datasets up to 5.2 builds such a path from the id that it is given (measured with
datasets 5.2.0 and huggingface-hub 2.4.0; the issue 8612 of datasets says the same of 5.0.1).
"""

from __future__ import annotations

from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name

from greenlight.review.engines.distributions import REQUIRES
from greenlight.review.engines.requirements import Requirements
from greenlight.review.subject import Subject

REFUSED_SINCE = "1.16"
"""The first huggingface-hub whose file system refuses an id without an owner."""
OWNERS = {
    "ag_news": "fancyzhx/ag_news",
    "ai2_arc": "allenai/ai2_arc",
    "amazon_polarity": "fancyzhx/amazon_polarity",
    "anli": "facebook/anli",
    "beans": "AI-Lab-Makerere/beans",
    "boolq": "google/boolq",
    "c4": "allenai/c4",
    "cifar10": "uoft-cs/cifar10",
    "cifar100": "uoft-cs/cifar100",
    "cnn_dailymail": "abisee/cnn_dailymail",
    "commonsense_qa": "tau/commonsense_qa",
    "dbpedia_14": "fancyzhx/dbpedia_14",
    "emotion": "dair-ai/emotion",
    "fashion_mnist": "zalando-datasets/fashion_mnist",
    "food101": "ethz/food101",
    "glue": "nyu-mll/glue",
    "gsm8k": "openai/gsm8k",
    "hellaswag": "Rowan/hellaswag",
    "imdb": "stanfordnlp/imdb",
    "mbpp": "google-research-datasets/mbpp",
    "mnist": "ylecun/mnist",
    "multi_nli": "nyu-mll/multi_nli",
    "openai_humaneval": "openai/openai_humaneval",
    "openbookqa": "allenai/openbookqa",
    "paws": "google-research-datasets/paws",
    "race": "ehovy/race",
    "rotten_tomatoes": "cornell-movie-review-data/rotten_tomatoes",
    "sciq": "allenai/sciq",
    "snli": "stanfordnlp/snli",
    "squad": "rajpurkar/squad",
    "squad_v2": "rajpurkar/squad_v2",
    "sst2": "stanfordnlp/sst2",
    "super_glue": "aps/super_glue",
    "trivia_qa": "mandarjoshi/trivia_qa",
    "truthful_qa": "truthfulqa/truthful_qa",
    "tweet_eval": "cardiffnlp/tweet_eval",
    "wikitext": "Salesforce/wikitext",
    "yelp_polarity": "fancyzhx/yelp_polarity",
    "yelp_review_full": "Yelp/yelp_review_full",
}
"""The old id of a data set and the one that the hub redirects it to."""
# What an installer takes where nothing is in its way.
_NEWEST = {"datasets": "5.2.0", "huggingface-hub": "2.4.0", "transformers": "5.23.0", "tokenizers": "0.23.3"}
# They require nothing of the client from above.
_OURS = frozenset({"greenlight", "graff", "technoise"})
_PYTHON = ("3.11.9", "3.12.5", "3.13.1")
# What these require of each other's releases is not known here, so a bound from above on one of them may hold back all.
_TIED = frozenset({*_NEWEST, *REQUIRES["datasets"], *REQUIRES["huggingface-hub"], *REQUIRES["transformers"]}) - {
    "numpy",
    "pandas",
}


def refuses_old_ids(subject: Subject) -> bool:
    """Return whether installing the experiment today surely gives a client that refuses ids without an owner."""
    requirements = subject.derived(Requirements)
    file = requirements.file
    if file is None or requirements.is_open or not {"datasets"} <= requirements.names <= REQUIRES.keys() | _OURS:
        return False
    settings, sources = file.get("tool", "uv", default={}), file.get("tool", "uv", "sources", default={})
    if subject.has("uv.lock") or not isinstance(settings, dict) or not isinstance(sources, dict):
        return False
    if settings.keys() & {"override-dependencies", "constraint-dependencies", "exclude-newer"}:
        return False
    if {canonicalize_name(str(name)) for name in sources} & _held_back():
        return False
    python = file.get("project", "requires-python")
    if isinstance(python, str) and not _admits_a_python(python):
        return False
    return all(
        entry.allowed is not None and (entry.name not in _held_back() or _is_open_above(entry.name, entry.allowed))
        for entry in requirements.entries
    )


def _held_back() -> frozenset[str]:
    """Return the distributions that come with a client of the hub, and what these come with."""
    bringing = {name for name, needs in REQUIRES.items() if {"huggingface-hub", "transformers", "datasets"} & {*needs}}
    return _TIED | bringing


def _is_open_above(name: str, allowed: SpecifierSet) -> bool:
    if name in _NEWEST:
        return allowed.contains(_NEWEST[name], prereleases=True)
    return all(one.operator in (">=", ">", "!=") for one in allowed)


def _admits_a_python(text: str) -> bool:
    try:
        allowed = SpecifierSet(text)
    except ValueError:
        return False
    return any(allowed.contains(version) for version in _PYTHON)
