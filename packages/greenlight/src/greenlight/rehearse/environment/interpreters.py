"""Which Python an environment is made with."""

from __future__ import annotations

import json
import os
import platform
import re
import subprocess
import sys
from pathlib import Path

from packaging.specifiers import InvalidSpecifier, SpecifierSet

from greenlight.errors import GreenlightError
from greenlight.rehearse.environment import uv
from greenlight.rehearse.environment.place import InstallFailure


def interpreter(requires: str, pinned: str, cwd: Path, line: int | None) -> Path | InstallFailure:
    """Return an installed Python: the running one where it fits, otherwise the one that uv picks.

    Parameters
    ----------
    requires
        ``project.requires-python``; empty where there is none.
    pinned
        What ``.python-version`` says, such as ``3.12``; empty where there is none.
    cwd
        An empty folder.
    line
        Where ``requires-python`` stands.

    Raises
    ------
    GreenlightError
        If there is such a Python, but it is not installed.
    """
    running = Path(os.path.realpath(sys.executable))
    version = platform.python_version()
    try:
        fits = not requires or SpecifierSet(requires).contains(version, prereleases=True)
    except InvalidSpecifier:
        return running  # uv says what is wrong with it
    if pinned and re.fullmatch(r"\d+(\.\d+){0,2}", pinned):
        fits = fits and f"{version}.".startswith(f"{pinned}.")
    if fits:
        return running
    asked = pinned or requires
    found = uv.run(["python", "find", "--no-project", asked], cwd)
    if found.status == 0 and Path(found.output.strip()).is_file():
        return Path(os.path.realpath(found.output.strip()))
    # What could be downloaded is listed, not downloaded.
    listed = uv.run(["python", "list", "--all-versions", "--output-format", "json", asked], cwd, downloads="automatic")
    if listed.status == 0 and json.loads(listed.output or "[]"):
        raise GreenlightError(
            f"Python {asked}: the experiment asks for it and this machine has {version}; `uv python install "
            f"'{asked}'`, or use --no-install"
        )
    return InstallFailure(found.words, line)


def version_of(python: Path) -> str:
    """Return the full version of an installed interpreter."""
    told = subprocess.run(
        [python, "-I", "-S", "-c", "import platform; print(platform.python_version())"],
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    return told.stdout.strip()
