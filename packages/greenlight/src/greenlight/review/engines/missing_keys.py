"""Keys that the code reads and no run has: what was meant by them, and where else that is told."""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Sequence

from greenlight.review.engines.config_events import Access, Defaulted
from greenlight.review.engines.config_flow import ConfigFlow
from greenlight.review.engines.config_values import dotted_key, leaves
from greenlight.review.yaml_file import KeyPath


def advice(flow: ConfigFlow, path: KeyPath, access: Access) -> str:
    """Return how to mend the read of a key that is missing: the key that is probably meant, or where to add it."""
    run = flow.subject.runs[flow.run_ids[0]]
    trees = [run.data, flow.subject.config.data if flow.subject.config else {}]
    every = {p[:n] for tree in trees for p, _ in leaves(tree) for n in range(1, len(p) + 1)}
    same = sorted(p for p in every if p[-1] == path[-1] and p != path)
    if len(same) == 1:
        return f"read {dotted_key(same[0])}, which {run.path} has"
    close = difflib.get_close_matches(path[-1], access.above, n=1, cutoff=0.7)
    if close:
        return f"read {dotted_key((*path[:-1], close[0]))}, or add {dotted_key(path)} to every run file"
    return f"add {dotted_key(path)} to config/config.yaml or to every run file"


def lacks_section(flow: ConfigFlow, section: str, accesses: Sequence[Access]) -> bool:
    """Return whether the runs that lack a key lack its whole section, which is told of the run file."""
    absent = set().union(*(a.absent or a.absent_guarded for a in accesses))
    sections = ("model", "dataset", "training")
    return section in sections and all(section not in flow.subject.runs[run].data for run in flow.runs_of(absent))


def misspelt_reads(flow: ConfigFlow) -> Iterator[tuple[Defaulted, KeyPath]]:
    """Yield each read with a default of a key that no run has, with the unread key of like name and equal value."""
    config = flow.subject.config
    for read in flow.defaulted.values():
        if len(read.path) < 2 or config is None or read.path[-1] in flow.written_words:
            continue
        siblings = config.get(*read.path[:-1], default={})
        for name, value in siblings.items() if isinstance(siblings, dict) else ():
            path, words = (*read.path[:-1], name), set(name.split("_"))
            alike = len(words & set(read.path[-1].split("_"))) >= 2
            unread = path not in flow.reads and not flow.is_read(path) and name not in flow.other_words
            if alike and unread and type(value) is type(read.default) and value == read.default:
                yield read, path
