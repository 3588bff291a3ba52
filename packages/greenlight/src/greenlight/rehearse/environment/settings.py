"""What of an experiment's pyproject.toml uv is shown: nothing that reaches outside, and nothing that would be built."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator, Mapping
from typing import Any

from greenlight.errors import GreenlightError

# Settings that change which versions are chosen, and nothing else.
_ALLOWED = frozenset({
    "conflicts", "constraint-dependencies", "default-groups", "dev-dependencies", "environments", "exclude-newer",
    "fork-strategy", "index", "index-strategy", "managed", "override-dependencies", "package", "prerelease",
    "required-environments", "resolution", "sources", "workspace",
})  # fmt: skip
_HEADER = re.compile(r"^\s*\[")
_BUILD = re.compile(r"^\s*\[\s*['\"]?build-system['\"]?\s*\]\s*(#.*)?$")
_PACKAGE = re.compile(r"^\s*package\s*=\s*true\s*(#.*)?$")


def shown(text: str, where: str) -> str:
    """Return a pyproject.toml without what makes uv build the project; every other line keeps its number.

    A text that is no TOML is returned as it is: uv says what is wrong with it.

    Parameters
    ----------
    text
        The file's content.
    where
        What an error calls it.

    Raises
    ------
    GreenlightError
        For settings and sources that a rehearsal does not hand to uv.
    """
    try:
        data = tomllib.loads(text)
    except (tomllib.TOMLDecodeError, RecursionError):
        return text
    _require_harmless(data, where)
    blanked = "\n".join(_without_build(text.split("\n")))
    expected = {key: value for key, value in data.items() if key != "build-system"}
    settings = uv_table(data)
    if settings.get("package") is True:
        rest = {key: value for key, value in settings.items() if key != "package"}
        expected["tool"] = data["tool"] | {"uv": rest}
    try:
        found = tomllib.loads(blanked)
    except tomllib.TOMLDecodeError:
        found = {}
    if found != expected:
        raise GreenlightError(
            f"{where}: its build-system cannot be set aside; write it as a table of its own, or use --no-install"
        )
    return blanked


def uv_table(data: Mapping[str, Any]) -> dict[str, Any]:
    """Return ``tool.uv``; empty where there is none."""
    tool = data.get("tool")
    table = tool.get("uv") if isinstance(tool, dict) else None
    return table if isinstance(table, dict) else {}


def index_names(data: Mapping[str, Any]) -> tuple[str, ...]:
    """Return the names of the indexes that a pyproject.toml brings."""
    return tuple(str(index.get("name", "")) for index in _tables(uv_table(data).get("index")))


def _without_build(lines: list[str]) -> Iterator[str]:
    inside = False
    for line in lines:
        if _HEADER.match(line):
            inside = bool(_BUILD.match(line))
        yield "" if inside or _PACKAGE.match(line) else line


def _require_harmless(data: Mapping[str, Any], where: str) -> None:
    settings = uv_table(data)
    for key in settings:
        if key not in _ALLOWED:
            raise GreenlightError(
                f"{where}: tool.uv.{key} is a setting that a rehearsal does not hand to uv; leave it out, or use "
                "--no-install"
            )
    for index in _tables(settings.get("index")):
        if not str(index.get("url", "")).startswith("https://"):
            raise GreenlightError(
                f"{where}: an index at {index.get('url')!r}; a rehearsal reads https alone, use --no-install"
            )
    sources = settings.get("sources")
    for name, value in sources.items() if isinstance(sources, dict) else ():
        for source in value if isinstance(value, list) else [value]:
            if isinstance(source, dict) and (kind := {"git", "path", "url"} & source.keys()):
                raise GreenlightError(
                    f"{where}: the {min(kind)} source of {name} would have to be built or read outside of the "
                    "experiment; install it and use --no-install"
                )
    more = (settings.get(f"{kind}-dependencies") for kind in ("constraint", "dev", "override"))
    for requirement in declared(data) + _strings(*more):
        name, at, address = requirement.partition("@")
        address = address.partition(";")[0].strip()
        if at and not re.match(r"https://\S+\.whl(#\S*)?\Z", address):
            raise GreenlightError(
                f"{where}: {name.strip()} comes from {address}, which would have to be built; install it and use "
                "--no-install"
            )


def declared(data: Mapping[str, Any]) -> list[str]:
    """Return all requirements of a project as they are written, those of extras and groups included."""
    project = data.get("project")
    project = project if isinstance(project, dict) else {}
    found = _strings(project.get("dependencies"))
    for table in (project.get("optional-dependencies"), data.get("dependency-groups")):
        if isinstance(table, dict):
            found += _strings(*table.values())
    return found


def _strings(*lists: object) -> list[str]:
    return [value for one in lists if isinstance(one, list) for value in one if isinstance(value, str)]


def _tables(value: object) -> list[dict[str, Any]]:
    return [one for one in value if isinstance(one, dict)] if isinstance(value, list) else []
