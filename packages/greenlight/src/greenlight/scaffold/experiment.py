"""The seven files and two run files of a new experiment, written all at once or not at all."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import tempfile
from collections.abc import Mapping
from importlib.resources import files
from pathlib import Path

from greenlight.contract import experiment
from greenlight.errors import GreenlightError
from greenlight.scaffold import checkout

LONGEST_NAME = 40  # a name is a part of run ids, which are names of files
_NAME = re.compile(r"[a-z](?:[a-z0-9]|[-_](?=[a-z0-9]))*")
# uv refuses a project that has the name of something it depends on.
_DEPENDENCIES = frozenset({
    "graff", "greenlight", "hydra-core", "numpy", "omegaconf", "pydantic", "rich", "safetensors", "scikit-learn",
    "torch",
})  # fmt: skip
# A comparison finds out by these words of a run id what a run is.
_ROLES = ("proposed", "comparative", "baseline")
_SUFFIX = ".template"


def new(name: str, parent: Path) -> Path:
    """Write a new experiment and return its folder, ``parent/name``.

    It learns to read handwritten digits, which come with scikit-learn, under a wall-clock budget, with GRAFF
    against a line to zero over time. Where the current folder or `parent` lies in a checkout of the repository, its
    pyproject.toml takes greenlight and graff from there.

    Parameters
    ----------
    name
        The project's name: lower-case letters, digits, single ``-`` and ``_`` between them, a letter first.
    parent
        An existing folder.

    Raises
    ------
    GreenlightError
        If the name is not one, the folder exists and is not empty, or it cannot be written.
    """
    _check_name(name)
    parent = parent.absolute()
    folder = parent / name
    _check_place(parent, folder)
    root = checkout.find(parent.resolve()) or checkout.find(Path.cwd())
    values = {
        "name": name,
        **dict(zip(("proposed", "comparative"), run_ids(name), strict=True)),
        "sources": "" if root is None else checkout.sources(root, folder.resolve()),
    }
    try:
        _write(folder, values)
    except OSError as error:
        raise GreenlightError(
            f"{folder}: cannot be written ({error.strerror}); name a folder that you may write, --folder"
        ) from error
    return folder


def run_ids(name: str) -> tuple[str, str]:
    """Return the ids of the two runs of a new experiment: role, experiment, model, data.

    Examples
    --------
    >>> run_ids("first-try")
    ('proposed-first-try-cnn-digits', 'comparative-1-first-try-cnn-digits')
    """
    return f"proposed-{name}-cnn-digits", f"comparative-1-{name}-cnn-digits"


def next_commands(folder: Path) -> tuple[str, str, str]:
    """Return what to type next for a new experiment: review it, run both methods, compare them."""
    program = "greenlight" if checkout.find(Path.cwd()) is None else "uv run greenlight"
    relative = os.path.relpath(folder)
    place = shlex.quote(str(folder) if relative.startswith("..") else relative)
    both = " ".join(run_ids(folder.name))
    return f"{program} review {place}", f"{program} run {place} {both}", f"{program} compare {place} {both}"


def _check_name(name: str) -> None:
    if not _NAME.fullmatch(name) or len(name) > LONGEST_NAME:
        words = "-".join(re.findall(r"[a-z0-9]+", name.lower())).lstrip("0123456789-")[:LONGEST_NAME].rstrip("-")
        remedy = f"say {words}" if _NAME.fullmatch(words) else "say something like first-try"
        raise GreenlightError(
            f"name {name!r}: an experiment's name is up to {LONGEST_NAME} lower-case letters, digits and single '-' or "
            f"'_' between them, a letter first; {remedy}"
        )
    if name.replace("_", "-") in _DEPENDENCIES:
        raise GreenlightError(f"name {name}: an experiment is not called like a package it needs; say my-{name}")
    for word in _ROLES:
        if word in name:
            raise GreenlightError(
                f"name {name}: '{word}' in a run id says which side the run is on, and the name is a part of every "
                "run id; leave the word out"
            )


def _check_place(parent: Path, folder: Path) -> None:
    if not parent.is_dir():
        raise GreenlightError(f"{parent}: no such folder; make it or name another, --folder")
    if folder.is_symlink() or (folder.exists() and not (folder.is_dir() and not any(folder.iterdir()))):
        raise GreenlightError(f"{folder}: there already, and nothing is overwritten; choose another name or folder")


def _contents(values: Mapping[str, str]) -> dict[str, str]:
    """Return the text of every file by its path."""
    paths = {
        **{Path(path).name: path for path in experiment.FILES},
        "proposed.yaml": f"config/runs/{values['proposed']}.yaml",
        "comparative.yaml": f"config/runs/{values['comparative']}.yaml",
    }
    texts: dict[str, str] = {}
    for source, path in paths.items():
        text = (files("greenlight.scaffold") / "template" / f"{source}{_SUFFIX}").read_text(encoding="utf-8")
        for key, value in values.items():
            text = text.replace("{{" + key + "}}", value)
        texts[path] = text.rstrip("\n") + "\n"
    return texts


def _write(folder: Path, values: Mapping[str, str]) -> None:
    """Write beside the folder and rename: whoever looks sees all of it or nothing."""
    partial = Path(tempfile.mkdtemp(prefix=f".{folder.name}-", dir=folder.parent))
    try:
        for path, text in _contents(values).items():
            target = partial / path
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_text(text, encoding="utf-8")
        # mkdtemp makes a folder for its owner alone; this one is as any other in it.
        partial.chmod((partial / "src").stat().st_mode)
        partial.rename(folder)
    finally:
        shutil.rmtree(partial, ignore_errors=True)
