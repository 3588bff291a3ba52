"""How the files of a folder form the configurations and splits of a data set.

The names follow the conventions of the `datasets` library: ``train``, ``validation`` (``valid``, ``dev``, ``val``) and
``test`` (``eval``) in the name of a file or of a folder around it, any name in front of ``-00000-of-00002`` of a shard,
and ``data/`` as a folder without meaning. On top of it, a sub-folder with any other name is a configuration.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from pathlib import PurePosixPath

from greenlight.rehearse.standins.hub.formats import ORDER, data_files, reader_of, stem

Splits = dict[str, list[str]]

_SPLIT_OF = {
    **dict.fromkeys(("train", "training"), "train"),
    **dict.fromkeys(("validation", "valid", "dev", "val"), "validation"),
    **dict.fromkeys(("test", "testing", "eval", "evaluation"), "test"),
}
_USUAL = ("train", "validation", "test")
_WORDS = re.compile(r"[-._ 0-9]+")
_SHARD = re.compile(r"(?P<name>.+)-\d{5}-of-(?P<total>\d{5})")
_SPLIT_NAME = re.compile(r"\w+(?:\.\w+)*", re.ASCII)


def _split_of_name(name: str) -> tuple[str | None, bool]:
    """Return the split a file's stem or a folder's name stands for, and whether it says nothing else."""
    shard = _SHARD.fullmatch(name)
    if shard and _SPLIT_NAME.fullmatch(shard["name"]):
        return shard["name"], True  # the library writes shards and means the name: MMLU has `dev` beside `validation`
    whole = (shard["name"] if shard else name).lower()
    if whole in _SPLIT_OF:
        return _SPLIT_OF[whole], True
    named = [_SPLIT_OF[word] for word in _WORDS.split(whole) if word in _SPLIT_OF]
    return (named[0], False) if named else (None, False)


def _splits(paths: Mapping[str, PurePosixPath]) -> Splits:
    """Sort files (path in the repository -> path inside the configuration) into splits.

    A file whose name is the split wins over one that only contains it, so that ``train_old.jsonl`` does not end up in
    the training set beside ``train.jsonl``. Where no name says a split, everything is ``train``, as the client has it.
    """
    exact: Splits = defaultdict(list)
    loose: Splits = defaultdict(list)
    for path, inner in paths.items():
        folders = [_split_of_name(folder) for folder in inner.parts[:-1]]
        split, whole = next(((name, whole) for name, whole in folders if name), _split_of_name(stem(path)))
        if split:
            (exact if whole else loose)[split].append(path)
    found = {**loose, **exact} or {"train": list(paths)}
    order = [split for split in _USUAL if split in found] + sorted(set(found) - set(_USUAL))
    return {split: found[split] for split in order}


def _one_format(splits: Splits) -> Splits:
    """Keep one format where a configuration holds every split in it; else leave all, for the client to refuse."""
    counts = Counter(reader_of(path) for paths in splits.values() for path in paths)
    complete = [
        reader
        for reader in ORDER
        if counts[reader] and all(any(reader_of(path) == reader for path in paths) for paths in splits.values())
    ]
    if not complete:
        return splits
    chosen = max(complete, key=lambda reader: counts[reader])
    return {split: [path for path in paths if reader_of(path) == chosen] for split, paths in splits.items()}


def configuration(paths: Iterable[str], prefix: str = "") -> Splits:
    """Return the splits of files that form one configuration.

    Parameters
    ----------
    paths
        Paths in the repository; those that are no data are left out.
    prefix
        The folder of the configuration, ``name/``, which every path begins with.
    """
    return _one_format(_splits({path: PurePosixPath(path.removeprefix(prefix)) for path in data_files(paths)}))


def configurations(paths: Iterable[str], known: Sequence[str] = ()) -> dict[str, Splits]:
    """Return configuration name -> split -> paths for a folder without a word about its configurations.

    Parameters
    ----------
    paths
        Paths in the repository; those that are no data are left out.
    known
        Names from the catalogue, the usual one first: it goes to the files at the top, another one to files that carry
        it in their name (``train_socratic.jsonl``). Without it, files at the top are ``default``.
    """
    groups: dict[str, dict[str, PurePosixPath]] = defaultdict(dict)
    top = known[0] if known else "default"
    for path in data_files(paths):
        inner = PurePosixPath(path.removeprefix("data/"))
        folder = inner.parts[0] if len(inner.parts) > 1 else None
        if folder is None or _split_of_name(folder)[0]:
            words = _WORDS.split(stem(path).lower())
            groups[next((name for name in known[1:] if name.lower() in words), top)][path] = inner
        else:
            groups[folder][path] = PurePosixPath(*inner.parts[1:])
    order = [name for name in known if name in groups] + sorted(set(groups) - set(known))
    return {name: _one_format(_splits(groups[name])) for name in order}
