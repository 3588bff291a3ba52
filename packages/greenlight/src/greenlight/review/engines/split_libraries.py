"""What functions of libraries do with data: which read it, which divide it, which hand it on as it is."""

from __future__ import annotations


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


NO_SOURCES = (
    "torch.", "transformers.", "peft.", "time.", "math.", "random.", "numpy.", "functools.", "itertools.", "copy.",
    "optuna.", "omegaconf.", "hydra.", "pathlib.", "tqdm.", "collections.", "re.", "sklearn.metrics.", "accelerate.",
    "wandb.", "logging.", "torchvision.", "scipy.", "pandas.", "src.", "os.path.", "statistics.", "evaluate.",
    "contextlib.", "typing.", "dataclasses.",
)  # fmt: skip
"""Libraries whose functions read no data, but for those of `READS`: what they give comes from what they are given."""
READS = ("load", "read", "open", "memmap", "genfromtxt", "fromfile", "hub", "snapshot", "Api")
"""What the names of functions begin with that read data from files or the network."""
DIVIDES = _words("train_test_split random_split Subset skip shard filter KFold StratifiedKFold")
"""Functions that give a part of the data, so that another part may be for another purpose."""
SAME = _words("list tuple sorted dict reversed iter tqdm deepcopy copy next asdict cycle")
"""Functions that give what they are given first, in another container."""
KEEPS_SPLITS = _words(
    "map shuffle remove_columns rename_column rename_columns select_columns with_format set_format with_transform "
    "cast cast_column add_column flatten_indices sort class_encode_column"
)
"""Methods of data sets after which the rows are as they were divided before."""
NUMBERS = _words("len range isinstance print hasattr type id max_memory_allocated")
"""Functions whose result says nothing about what stands in the data."""
FACTS = _words("shape device dtype num_rows column_names features training config")
"""Attributes that say nothing about what stands in the data."""
BUILTINS = _words(
    "abs all any bool bytes divmod enumerate filter float format frozenset getattr int map max min next pow repr "
    "reversed round set slice sorted str sum tuple list dict zip iter super vars"
)
TRAIN_FLAG = {True: "train", False: "test"}
"""The split that ``train=`` of torchvision's data sets means."""
