"""The environment that an experiment's commands run with, and what has to be changed until there is one."""

from __future__ import annotations

import ast
import re
import tomllib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from greenlight.contract.submission import Submission
from greenlight.errors import GreenlightError
from greenlight.rehearse.environment import Environment, InstallFailure, current, own
from greenlight.rehearse.menders import mend
from greenlight.rehearse.observer.record import Raised
from greenlight.rehearse.rehearsal import InstallTrouble
from greenlight.review.engines.distributions import providers

_FILE = "pyproject.toml"
_NAME = re.compile(r"[A-Za-z0-9][\w.-]*(?:\[[^\]]*\])?")


@dataclass(frozen=True)
class Prepared:
    """What commands are performed with.

    Attributes
    ----------
    environment
        The packages.
    files
        The experiment's files, with what was changed so that there is an environment.
    trouble
        What was wrong on the way, None where nothing was to be installed.
    """

    environment: Environment
    files: Mapping[str, bytes]
    trouble: tuple[InstallTrouble, ...] | None = None


def prepare(subject: Submission, cache: Path, told: Callable[[str], None]) -> Prepared:
    """Install what an experiment declares; where that fails, mend it in the copy, or take the newest of everything.

    Parameters
    ----------
    subject
        The experiment.
    cache
        Where environments are kept.
    told
        Called with a line about every step that takes time.

    Raises
    ------
    GreenlightError
        Where installing fails for reasons that are none of the experiment's, such as a missing network.
    """
    files: Mapping[str, bytes] = subject.files
    trouble: list[InstallTrouble] = []
    try:
        return _declared(subject, files, cache, told, trouble)
    except GreenlightError as error:
        # Such as a package that exists as source alone: no fault of the experiment, and perhaps one of old versions.
        told(str(error))
        return _newest(files, cache, told, trouble)


def _declared(
    subject: Submission,
    files: Mapping[str, bytes],
    cache: Path,
    told: Callable[[str], None],
    trouble: list[InstallTrouble],
) -> Prepared:
    """Install what is declared; `trouble` gets what is wrong with it."""
    made = own(files, subject.root, cache, told)
    while isinstance(made, InstallFailure):
        raised = Raised("InstallFailure", made.words, "InstallFailure", made.words, _FILE, made.line or 0, "")
        mended = mend(raised, files)
        trouble.append(InstallTrouble(made.words, made.line, mended.said if mended else None))
        if mended is None:
            return _newest(files, cache, told, trouble)
        told(f"  {_FILE} cannot be installed; scratch copy: {mended.said}")
        files = mended.files
        made = own(files, None, cache, told)
    if made.broken:
        trouble += [InstallTrouble(f"`import {one.module}` fails once installed: {one.words}") for one in made.broken]
        return _newest(files, cache, told, trouble)
    return Prepared(made, files, tuple(trouble))


def _newest(
    files: Mapping[str, bytes],
    cache: Path,
    told: Callable[[str], None],
    trouble: list[InstallTrouble],
) -> Prepared:
    """Go on with the newest versions of what is declared and of what is imported, or with the current environment."""
    relaxed = _without_versions(files.get(_FILE, b""), sorted(_imported(files)))
    if relaxed is not None:
        told("going on with the newest versions of the declared packages")
        made = own({**files, _FILE: relaxed}, None, cache, told)
        if isinstance(made, Environment):
            note = f"the newest versions of what is declared and imported, because that failed: {made.note}"
            return Prepared(replace(made, note=note), files, tuple(trouble))
    told("going on with the current environment")
    return Prepared(current(), files, tuple(trouble))


def _imported(files: Mapping[str, bytes]) -> set[str]:
    """Return the distributions of the modules that the experiment's files import, as far as they are known."""
    found: set[str] = set()
    for path, content in files.items():
        if not path.endswith(".py"):
            continue
        try:
            tree = ast.parse(content)
        except (SyntaxError, ValueError, RecursionError):
            continue
        for node in ast.walk(tree):
            modules: list[str] = []
            if isinstance(node, ast.Import):
                modules = [alias.name for alias in node.names]
            elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
                modules = [node.module]
            for module in modules:
                found.update(providers(module.partition(".")[0])[:1])
    return found


def _without_versions(content: bytes, also: Sequence[str]) -> bytes | None:
    """Return a pyproject.toml that asks for the same packages in any version, and others; None where there are none."""
    try:
        project = tomllib.loads(content.decode("utf-8")).get("project", {})
        names = [found[0] for text in project.get("dependencies", ()) if (found := _NAME.match(text.strip()))]
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, AttributeError, TypeError):
        names = []
    names += also
    if not names:
        return None
    listed = ", ".join(f'"{name}"' for name in dict.fromkeys(names))
    return (
        f'[project]\nname = "relaxed"\nversion = "0"\nrequires-python = ">=3.9"\ndependencies = [{listed}]\n'.encode()
    )
