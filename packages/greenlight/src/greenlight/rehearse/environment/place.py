"""What a rehearsal's commands run with, or why it could not be made."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

from greenlight.rehearse.sandbox import View


@dataclass(frozen=True)
class Unimportable:
    """A third-party module that the experiment imports and that cannot be imported where all it declares is installed.

    Attributes
    ----------
    module
        Its dotted name, as the experiment's files import it.
    words
        Type and message of the exception, on one line.
    """

    module: str
    words: str


@dataclass(frozen=True)
class Environment:
    """An interpreter with packages.

    Attributes
    ----------
    python
        The interpreter. Nothing of an experiment's own environment is to be started outside of a sandbox.
    shown
        What a sandbox shows so that it works.
    packages
        The number of installed distributions.
    note
        One line for a report: whose packages these are.
    broken
        What the experiment imports in vain; empty where it was not tried.
    bytecode
        A folder of compiled modules, in the layout of ``PYTHONPYCACHEPREFIX``; None where there is none. Copy it for a
        command: it was written inside of a sandbox.
    """

    python: Path
    shown: View
    packages: int
    note: str
    broken: tuple[Unimportable, ...] = ()
    bytecode: Path | None = None


@dataclass(frozen=True)
class InstallFailure:
    """A pyproject.toml that no one can install.

    Attributes
    ----------
    words
        What uv says, cut to the part that matters; at most 15 lines.
    line
        The line of the requirement or table that it is about, where it is known.
    """

    words: str
    line: int | None


def current() -> Environment:
    """Return the running interpreter with its packages, the experiment's own requirements not being looked at."""
    count = sum(1 for _ in metadata.distributions())
    return Environment(
        Path(sys.executable),
        View.of_python(),
        count,
        f"the running Python {sys.version.partition(' ')[0]} with its {count} packages; nothing was installed",
    )
