"""The valid experiments that mutants are made of: the benchmark's own plain one and those of the repository."""

from __future__ import annotations

from functools import cache
from pathlib import Path

from greenlight.contract.experiment import FILES
from greenlight.contract.submission import Submission, submission

ROOT = Path(__file__).resolve().parents[2]
PLAIN = Path(__file__).resolve().parent / "plain"


def folders() -> dict[str, Path]:
    """Return the folder of every original by name: plain, then the experiments that are complete."""
    own = sorted(path for path in (ROOT / "experiments").glob("*") if all((path / name).is_file() for name in FILES))
    return {"plain": PLAIN, **{path.name: path for path in own}}


@cache
def original(name: str) -> dict[str, str]:
    """Return the code and configuration of an original as text by path."""
    handed_in = submission(folders()[name])
    return {path: content.decode("utf-8", "surrogateescape") for path, content in handed_in.files.items()}


def handed_in(name: str, files: dict[str, str]) -> Submission:
    """Return files as they are handed in for review, as a bundle would be: no folder lies behind them.

    A byte that is no UTF-8 travels as a lone surrogate, as in the names of files.
    """
    return Submission(name, "bundle", {path: text.encode("utf-8", "surrogateescape") for path, text in files.items()})
