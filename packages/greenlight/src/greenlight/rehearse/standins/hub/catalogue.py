"""Configuration names of well-known data sets, so that a flat folder answers to the name that scripts use.

A folder that somebody made from ``train.jsonl`` and ``test.jsonl`` has lost the name under which the data set is loaded
elsewhere: ``load_dataset("openai/gsm8k", "main")``. Listed are sets whose card names a configuration other than
``default`` (which every client accepts by itself), and of those only the ones where a folder without sub-folders can
mean just one. A set with many equal configurations (GLUE, MMLU) is not here: map each with ``ID:CONFIG=FOLDER``.
"""

from __future__ import annotations

# id -> names; the first is the one that a flat folder answers to, another one needs its own files.
_NAMES: dict[str, tuple[str, ...]] = {
    "openai/gsm8k": ("main", "socratic"),
    "openai/openai_humaneval": ("openai_humaneval",),
    "rajpurkar/squad": ("plain_text",),
    "rajpurkar/squad_v2": ("squad_v2",),
    "stanfordnlp/imdb": ("plain_text",),
    "uoft-cs/cifar10": ("plain_text",),
    "ylecun/mnist": ("mnist",),
}
# Names from before owners were mandatory; the public hub redirects them.
_FORMER = {
    "cifar10": "uoft-cs/cifar10",
    "gsm8k": "openai/gsm8k",
    "imdb": "stanfordnlp/imdb",
    "mnist": "ylecun/mnist",
    "openai_humaneval": "openai/openai_humaneval",
    "squad": "rajpurkar/squad",
    "squad_v2": "rajpurkar/squad_v2",
}


def configuration_names(dataset_id: str) -> tuple[str, ...]:
    """Return the known configuration names of a data set, the usual one first; empty where none is known."""
    return _NAMES.get(_FORMER.get(dataset_id, dataset_id), ())
