"""What an operator is, and the small changes that operators are made of."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TypeAlias

Files: TypeAlias = Mapping[str, str]
"""An experiment as text by path."""
Change: TypeAlias = Callable[[Files], dict[str, str]]
"""Makes the changed files of an experiment, or raises `NotThere`."""
Choice: TypeAlias = tuple[str, str]
"""A snippet and what takes its place."""


class NotThere(Exception):  # noqa: N818 - a state, not a failure
    """Raised where an experiment does not have what an operator changes; the message says what."""


@dataclass(frozen=True)
class Operator:
    """One defect that is put into a valid experiment.

    Attributes
    ----------
    name
        Words with hyphens, unique over all operators.
    sentence
        What is wrong with a mutant.
    rules
        The ids of the rules that name this defect; one of them has to find it.
    change
        Makes the mutant.
    seen_at
        Paths of further files at which the defect may be told: where a value is missed, not where it was taken away.
    """

    name: str
    sentence: str
    rules: tuple[str, ...]
    change: Change
    seen_at: tuple[str, ...] = ()

    def mutant(self, files: Files) -> dict[str, str]:
        """Return the changed experiment.

        Raises
        ------
        NotThere
            If the experiment does not have what the operator changes.
        AssertionError
            If the operator changed nothing: it is broken.
        """
        changed = self.change(files)
        if changed == dict(files):
            raise AssertionError(f"operator {self.name} changes nothing")
        return changed


def swap(path: str, *choices: Choice) -> Change:
    """Replace the only occurrence of the first snippet that the file has."""

    def change(files: Files) -> dict[str, str]:
        text = files.get(path)
        if text is None:
            raise NotThere(f"{path} is not there")
        return {**files, path: _swapped(text, path, choices)}

    return change


def swap_in_run(*choices: Choice) -> Change:
    """Replace a snippet in the first run file that has one of them; files of proposed runs come first."""

    def change(files: Files) -> dict[str, str]:
        for path in run_paths(files):
            if any(old in files[path] for old, _ in choices):
                return {**files, path: _swapped(files[path], path, choices)}
        raise NotThere("no run file has it")

    return change


def where(path: str, snippet: str) -> Change:
    """Change nothing, where a file has a snippet."""

    def change(files: Files) -> dict[str, str]:
        if snippet not in files.get(path, ""):
            raise NotThere(f"{path} has no {snippet!r}")
        return dict(files)

    return change


def write(path: str, text: str) -> Change:
    """Write a file whatever it held before."""
    return lambda files: {**files, path: text}


def append(path: str, text: str) -> Change:
    """Add text to the end of a file."""

    def change(files: Files) -> dict[str, str]:
        if path not in files:
            raise NotThere(f"{path} is not there")
        return {**files, path: files[path] + text}

    return change


def remove(path: str) -> Change:
    """Take a file away."""

    def change(files: Files) -> dict[str, str]:
        if path not in files:
            raise NotThere(f"{path} is not there")
        return {name: text for name, text in files.items() if name != path}

    return change


def chain(*changes: Change) -> Change:
    """Make one change after another; all of them have to be possible."""

    def change(files: Files) -> dict[str, str]:
        changed = dict(files)
        for part in changes:
            changed = part(changed)
        return changed

    return change


def either(*changes: Change) -> Change:
    """Make the first change that is possible."""

    def change(files: Files) -> dict[str, str]:
        reasons = []
        for part in changes:
            try:
                return part(files)
            except NotThere as reason:
                reasons.append(str(reason))
        raise NotThere("; ".join(reasons))

    return change


def run_paths(files: Files) -> list[str]:
    """Return the paths of the run files, those of proposed runs first."""
    paths = [path for path in files if path.startswith("config/runs/")]
    return sorted(paths, key=lambda path: ("/proposed" not in path, path))


def _swapped(text: str, path: str, choices: tuple[Choice, ...]) -> str:
    for old, new in choices:
        count = text.count(old)
        if count > 1:
            raise AssertionError(f"{path} has {old!r} {count} times: an operator changes one place")
        if count == 1:
            return text.replace(old, new)
    raise NotThere(f"{path} has none of {', '.join(repr(old) for old, _ in choices)}")
