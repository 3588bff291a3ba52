"""Distributions that exist as source only: what they require, so that they are chosen without building them first."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Mapping, Sequence

SOURCE_ONLY: Mapping[str, Sequence[str]] = {
    "antlr4-python3-runtime": (),  # of omegaconf 2.3, so of every experiment with Hydra
    "docopt": (),
    "rouge-score": ("absl-py", "nltk", "numpy", "six>=1.14.0"),
    "sqlitedict": (),
    "word2number": (),
}
"""Requirements by distribution, the same for all its versions. They are built in the sandbox."""


def flags() -> list[str]:
    """Return uv's flags that admit wheels, and source of the distributions whose requirements are known."""
    return ["--no-build", *(part for name in SOURCE_ONLY for part in ("--no-binary-package", name))]


def with_requirements(text: str) -> str:
    """Return a pyproject.toml with the requirements of source-only distributions added at its end, where that parses.

    With them uv has nothing to build for its resolution.
    """
    entries = "".join(
        f"\n[[tool.uv.dependency-metadata]]\nname = {json.dumps(name)}\nrequires-dist = {json.dumps(list(requires))}\n"
        for name, requires in SOURCE_ONLY.items()
    )
    added = f"{text.rstrip()}\n{entries}"
    try:
        tomllib.loads(added)
    except (tomllib.TOMLDecodeError, RecursionError):
        return text
    return added
