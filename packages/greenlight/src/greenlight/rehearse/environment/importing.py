"""Tries, in the sandbox, what the experiment imports of third parties where it is installed."""

from __future__ import annotations

import ast
import json
import re
import shutil
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from greenlight.rehearse.environment.place import Unimportable
from greenlight.rehearse.sandbox import Limits, Sandbox, View

_LIMITS = Limits(300.0)
_ROUNDS = 4
_LARGEST_ANSWER = 1 << 16
# The first failure ends the process: what comes after a failed import fails for reasons of its own.
_TRIAL = """
import importlib, json, sys
for name in sys.argv[2:]:
    try:
        importlib.import_module(name)
    except Exception as error:
        kinds = [kind.__name__ for kind in type(error).__mro__]
        with open(sys.argv[1], "w") as file:
            json.dump({"module": name, "kinds": kinds, "message": str(error)[:2000]}, file)
        break
"""
_PACKAGES_FAULT = (
    "ImportError",
    "AttributeError",
    "TypeError",
    "NameError",
    "SyntaxError",
    "ValueError",
    "RuntimeError",
)
# A library or a device that this machine lacks tells nothing about the packages.
_MACHINES_FAULT = re.compile(r"cannot open shared object file|cuda|nvidia|\bgpu\b|\brocm\b|driver|temporary failure|"
                             r"name resolution|connection|permission|read-only", re.IGNORECASE)  # fmt: skip


def broken(files: Mapping[str, bytes], python: Path, shown: View, bytecode: Path) -> tuple[Unimportable, ...]:
    """Return what cannot be imported, each in a new process after the one before is left out.

    A trial that a limit or a signal ends, and a failure that this machine may be the cause of, tell nothing.

    Parameters
    ----------
    files
        The experiment's files by path.
    python, shown
        The environment.
    bytecode
        Where the modules that are compiled on the way are kept, if it is not there yet.
    """
    modules = third_party(files)
    found: list[Unimportable] = []
    for _ in range(_ROUNDS):
        if not modules:
            break
        answer = _tried(modules, python, shown, bytecode)
        name = answer.get("module")
        if not isinstance(name, str) or name not in modules:
            break
        message, kinds = str(answer.get("message", "")), answer.get("kinds")
        kinds = [str(kind) for kind in kinds] if isinstance(kinds, list) else []
        if set(kinds) & set(_PACKAGES_FAULT) and not _MACHINES_FAULT.search(message):
            found.append(Unimportable(name, f"{kinds[0]}: {' '.join(message.split())[:300]}"))
        top = name.partition(".")[0]
        modules = tuple(module for module in modules if module.partition(".")[0] != top)
    return tuple(found)


def third_party(files: Mapping[str, bytes]) -> tuple[str, ...]:
    """Return the modules that an experiment's files import at their top level, neither Python's own nor theirs.

    Imports inside of functions, conditions and ``try`` are left out: they may be meant to fail.
    """
    own = {part.removesuffix(".py") for path in files if path.endswith(".py") for part in path.split("/")}
    found = dict.fromkeys(
        module
        for path in sorted(files)
        if path.endswith(".py") and (path.startswith("src/") or "/" not in path) and path != "setup.py"
        for module in _imported(files[path])
    )
    return tuple(
        module
        for module in found
        if (top := module.partition(".")[0]) not in own and top not in sys.stdlib_module_names
    )


def _imported(content: bytes) -> Iterator[str]:
    try:
        tree = ast.parse(content)
    except (SyntaxError, ValueError, RecursionError):
        return
    for statement in tree.body:
        if isinstance(statement, ast.Import):
            yield from (alias.name for alias in statement.names)
        elif isinstance(statement, ast.ImportFrom) and statement.level == 0 and statement.module:
            yield statement.module


def _tried(modules: Sequence[str], python: Path, shown: View, bytecode: Path) -> dict[str, object]:
    with tempfile.TemporaryDirectory(prefix="gl-import-") as temporary:
        work = Path(temporary).resolve() / "work"
        work.mkdir()
        if bytecode.is_dir():
            shutil.copytree(bytecode, work / "bytecode", symlinks=True)
        answer = work / "answer.json"
        environment = {
            "PATH": f"{python.parent}:/usr/bin:/bin",
            "HOME": str(work),
            "LANG": "C.UTF-8",
            "HF_HOME": str(work / "huggingface"),
            "MPLCONFIGDIR": str(work / "matplotlib"),
            "PYTHONPYCACHEPREFIX": str(work / "bytecode"),
        }
        ended = Sandbox(work, shown).run(
            [str(python), "-c", _TRIAL, str(answer), *modules],
            cwd=work,
            environment=environment,
            limits=_LIMITS,
            log=work.parent / "log",
        )
        if ended.stopped is None and not bytecode.is_dir() and (work / "bytecode").is_dir():
            shutil.move(work / "bytecode", bytecode)
        if ended.status != 0 or not answer.is_file() or answer.is_symlink():
            return {}
        if answer.stat().st_size > _LARGEST_ANSWER:
            return {}
        try:
            told = json.loads(answer.read_bytes())
        except ValueError:
            return {}
        return told if isinstance(told, dict) else {}
