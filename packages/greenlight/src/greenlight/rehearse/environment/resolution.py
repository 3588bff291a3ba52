"""Which exact packages an experiment's pyproject.toml stands for: what ``uv run`` would choose."""

from __future__ import annotations

import hashlib
import re
import tempfile
import time
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name

from greenlight.errors import GreenlightError
from greenlight.rehearse.environment import pylock, settings, sources, uv, workspace
from greenlight.rehearse.environment.interpreters import interpreter
from greenlight.rehearse.environment.place import InstallFailure
from greenlight.review.toml_file import TomlFile

_FILE = "pyproject.toml"
_LOCK_KEPT_S = 86400.0
_EXPORT = ("export", "--frozen", "--no-emit-project", "--format", "pylock.toml", "--quiet")
_CONSIDERED = re.compile(r"Searching for a compatible version of (?P<name>[\w.-]+)")


@dataclass(frozen=True)
class Resolution:
    """The packages of an environment, the Python they are for, and the experiment's own indexes by name."""

    python: Path
    packages: tuple[pylock.Package, ...]
    indexes: tuple[str, ...]
    workspace: Path | None


def resolved(files: Mapping[str, bytes], root: Path | None, locks: Path) -> Resolution | InstallFailure:
    """Return what is to be installed; nothing of the experiment is run or built for it.

    Parameters
    ----------
    files
        The experiment's files by path.
    root
        Its folder, for the workspace or the lock that it may belong to; or None.
    locks
        A folder where resolutions are kept for a day.

    Raises
    ------
    GreenlightError
        If it cannot be told: no uv, no network, or a package that exists as source only.
    """
    if "uv.toml" in files:
        raise GreenlightError("uv.toml: a rehearsal hands no settings of an experiment to uv; use --no-install")
    if _FILE not in files:
        return InstallFailure("there is no pyproject.toml, so nothing says what is to be installed", None)
    file = TomlFile(_FILE, files[_FILE])
    if (other := _of_another_tool(file, files)) is not None:
        return other
    shown = settings.shown(file.text, _FILE)
    with tempfile.TemporaryDirectory(prefix="gl-resolve-") as temporary:
        place = Path(temporary).resolve() / "experiment"
        place.mkdir()
        requires = file.get("project", "requires-python", default="")
        pinned = _text(root / ".python-version").partition("\n")[0].strip() if root is not None else ""
        line = file.line("project", "requires-python") if requires else None
        python = interpreter(requires if isinstance(requires, str) else "", pinned, place, line)
        if isinstance(python, InstallFailure):
            return python
        found = workspace.workspace_of(root) if root is not None else None
        if found is not None and file.error is None:
            return _of_workspace(found, file, files[_FILE], python, place)
        return _alone(file, shown, python, place, root, locks)


def _of_workspace(
    found: workspace.Workspace, file: TomlFile, content: bytes, python: Path, place: Path
) -> Resolution | InstallFailure:
    if (invalid := _invalid_requirement(file, python, place)) is not None:
        return invalid
    indexes = found.skeleton(content, place)
    name = str(file.get("project", "name", default=""))
    exported = uv.run([*_EXPORT, "--package", name, "--python", str(python)], place, without=indexes)
    if exported.status != 0:
        raise uv.unknown(exported, f"read {found.folder / 'uv.lock'}")
    return Resolution(python, pylock.packages(exported.output), indexes, found.folder)


def _alone(
    file: TomlFile, shown: str, python: Path, place: Path, root: Path | None, locks: Path
) -> Resolution | InstallFailure:
    indexes = settings.index_names(file.data)
    if (dynamic := _dynamic(file)) is not None:
        raise dynamic
    if (invalid := _invalid_requirement(file, python, place)) is not None:
        return invalid
    text = sources.with_requirements(shown)
    (place / _FILE).write_text(text, encoding="utf-8")
    own_lock = _text(root / "uv.lock") if root is not None else ""
    with _kept_lock(locks, text, str(python), own_lock, place / "uv.lock") as keep:
        arguments = ["lock", "--verbose", "--no-progress", "--python", str(python), *sources.flags()]
        ran = uv.run(arguments, place, without=indexes)
        if ran.status != 0:
            return _failure(ran, file)
        if not file.get("project"):
            # Without that table uv run has a project with no requirements at all.
            return Resolution(python, (), indexes, None)
        exported = uv.run([*_EXPORT, "--python", str(python)], place, without=indexes)
        if exported.status != 0:
            raise uv.unknown(exported, "read its own lock")
        packages = pylock.packages(exported.output)
        name = canonicalize_name(str(file.get("project", "name")))
        _require_no_skipped_sources(ran.told, packages, name, python, place, indexes)
        keep()
    return Resolution(python, packages, indexes, None)


def _failure(ran: uv.Ran, file: TomlFile) -> InstallFailure:
    if ran.fault is uv.Fault.SOURCE_ONLY:
        names = re.findall(r"Wheels are required for `([^`]+)`", ran.words)
        raise GreenlightError(
            f"{', '.join(names) or 'a requirement'}: it exists as source only, and a rehearsal does not build what "
            "it does not know; install it and use --no-install"
        )
    if ran.fault is uv.Fault.ELSEWHERE:
        raise uv.unknown(ran, "resolve the requirements")
    return InstallFailure(ran.words, line_of(ran.words, file))


def line_of(words: str, file: TomlFile) -> int | None:
    """Return the line that uv's words are about: the one they number, or that of the first requirement they name."""
    if numbered := re.search(r"TOML parse error at line (\d+)", words):
        return int(numbered[1])
    for pattern in (r"your project depends on ([\w.-]+)", r"[Bb]ecause ([\w.-]+)", r"`([\w.-]+)`", r"([\w.-]+)"):
        named = {re.sub(r"[-_.]+", "-", name).lower().strip("-") for name in re.findall(pattern, words)}
        for text in settings.declared(file.data):
            name = re.sub(r"[-_.]+", "-", re.split(r"[^\w.-]", text.strip(), maxsplit=1)[0]).lower().strip("-")
            if name in named:
                return file.line_with(text, "project")
    return file.line("project", "requires-python") if "requires-python" in words else None


def _of_another_tool(file: TomlFile, files: Mapping[str, bytes]) -> InstallFailure | None:
    """Return why uv installs nothing of what is declared in another tool's terms."""
    if file.error is not None:
        return None
    project = file.get("project")
    project = project if isinstance(project, dict) else {}
    if "dependencies" in project or "dependencies" in (project.get("dynamic") or ()):
        return None
    poetry = file.get("tool", "poetry", "dependencies")
    if isinstance(poetry, dict) and poetry.keys() - {"python"}:
        return InstallFailure(
            f"uv reads project.dependencies alone: the {len(poetry.keys() - {'python'})} requirements of "
            "[tool.poetry.dependencies] are not installed by the documented `uv run`",
            file.line("tool", "poetry", "dependencies"),
        )
    if not project and b"install_requires" in files.get("setup.py", b""):
        return InstallFailure(
            "uv reads project.dependencies alone: what setup.py requires is not installed by the documented `uv run`",
            None,
        )
    return None


def _dynamic(file: TomlFile) -> GreenlightError | None:
    dynamic = file.get("project", "dynamic", default=[])
    for key in ("dependencies", "optional-dependencies", "requires-python"):
        if isinstance(dynamic, list) and key in dynamic:
            return GreenlightError(
                f"pyproject.toml:{file.line('project', 'dynamic')}: {key} is dynamic, so the experiment's own build "
                "would have to run to tell it; write it down, or use --no-install"
            )
    return None


def _invalid_requirement(file: TomlFile, python: Path, place: Path) -> InstallFailure | None:
    """Return uv's words on the first requirement that is none.

    Asked apart, because uv passes over such a project's table and would build the project instead.
    """
    project = file.get("project")
    values = project.get("dependencies") if isinstance(project, dict) else None
    for text in values if isinstance(values, list) else ():
        try:
            Requirement(text if isinstance(text, str) else "")
        except InvalidRequirement:
            if not isinstance(text, str):
                return None  # uv says it with the line, where it reads the table
            listed = place.parent / "requirement.txt"
            listed.write_text(text.replace("\n", " ") + "\n", encoding="utf-8")
            arguments = ["pip", "compile", "--no-build", "--no-deps", "--offline", "--quiet"]
            ran = uv.run([*arguments, "--python", str(python), str(listed)], place.parent)
            if ran.status != 0 and re.search(r"parse requirement|[Ee]xpected|Unsupported requirement", ran.words):
                words = re.sub(r" (in|at position) `?[^`\s]*requirement\.txt`?", "", ran.words)
                return InstallFailure(words.replace(str(listed), _FILE), file.line_with(text, "project"))
    return None


def _require_no_skipped_sources(
    told: str, packages: Sequence[pylock.Package], own_name: str, python: Path, place: Path, indexes: Sequence[str]
) -> None:
    """Raise where uv went back to other versions because a distribution has no wheel at all.

    ``uv run`` would have built it, so the older versions are not what the experiment's user gets. What was considered
    and is not locked is asked for by itself.
    """
    considered = {canonicalize_name(found["name"]) for found in _CONSIDERED.finditer(told)}
    names = considered - {package.name for package in packages} - set(sources.SOURCE_ONLY) - {own_name}
    if not names:
        return
    for asked in (sorted(names), *([name] for name in sorted(names))):
        listed = place.parent / "considered.txt"
        listed.write_text("\n".join(asked) + "\n", encoding="utf-8")
        arguments = ["pip", "compile", "--no-build", "--no-deps", "--quiet", "--python", str(python), str(listed)]
        ran = uv.run(arguments, place.parent, without=indexes)
        if ran.status == 0 and len(asked) == len(names):
            return
        if ran.status != 0 and ran.fault is uv.Fault.SOURCE_ONLY and len(asked) == 1:
            raise GreenlightError(
                f"{asked[0]}: it exists as source only, and a rehearsal does not build what it does not know; "
                "install it and use --no-install"
            )


@contextmanager
def _kept_lock(locks: Path, text: str, python: str, own: str, lock: Path) -> Iterator[Any]:
    """Put a lock where uv looks for it: the experiment's own, or that of the same requirements of today.

    Yields what keeps the new one.
    """
    name = hashlib.sha256("\0".join([text, python, own]).encode()).hexdigest()[:32]
    kept = locks / f"{name}.lock"
    locks.mkdir(parents=True, exist_ok=True)
    for old in locks.glob("*.lock"):
        if time.time() - old.stat().st_mtime > _LOCK_KEPT_S:
            old.unlink(missing_ok=True)
    before = _text(kept) or own
    if before and _is_of_indexes(before):
        lock.write_text(before, encoding="utf-8")

    def keep() -> None:
        if not kept.exists():
            with tempfile.NamedTemporaryFile("w", encoding="utf-8", dir=locks, suffix=".new", delete=False) as new:
                new.write(lock.read_text(encoding="utf-8"))
            Path(new.name).replace(kept)

    yield keep


def _is_of_indexes(text: str) -> bool:
    """Return whether a lock names the experiment and packages of indexes alone: a folder in it uv would build."""
    try:
        packages = tomllib.loads(text).get("package", [])
        sources = [one.get("source", {}) for one in packages]
    except (tomllib.TOMLDecodeError, RecursionError, AttributeError, TypeError):
        return False
    return all("registry" in one or one in ({"virtual": "."}, {"editable": "."}) for one in sources)


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8") if path.stat().st_size < 2**26 else ""
    except (OSError, UnicodeDecodeError):
        return ""
