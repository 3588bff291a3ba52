"""Makes an experiment's own environment, or finds the one that was made before."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import os
import platform
import re
import tempfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from greenlight.errors import GreenlightError
from greenlight.rehearse.environment import building, importing, pylock, uv, workspace
from greenlight.rehearse.environment import cache as kept_places
from greenlight.rehearse.environment.interpreters import version_of
from greenlight.rehearse.environment.place import Environment, InstallFailure, Unimportable
from greenlight.rehearse.environment.resolution import Resolution, line_of, resolved
from greenlight.rehearse.sandbox import View
from greenlight.review.toml_file import TomlFile

_FORM = "1"  # of the cache; environments of another form are not reused
_NO_WHEEL = re.compile(r"`?(?P<name>[A-Za-z0-9][\w.-]*)(?:==[\w.+!]+)?(?: @ [^`]*)?` can't be installed")
_MOST_BUILDS = 20


def own(
    files: Mapping[str, bytes], root: Path | None, cache: Path, on_progress: Callable[[str], None]
) -> Environment | InstallFailure:
    """Return an environment with what an experiment declares, installed with uv unless it was before.

    Parameters
    ----------
    files
        The experiment's files by path; pyproject.toml tells what is installed, the rest what is imported.
    root
        Its folder where it has one: for ``.python-version``, ``uv.lock``, and the uv workspace that it is a member of.
        Nothing is written there.
    cache
        A folder of greenlight's own; see the package's docstring for what it holds and how it is cleared.
    on_progress
        Is told, in a few words, what is being done.

    Raises
    ------
    GreenlightError
        If no environment can be made for a reason that is not the experiment's: no uv, no network, no sandbox, or
        something that exists as source only.
    """
    on_progress("resolving what pyproject.toml requires")
    found = resolved(files, root, cache / "locks")
    if isinstance(found, InstallFailure):
        return found
    version = version_of(found.python)
    locked = tuple(package for package in found.packages if package.is_for(version))
    folders = {p.name: _folder(found, p.folder) for p in locked if p.folder is not None}
    trees = [f"{name} {workspace.tree_digest(folder)}" for name, folder in sorted(folders.items())]
    machine = [_FORM, version, str(found.python), platform.platform()]
    place = cache.resolve() / "environments" / pylock.digest(locked, *machine, *trees)
    made = _whole_or_made(place, found, locked, folders, files, on_progress)
    if isinstance(made, InstallFailure):
        return made
    note = (
        f"Python {version} with the {made.packages} packages that pyproject.toml declares"
        f"{' in its workspace' if found.workspace else ''}, installed with uv"
    )
    return dataclasses.replace(
        made, note=note, broken=_broken(files, made, place, on_progress), bytecode=place / "bytecode"
    )


def _whole_or_made(
    place: Path,
    found: Resolution,
    locked: Sequence[pylock.Package],
    folders: Mapping[str, Path],
    files: Mapping[str, bytes],
    on_progress: Callable[[str], None],
) -> Environment | InstallFailure:
    venv = place / "venv"
    with kept_places.locked(place):
        told = kept_places.used(place)
        if told is not None and _is_python(venv, found.python):
            on_progress(f"reusing the environment of {told.get('packages')} packages")
        else:
            kept_places.begin(place)
            on_progress(f"installing {len(locked)} packages")
            failure = _installed(venv, found, locked, folders, files, on_progress)
            if failure is not None:
                return failure
            kept_places.finish(place, {"python": str(found.python), "packages": len(_distributions(venv))})
            kept_places.prune(place.parent, place)
    python = venv / "bin" / "python"
    return Environment(python, View.of_python(python), len(_distributions(venv)), "")


def _installed(
    venv: Path,
    found: Resolution,
    locked: Sequence[pylock.Package],
    folders: Mapping[str, Path],
    files: Mapping[str, bytes],
    on_progress: Callable[[str], None],
) -> InstallFailure | None:
    with tempfile.TemporaryDirectory(prefix="gl-install-") as temporary:
        work = Path(temporary).resolve()
        made = uv.run(["venv", "--no-project", "--python", str(found.python), str(venv)], work)
        if made.status != 0:
            raise uv.unknown(made, "make a virtual environment")
        built: dict[str, Path] = {}
        for package in locked:
            if package.name in folders:
                on_progress(f"building {package.name} of the workspace in the sandbox")
                built[package.name] = building.of_folder(package.name, folders[package.name], found.python, work)
            elif not package.wheels:
                built[package.name] = _of_source(package, found.python, work, on_progress)
        # One call: a second one would ask the environment's own Python, and with it run what was installed there.
        for _ in range(_MOST_BUILDS):
            (work / "pylock.toml").write_text(pylock.written(locked, built), encoding="utf-8")
            arguments = ["pip", "sync", "--no-build", "--python", str(venv), "pylock.toml"]
            ran = uv.run(arguments, work, without=found.indexes)
            if ran.status == 0:
                break
            lacking = _NO_WHEEL.search(ran.words)
            package_ = next((p for p in locked if lacking and p.name == lacking["name"].lower()), None)
            if package_ is None or package_.name in built:
                raise uv.unknown(ran, "install the packages")
            if package_.source is None:
                return _failure(_words_on(package_, venv, work, found), files)
            built[package_.name] = _of_source(package_, found.python, work, on_progress)
        else:
            raise uv.unknown(ran, "install the packages")
    if not _is_python(venv, found.python):
        raise GreenlightError(f"{venv}/bin/python: a package has put another program there; use --no-install")
    return None


def _words_on(package: pylock.Package, venv: Path, work: Path, found: Resolution) -> str:
    """Return what uv says of a package whose wheels are for other machines: without the flag, which it would blame."""
    (work / "pylock.one.toml").write_text(pylock.written([package], {}), encoding="utf-8")
    return uv.run(["pip", "sync", "--python", str(venv), "pylock.one.toml"], work, without=found.indexes).words


def _failure(words: str, files: Mapping[str, bytes]) -> InstallFailure:
    return InstallFailure(words, line_of(words, TomlFile("pyproject.toml", files["pyproject.toml"])))


def _of_source(package: pylock.Package, python: Path, work: Path, on_progress: Callable[[str], None]) -> Path:
    if package.source is None:
        raise GreenlightError(
            f"{package.name}: it comes from neither an index nor a wheel, and a rehearsal installs nothing else; "
            "install it and use --no-install"
        )
    on_progress(f"building {package.name} in the sandbox")
    return building.of_archive(package.name, *package.source, python, work)


def _folder(found: Resolution, path: str) -> Path:
    """Return the folder of a workspace's package; the lock does not lead out of the workspace."""
    folder = (found.workspace / path).resolve() if found.workspace is not None else Path(path)
    if found.workspace is None or not folder.is_relative_to(found.workspace):
        raise GreenlightError(f"{path}: a package outside of the workspace; install it and use --no-install")
    return folder


def _is_python(venv: Path, python: Path) -> bool:
    return Path(os.path.realpath(venv / "bin" / "python")) == python and python.is_file()


def _distributions(venv: Path) -> list[Path]:
    return list(venv.glob("lib/python3*/site-packages/*.dist-info"))


def _broken(
    files: Mapping[str, bytes], made: Environment, place: Path, on_progress: Callable[[str], None]
) -> tuple[Unimportable, ...]:
    modules = importing.third_party(files)
    name = hashlib.sha256(json.dumps(modules).encode()).hexdigest()[:32]
    kept = place / "imports" / f"{name}.json"
    try:
        return tuple(Unimportable(one["module"], one["words"]) for one in json.loads(kept.read_bytes()))
    except (OSError, ValueError, TypeError, KeyError):
        pass
    on_progress(f"importing {len(modules)} modules in the sandbox")
    found = importing.broken(files, made.python, made.shown, place / "bytecode")
    kept.parent.mkdir(exist_ok=True)
    with tempfile.NamedTemporaryFile("w", encoding="utf-8", dir=kept.parent, delete=False) as new:
        json.dump([dataclasses.asdict(one) for one in found], new)
    Path(new.name).replace(kept)
    return found
