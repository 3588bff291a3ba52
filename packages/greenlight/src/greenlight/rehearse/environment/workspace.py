"""The uv workspace that an experiment is a member of; it is read, never written to."""

from __future__ import annotations

import hashlib
import os
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from packaging.requirements import InvalidRequirement, Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name

from greenlight.errors import GreenlightError
from greenlight.rehearse.environment import settings

_LARGEST_FILE, _LARGEST_TREE, _MOST_FILES = 64 * 2**20, 512 * 2**20, 20_000
_SKIPPED = frozenset({"__pycache__", "node_modules", "venv", "build", "dist", "results", "outputs", "wandb"})


@dataclass(frozen=True)
class Workspace:
    """A workspace with its lock, and the place of one experiment in it.

    Attributes
    ----------
    folder
        Where its pyproject.toml is.
    member
        The experiment's folder below it, with forward slashes.
    lock
        The content of uv.lock.
    """

    folder: Path
    member: str
    lock: bytes

    def skeleton(self, pyproject: bytes, place: Path) -> tuple[str, ...]:
        """Write what uv needs to read the lock into an empty folder; return the names of the indexes it brings.

        Parameters
        ----------
        pyproject
            The experiment's own pyproject.toml, which stands for the one on disk.
        place
            The folder.

        Raises
        ------
        GreenlightError
            If the lock is older than what the experiment declares, or a setting is refused.
        """
        locked = [one for one in tomllib.loads(self.lock.decode()).get("package", ()) if isinstance(one, dict)]
        folders = {path: one for one in locked if (path := _folder_of(one)) is not None}
        if self.member not in folders or not _is_current(folders[self.member], _parsed(pyproject)):
            raise GreenlightError(
                f"{self.folder / 'uv.lock'}: it does not have what {self.member}/pyproject.toml declares; run "
                "`uv lock` there, or use --no-install"
            )
        names: list[str] = []
        (place / "uv.lock").write_bytes(self.lock)
        for path in sorted({".", *folders}):
            source = self.folder / path / "pyproject.toml"
            if path != "." and not (self.folder / path).resolve().is_relative_to(self.folder):
                raise GreenlightError(f"{source}: it lies outside of the workspace {self.folder}; use --no-install")
            content = pyproject if path == self.member else _read(source)
            settings.shown(content.decode("utf-8", errors="replace"), str(source))
            names += settings.index_names(_parsed(content))
            target = place / path / "pyproject.toml"
            target.parent.mkdir(parents=True, exist_ok=True)
            # Word for word, build system included: the lock tells which members are packages. Nothing is resolved
            # from it, so nothing is built either.
            target.write_bytes(content)
        return tuple(names)


def workspace_of(root: Path) -> Workspace | None:
    """Return the workspace that has a folder among its members; None where no folder above is one with a lock."""
    root = root.resolve()
    for folder in root.parents:
        if not (folder / "pyproject.toml").is_file():
            continue
        table = settings.uv_table(_parsed(_read(folder / "pyproject.toml"))).get("workspace")
        if not isinstance(table, dict):
            return None
        is_member = _matches(folder, table.get("members"), root) and not _matches(folder, table.get("exclude"), root)
        if not is_member or not (folder / "uv.lock").is_file():
            return None
        return Workspace(folder, root.relative_to(folder).as_posix(), _read(folder / "uv.lock"))
    return None


def tree(folder: Path) -> Iterator[tuple[str, Path]]:
    """Yield the regular files of a package's folder with their relative paths, in order; links are left out.

    Raises
    ------
    GreenlightError
        If it is too large to be a package.
    """
    total = count = 0
    for parent, folders, names in os.walk(folder):
        folders[:] = sorted(name for name in folders if name not in _SKIPPED and not name.startswith("."))
        for name in sorted(names):
            path = Path(parent) / name
            if path.is_symlink() or not path.is_file():
                continue
            total, count = total + path.stat().st_size, count + 1
            if total > _LARGEST_TREE or count > _MOST_FILES:
                raise GreenlightError(
                    f"{folder}: more than {_LARGEST_TREE >> 20} MiB or {_MOST_FILES} files, too much for a package; "
                    "use --no-install"
                )
            yield path.relative_to(folder).as_posix(), path


def tree_digest(folder: Path) -> str:
    """Return what identifies the content of a package's folder."""
    found = hashlib.sha256()
    for name, path in tree(folder):
        found.update(f"{name}\0{path.stat().st_size}\0".encode())
        found.update(path.read_bytes())
    return found.hexdigest()


def _matches(folder: Path, patterns: object, root: Path) -> bool:
    return any(
        root in (path.resolve() for path in folder.glob(pattern))
        for pattern in (patterns if isinstance(patterns, list) else ())
        if isinstance(pattern, str) and pattern and not pattern.startswith("/") and ".." not in pattern
    )


def _folder_of(package: dict[str, Any]) -> str | None:
    source = package.get("source", {})
    return next((str(source[kind]) for kind in ("editable", "virtual", "directory") if kind in source), None)


def _is_current(locked: dict[str, Any], data: dict[str, Any]) -> bool:
    """Return whether a lock has an experiment's dependencies as they are declared now."""
    project = data.get("project")
    now = project.get("dependencies", []) if isinstance(project, dict) else []
    then = {
        (canonicalize_name(one["name"]), SpecifierSet(one.get("specifier", "")), frozenset(one.get("extras", ())))
        for one in locked.get("metadata", {}).get("requires-dist", ())
        if "extra ==" not in one.get("marker", "")
    }
    try:
        declared = [Requirement(text) for text in now]
    except (InvalidRequirement, TypeError):
        return False
    return {(canonicalize_name(one.name), one.specifier, frozenset(one.extras)) for one in declared} == then


def _parsed(content: bytes) -> dict[str, Any]:
    try:
        return tomllib.loads(content.decode("utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, RecursionError):
        return {}


def _read(path: Path) -> bytes:
    try:
        if path.stat().st_size > _LARGEST_FILE:
            raise GreenlightError(f"{path}: more than {_LARGEST_FILE >> 20} MiB; use --no-install")
        return path.read_bytes()
    except OSError as error:
        raise GreenlightError(f"{path}: it cannot be read ({error.strerror}); use --no-install") from error
