"""The exact packages of an environment, in the form of PEP 751 that uv writes and installs."""

from __future__ import annotations

import hashlib
import json
import tomllib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from packaging.markers import InvalidMarker, Marker, default_environment
from packaging.utils import canonicalize_name


@dataclass(frozen=True)
class Package:
    """One locked distribution.

    Attributes
    ----------
    name, version
        Normalised; the version is empty for a folder's.
    marker
        Where it is installed; empty for everywhere.
    index
        Where it comes from; empty where that is no index.
    wheels
        Address and SHA-256 of each.
    source
        Address and SHA-256 of its source archive, or None.
    folder
        The package's folder below the workspace, or None.
    """

    name: str
    version: str
    marker: str
    index: str
    wheels: tuple[tuple[str, str], ...]
    source: tuple[str, str] | None
    folder: str | None

    def is_for(self, python_version: str) -> bool:
        """Return whether it is installed on this machine with a Python of a version."""
        environment = dict(default_environment()) | {
            "python_full_version": python_version,
            "python_version": ".".join(python_version.split(".")[:2]),
        }
        try:
            return not self.marker or Marker(self.marker).evaluate({str(k): str(v) for k, v in environment.items()})
        except InvalidMarker:  # one of extras and groups, which packaging does not read outside of a lock
            return True


def packages(text: str) -> tuple[Package, ...]:
    """Return the packages of a ``pylock.toml``; those that come from anything but files and folders keep neither."""
    return tuple(_package(entry) for entry in tomllib.loads(text).get("packages", ()))


def _package(entry: Mapping[str, Any]) -> Package:
    archive = _file(entry["archive"]) if "archive" in entry else None
    wheels = [_file(wheel) for wheel in entry.get("wheels", ())]
    if archive is not None and archive[0].partition("#")[0].endswith(".whl"):
        wheels, archive = [*wheels, archive], None
    return Package(
        canonicalize_name(entry["name"]),
        str(entry.get("version", "")),
        str(entry.get("marker", "")),
        str(entry.get("index", "")),
        tuple(wheel for wheel in wheels if wheel is not None),
        _file(entry["sdist"]) if "sdist" in entry else archive,
        str(entry["directory"]["path"]) if "directory" in entry else None,
    )


def _file(entry: Mapping[str, Any]) -> tuple[str, str] | None:
    digest = entry.get("hashes", {}).get("sha256", "")
    return (str(entry["url"]), str(digest)) if "url" in entry and digest else None


def digest(locked: Iterable[Package], *parts: str) -> str:
    """Return the hexadecimal name of an environment: the same for the same packages, Python and machine."""
    told = [repr(package) for package in sorted(locked, key=lambda one: (one.name, one.version, one.marker))]
    return hashlib.sha256(json.dumps([*told, *parts]).encode()).hexdigest()[:32]


def written(locked: Sequence[Package], built: Mapping[str, Path]) -> str:
    """Return a ``pylock.toml`` of wheels alone.

    Parameters
    ----------
    locked
        What is to be installed.
    built
        Wheels that were made here, by name.
    """
    if not locked:
        return 'lock-version = "1.0"\ncreated-by = "greenlight"\npackages = []\n'
    lines = ['lock-version = "1.0"', 'created-by = "greenlight"']
    for package in locked:
        lines += ["", "[[packages]]", f"name = {json.dumps(package.name)}"]
        if package.version:
            lines.append(f"version = {json.dumps(package.version)}")
        if package.marker:
            lines.append(f"marker = {json.dumps(package.marker)}")
        if package.name in built:
            path = built[package.name]
            sha = hashlib.sha256(path.read_bytes()).hexdigest()
            lines.append(f"archive = {{ path = {json.dumps(str(path))}, hashes = {{ sha256 = {json.dumps(sha)} }} }}")
            continue
        if package.index:
            lines.append(f"index = {json.dumps(package.index)}")
        wheels = [
            f"  {{ url = {json.dumps(url)}, hashes = {{ sha256 = {json.dumps(sha)} }} }},"
            for url, sha in package.wheels
        ]
        lines += ["wheels = [", *wheels, "]"]
    return "\n".join(lines) + "\n"
