"""What pyproject.toml declares: each requirement, what it admits, and what surely comes along with it."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

from packaging.requirements import InvalidRequirement, Requirement
from packaging.specifiers import InvalidSpecifier, SpecifierSet
from packaging.utils import canonicalize_name
from packaging.version import InvalidVersion, Version

from greenlight.review.engines.distributions import REQUIRES
from greenlight.review.subject import Subject
from greenlight.review.toml_file import TomlFile

Place = Literal["project", "table", "extra", "group", "poetry"]
_CARET = re.compile(r"^\s*(?P<operator>\^|~)(?!=)\s*(?P<version>[0-9][\w.+!-]*)\s*$")
_NAME = re.compile(r"^\s*(?P<name>[A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?)\s*(?:\[[^\]]*\])?\s*(?P<rest>.*)$")


@dataclass(frozen=True)
class Declared:
    """One requirement as it is written.

    Attributes
    ----------
    name
        The distribution's normalised name.
    text
        As it stands: ``torch>=2.1`` of a list, ``^2.1`` of a table.
    line
        Where it stands.
    place
        ``project`` for ``project.dependencies``; ``table`` where that is a table, which nothing can install.
    allowed
        The versions it admits, those of Poetry's ``^`` and ``~`` included; None where the text is not understood.
    valid
        Whether it is a requirement that installers accept at this place.
    """

    name: str
    text: str
    line: int
    place: Place
    allowed: SpecifierSet | None
    valid: bool
    requirement: Requirement | None = None


class Requirements:
    """All that pyproject.toml declares.

    Attributes
    ----------
    file
        pyproject.toml, or None where it is missing, blank or cannot be parsed: then nothing is known.
    entries
        Every requirement in order of the file.
    is_open
        Whether more requirements come from where the file does not tell.
    """

    def __init__(self, subject: Subject) -> None:
        file = subject.pyproject
        if file is not None and (file.error is not None or not file.data):
            file = None
        self.file = file
        self.entries: tuple[Declared, ...] = tuple(_entries(file)) if file is not None else ()
        dynamic = file.get("project", "dynamic", default=[]) if file is not None else []
        self.is_open = file is None or (isinstance(dynamic, list) and "dependencies" in dynamic)

    @cached_property
    def names(self) -> frozenset[str]:
        """The declared distributions."""
        return frozenset(entry.name for entry in self.entries)

    @cached_property
    def brought(self) -> frozenset[str]:
        """The declared distributions and all that those of them that are known bring along."""
        found: set[str] = set()
        waiting = list(self.names)
        while waiting:
            name = waiting.pop()
            if name not in found:
                found.add(name)
                waiting.extend(REQUIRES.get(name, ()))
        return frozenset(found)

    @property
    def all_known(self) -> bool:
        """Whether it is known of every declared distribution what it brings along."""
        return not self.is_open and all(name in REQUIRES for name in self.names)

    def of(self, name: str) -> tuple[Declared, ...]:
        """Return the requirements on a distribution."""
        return tuple(entry for entry in self.entries if entry.name == canonicalize_name(name))

    def admits(self, name: str, version: str) -> bool:
        """Return whether a version fits all that is declared of a distribution; True where nothing is."""
        return all(e.allowed is None or e.allowed.contains(version, prereleases=True) for e in self.of(name))


def _entries(file: TomlFile) -> Iterator[Declared]:
    declared = file.get("project", "dependencies")
    if isinstance(declared, list):
        yield from _of_list(file, declared, "project", ("project", "dependencies"))
    elif isinstance(declared, dict):
        yield from _of_table(file, declared, "table", ("project", "dependencies"))
    for place, path in (
        ("extra", ("project", "optional-dependencies")),
        ("group", ("dependency-groups",)),
    ):
        groups = file.get(*path)
        if isinstance(groups, dict):
            for group, values in groups.items():
                if isinstance(values, list):
                    yield from _of_list(file, values, place, (*path, group))  # type: ignore[arg-type]
    more = file.get("tool", "uv", "dev-dependencies")
    if isinstance(more, list):
        yield from _of_list(file, more, "group", ("tool", "uv", "dev-dependencies"))
    poetry = file.get("tool", "poetry", "dependencies")
    if isinstance(poetry, dict):
        yield from _of_table(file, poetry, "poetry", ("tool", "poetry", "dependencies"))


def _of_list(file: TomlFile, values: Iterable[object], place: Place, path: tuple[str, ...]) -> Iterator[Declared]:
    for value in values:
        if not isinstance(value, str):
            continue
        line = file.line_with(value, *path)
        found = _NAME.match(value)
        try:
            requirement = Requirement(value)
        except InvalidRequirement:
            if found:
                rest = found["rest"].strip().lstrip("=").strip().strip("\"'")
                yield Declared(canonicalize_name(found["name"]), value, line, place, translated(rest), valid=False)
            continue
        name = canonicalize_name(requirement.name)
        allowed = None if requirement.url else requirement.specifier
        yield Declared(name, value, line, place, allowed, valid=True, requirement=requirement)


def _of_table(file: TomlFile, values: dict[str, object], place: Place, path: tuple[str, ...]) -> Iterator[Declared]:
    for name, value in values.items():
        if name == "python":
            continue
        version = value.get("version") if isinstance(value, dict) else value
        text = version if isinstance(version, str) else ""
        yield Declared(
            canonicalize_name(name),
            text,
            file.line(*path, name),
            place,
            translated(text) if text else None,
            valid=place == "poetry" or _is_specifier(text),
        )


def _is_specifier(text: str) -> bool:
    try:
        SpecifierSet("" if text == "*" else text)
    except InvalidSpecifier:
        return False
    return True


def translated(text: str) -> SpecifierSet | None:
    """Return the versions that a version constraint admits, Poetry's ``^``, ``~`` and ``*`` included.

    Examples
    --------
    >>> str(translated("^0.16.4"))
    '<0.17,>=0.16.4'
    >>> str(translated("^2.1"))
    '<3,>=2.1'
    """
    if text.strip() in ("", "*"):
        return SpecifierSet()
    found = _CARET.match(text)
    try:
        if not found:
            if re.fullmatch(r"\s*[0-9][\w.+!-]*\s*", text):
                return SpecifierSet(f"=={text.strip()}")
            return SpecifierSet(text)
        release = Version(found["version"]).release
        return SpecifierSet(f">={found['version']},<{_next(release, found['operator'])}")
    except (InvalidSpecifier, InvalidVersion):
        return None


def _next(release: tuple[int, ...], operator: str) -> str:
    if operator == "~":
        kept = 1 if len(release) == 1 else 2
    else:
        kept = next((n for n, part in enumerate(release, start=1) if part), len(release))
    return ".".join(str(part) for part in (*release[: kept - 1], release[kept - 1] + 1))


def samples(*sets: SpecifierSet) -> list[Version]:
    """Return versions enough to tell whether several constraints have one in common: those named and just beside."""
    found: set[Version] = {Version("0"), Version("99999")}
    for allowed in sets:
        for one in allowed:
            try:
                version = Version(one.version.removesuffix(".*"))
            except InvalidVersion:
                continue
            release = version.release
            found.add(version)
            found.add(Version(".".join(map(str, (*release, 0, 1)))))
            for place in range(len(release)):
                found.add(Version(".".join(map(str, (*release[:place], release[place] + 1)))))
                if release[place]:
                    found.add(Version(".".join(map(str, (*release[:place], release[place] - 1, 99999)))))
    return sorted(found)
