"""Builds a wheel from source in the sandbox: code of strangers runs there, without a network."""

from __future__ import annotations

import hashlib
import json
import os
import tarfile
import tempfile
import tomllib
import urllib.error
import urllib.request
import zipfile
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path, PurePosixPath
from typing import IO

from greenlight.errors import GreenlightError
from greenlight.rehearse.environment import uv, workspace
from greenlight.rehearse.sandbox import Limits, Sandbox, View

_LARGEST_ARCHIVE, _LARGEST_SOURCE = 256 * 2**20, 1 << 30
_LIMITS = Limits(600.0, memory_bytes=4 * 2**30, disk_bytes=2 * 2**30)
# The two hooks of PEP 517; what the backend asks for besides is written down, a wheel is the other outcome.
_HOOKS = """
import importlib, json, os, sys
name, paths, out, have = json.loads(sys.argv[1])
sys.path[:0] = [os.path.abspath(path) for path in paths]
if not paths and name.endswith("__legacy__"):
    sys.path.insert(0, os.getcwd())
module, _, attribute = name.partition(":")
backend = importlib.import_module(module)
for part in filter(None, attribute.split(".")):
    backend = getattr(backend, part)
asked = getattr(backend, "get_requires_for_build_wheel", lambda settings=None: [])(None)
if set(asked) - set(have):
    with open(os.path.join(out, "requires.json"), "w") as file:
        json.dump(list(asked), file)
else:
    backend.build_wheel(out)
"""


def of_archive(name: str, address: str, sha256: str, python: Path, into: Path) -> Path:
    """Return the wheel of a source archive.

    Parameters
    ----------
    name
        The distribution.
    address, sha256
        Where the archive is, over HTTP, and what it must be.
    python
        An installed interpreter.
    into
        An existing folder for the wheel.

    Raises
    ------
    GreenlightError
        If the archive cannot be had or cannot be built here.
    """
    with tempfile.TemporaryDirectory(prefix="gl-build-") as temporary:
        archive = Path(temporary) / address.partition("#")[0].rpartition("/")[2]
        archive.write_bytes(_downloaded(name, address, sha256))
        source = Path(temporary) / "box" / "source"
        try:
            _unpack(archive, source)
        except (tarfile.TarError, zipfile.BadZipFile, OSError, EOFError) as error:
            raise GreenlightError(f"{name}: {address} cannot be unpacked ({error}); use --no-install") from error
        inner = list(source.iterdir())
        return _built(name, inner[0] if len(inner) == 1 and inner[0].is_dir() else source, python, into)


def of_folder(name: str, folder: Path, python: Path, into: Path) -> Path:
    """Return the wheel of a package's folder, built from a copy of it; see :func:`of_archive`."""
    with tempfile.TemporaryDirectory(prefix="gl-build-") as temporary:
        source = Path(temporary) / "box" / "source"
        for relative, path in workspace.tree(folder):
            target = source / relative
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(path.read_bytes())
        return _built(name, source, python, into)


def _built(name: str, source: Path, python: Path, into: Path) -> Path:
    temporary = next(parent for parent in source.parents if parent.name == "box").parent.resolve()
    box, out = temporary / "box", temporary / "box" / "out"
    out.mkdir()
    (box / "home").mkdir()
    requires, backend, paths = _build_system(name, source)
    asked: list[str] = []
    for number in range(2):
        tools = temporary / f"tools-{number}"
        _install_tools(name, [*requires, *asked], tools, python, temporary)
        view = View.of_python(tools / "bin" / "python")
        given = json.dumps([backend, paths, str(out), asked])
        log = temporary / "build.log"
        ended = Sandbox(box, view).run(
            [str(tools / "bin" / "python"), "-c", _HOOKS, given],
            cwd=source,
            environment={"PATH": f"{tools}/bin:/usr/bin:/bin", "HOME": str(box / "home"), "LANG": "C.UTF-8"},
            limits=_LIMITS,
            log=log,
        )
        wheels = [path for path in out.glob("*.whl") if path.is_file() and not path.is_symlink()]
        if ended.status == 0 and len(wheels) == 1:
            target = into / wheels[0].name
            target.write_bytes(wheels[0].read_bytes())
            return target
        wanted = out / "requires.json"
        if ended.status != 0 or number or not wanted.is_file() or wanted.is_symlink() or wanted.stat().st_size > 65536:
            break
        asked = [str(one) for one in json.loads(wanted.read_bytes())]
    said = log.read_bytes()[-4000:].decode("utf-8", errors="replace").strip().rpartition("\n")[2][:300]
    raise GreenlightError(
        f"{name}: it exists as source only and cannot be built in the sandbox ({said}); install it and use --no-install"
    )


def _build_system(name: str, source: Path) -> tuple[list[str], str, list[str]]:
    """Return what a source requires to be built, its backend, and where in the source that is looked for."""
    file = source / "pyproject.toml"
    try:
        content = file.read_text(encoding="utf-8") if file.is_file() and not file.is_symlink() else ""
        table = tomllib.loads(content).get("build-system", {})
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise GreenlightError(f"{name}: the pyproject.toml of its source cannot be read; use --no-install") from error
    requires = table.get("requires", ["setuptools>=40.8", "wheel"])
    backend, paths = table.get("build-backend", "setuptools.build_meta:__legacy__"), table.get("backend-path", [])
    if not isinstance(backend, str) or not all(
        isinstance(value, list) and all(isinstance(one, str) for one in value) for value in (requires, paths)
    ):
        raise GreenlightError(f"{name}: the build-system of its source is malformed; use --no-install")
    return requires, backend, paths


def _install_tools(name: str, requires: Sequence[str], tools: Path, python: Path, temporary: Path) -> None:
    neutral = temporary / "neutral"
    neutral.mkdir(exist_ok=True)
    made = uv.run(["venv", "--no-project", "--python", str(python), str(tools)], neutral)
    if made.status == 0 and requires:
        listed = neutral / "requires.txt"
        # An option in such a line would reach uv: one line, one requirement.
        if any("\n" in one or one.lstrip().startswith("-") for one in requires):
            raise GreenlightError(f"{name}: the build-system of its source is malformed; use --no-install")
        listed.write_text("\n".join(requires) + "\n", encoding="utf-8")
        made = uv.run(["pip", "install", "--no-build", "--python", str(tools), "-r", str(listed)], neutral)
    if made.status != 0:
        raise uv.unknown(made, f"install what {name} needs to be built")


def _downloaded(name: str, address: str, sha256: str) -> bytes:
    if not address.startswith(("https://", "http://")):
        raise GreenlightError(f"{name}: its source is at {address}, which a rehearsal does not read; use --no-install")
    try:
        with urllib.request.urlopen(address, timeout=60) as answer:  # noqa: S310 - the two schemes above
            content: bytes = answer.read(_LARGEST_ARCHIVE + 1)
    except (urllib.error.URLError, OSError) as error:
        raise GreenlightError(f"{name}: its source at {address} cannot be had ({error}); use --no-install") from error
    if hashlib.sha256(content).hexdigest() != sha256:
        raise GreenlightError(f"{name}: what is at {address} is not what was locked; use --no-install")
    return content


def _unpack(archive: Path, target: Path) -> None:
    """Write the regular files of an archive, and nothing that leads out of the target."""
    total = 0
    with ExitStack() as stack:
        for name, file in _members(archive, stack):
            path = PurePosixPath(name)
            if path.is_absolute() or ".." in path.parts or not path.parts:
                continue
            place = target.joinpath(*path.parts)
            place.parent.mkdir(parents=True, exist_ok=True)
            with place.open("wb") as written:
                while chunk := file.read(1 << 20):
                    total += len(chunk)
                    if total > _LARGEST_SOURCE:
                        raise OSError(f"more than {_LARGEST_SOURCE >> 20} MiB in it")
                    written.write(chunk)
    os.makedirs(target, exist_ok=True)  # noqa: PTH103 - an empty archive


def _members(archive: Path, stack: ExitStack) -> Iterator[tuple[str, IO[bytes]]]:
    if archive.suffix == ".zip":
        zipped = stack.enter_context(zipfile.ZipFile(archive))
        for entry in zipped.infolist():
            if not entry.is_dir():
                with zipped.open(entry) as file:
                    yield entry.filename, file
        return
    tarred = stack.enter_context(tarfile.open(archive))  # noqa: SIM115 - closed by the stack
    for member in tarred:
        if member.isreg() and (content := tarred.extractfile(member)) is not None:
            yield member.name, content
