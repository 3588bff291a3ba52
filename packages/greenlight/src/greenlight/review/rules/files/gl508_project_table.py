"""GL508: the project table, its name or its version is missing."""

from __future__ import annotations

import re
from collections.abc import Iterator

from greenlight.review.criteria import Criterion
from greenlight.review.engines.requirements import Requirements
from greenlight.review.finding import Finding, Severity
from greenlight.review.rule import Rule
from greenlight.review.subject import Subject

_NAME = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?")


class ProjectTable(Rule):
    """uv needs ``[project]`` with a name and a version."""

    id = "GL508"
    name = "project-table"
    criterion = Criterion.FILES
    severity = Severity.BLOCKER
    sentences = ("5.5",)
    summary = "pyproject.toml has no [project] with a name and a version, so that uv installs nothing."
    why = (
        "uv reads [project] alone. A file with [tool.poetry] only is accepted and installs nothing, so the first "
        "import of the training fails; a [project] without a name or a version is an error."
    )
    remedy = "Write [project] with name, version and dependencies."
    valid = (
        {"pyproject.toml": '[project]\nname = "study"\nversion = "0.1.0"\n'},
        {"pyproject.toml": '[project]\nname = "study"\ndynamic = ["version"]\n'},
    )
    invalid = (
        {"pyproject.toml": '[tool.poetry]\nname = "study"\n\n[tool.poetry.dependencies]\ntorch = "^2.4"\n'},
        {"pyproject.toml": '[project]\nname = "my study"\nversion = "0.1.0"\n'},
        {"pyproject.toml": '[project]\nname = "study"\ndependencies = ["torch"]\n'},
    )

    def check(self, subject: Subject) -> Iterator[Finding]:
        """Yield what is missing."""
        file = subject.derived(Requirements).file
        if file is None:
            return
        project = file.get("project")
        if project is None:
            poetry = "poetry" in file.get("tool", default={}) if isinstance(file.get("tool"), dict) else False
            told = "uv does not read [tool.poetry]" if poetry else "uv installs nothing"
            yield self.on(
                file,
                file.line("tool", "poetry") if poetry else 1,
                f"pyproject.toml has no [project] table: {told}",
                "write [project] with name, version and dependencies",
            )
            return
        if not isinstance(project, dict):
            yield self.on(file, file.line("project"), "project is no table", "write [project] with name and version")
            return
        line, name, dynamic = file.line("project"), project.get("name"), project.get("dynamic", [])
        if name is None:
            yield self.on(file, line, "[project] has no name", 'add name = "..." to [project]')
        elif not isinstance(name, str) or not _NAME.fullmatch(name):
            yield self.on(
                file,
                file.line("project", "name"),
                f"project.name = {name!r} is no name of a package",
                "use letters, digits, '-', '_' and '.' alone",
            )
        if "version" not in project and not (isinstance(dynamic, list) and "version" in dynamic):
            yield self.on(file, line, "[project] has no version", 'add version = "0.1.0" to [project]')
