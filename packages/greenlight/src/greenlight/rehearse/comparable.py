"""Which runs of an experiment can be compared with each other: those on the same data under the same budget."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import yaml

from greenlight.rehearse.shrinking import leaves_of, shrinking_of

_DATA = ("dataset", "datasets", "data")


def groups(run_files: Mapping[str, bytes], run_ids: Sequence[str]) -> list[tuple[str, ...]]:
    """Return runs by what they are trained and tested on, and by their budget, in the order of their first runs.

    Parameters
    ----------
    run_files
        The content of each run's file by run id; what cannot be read is one group.
    run_ids
        The runs.

    Examples
    --------
    >>> groups({"a": b"dataset: x", "b": b"dataset: y", "c": b"dataset: x"}, ["a", "b", "c"])
    [('a', 'c'), ('b',)]
    """
    found: dict[str, list[str]] = {}
    for run_id in run_ids:
        found.setdefault(_key(run_files.get(run_id, b"")), []).append(run_id)
    return [tuple(group) for group in found.values()]


def _key(content: bytes) -> str:
    try:
        read = yaml.safe_load(content)
    except (yaml.YAMLError, ValueError, RecursionError):
        return ""
    if not isinstance(read, Mapping):
        return ""
    leaves: Iterable[tuple[tuple[str, ...], Any]] = leaves_of(read)
    return json.dumps([{k: read.get(k) for k in _DATA}, shrinking_of(leaves, 1).step_s], sort_keys=True, default=str)
