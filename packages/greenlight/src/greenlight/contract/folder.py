"""The files of an experiment's folder; links that lead out of it are not followed."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

LARGEST_FILE = 16 * 2**20
MOST_FILES = 5000
_READ = (".py", ".yaml", ".yml", ".toml")
_SKIPPED = frozenset({
    "__pycache__", "node_modules", "site-packages", "outputs", "multirun", "wandb", "results", "build", "dist", "venv"
})  # fmt: skip


def files_of_folder(folder: Path) -> tuple[dict[str, bytes], tuple[str, ...], dict[str, str]]:
    """Return the content of code and configuration by path, the paths of other files, and why a file was not read.

    Hidden folders and the folders that runs, environments and builds leave behind are skipped.
    """
    files: dict[str, bytes] = {}
    others: list[str] = []
    unread: dict[str, str] = {}
    root = folder.resolve()
    for number, path in enumerate(_walked(folder)):
        name = path.relative_to(folder).as_posix()
        if number >= MOST_FILES:
            unread[name] = f"the folder has more than {MOST_FILES} files"
            break
        if not name.endswith(_READ):
            others.append(name)
            continue
        try:
            if not path.resolve().is_relative_to(root):
                unread[name] = "it is a link that leads out of the folder"
            elif not path.is_file():
                unread[name] = "it is no regular file"
            elif (size := path.stat().st_size) > LARGEST_FILE:
                unread[name] = f"its {size} bytes are more than the {LARGEST_FILE} that are read"
            else:
                files[name] = path.read_bytes()
        except (OSError, RuntimeError) as error:  # a loop of links is a RuntimeError
            unread[name] = f"it cannot be read ({error.__class__.__name__})"
    return files, tuple(others), unread


def _walked(folder: Path) -> Iterator[Path]:
    for parent, folders, names in os.walk(folder):
        folders[:] = sorted(name for name in folders if name not in _SKIPPED and not name.startswith("."))
        for name in sorted(names):
            if not name.startswith(".") or Path(parent) != folder:
                yield Path(parent) / name
