"""GL514: a field of [project] is not what PEP 621 says."""

from __future__ import annotations

from collections.abc import Iterator

from packaging.version import InvalidVersion, Version

from greenlight.review.criteria import Criterion
from greenlight.review.engines.requirements import Requirements
from greenlight.review.finding import Finding, Severity
from greenlight.review.rule import Rule
from greenlight.review.subject import Subject

_FIELDS = frozenset(
    {"name", "version", "description", "readme", "requires-python", "license", "license-files", "authors",
     "maintainers", "keywords", "classifiers", "urls", "scripts", "gui-scripts", "entry-points", "dependencies",
     "optional-dependencies", "dynamic", "import-names", "import-namespaces"}
)  # fmt: skip


class ProjectMetadata(Rule):
    """A field of [project] that does not exist, or has a value of another kind."""

    id = "GL514"
    name = "project-metadata"
    criterion = Criterion.FILES
    severity = Severity.MAJOR
    sentences = ("5.5",)
    summary = "[project] has a field that PEP 621 does not know, or a value of the wrong kind."
    why = (
        "uv and the build back-ends check the table before they install anything: authors as strings, a version that "
        "is a number, or a Poetry field such as `python` are errors or are silently without effect."
    )
    remedy = "Write the field as PEP 621 has it."
    valid = (
        {
            "pyproject.toml": """
                [project]
                name = "study"
                version = "0.1.0"
                description = "A study of rates"
                authors = [{name = "A. Uthor", email = "a@example.org"}]
                license = {text = "MIT"}
                readme = {file = "README.md", content-type = "text/markdown"}

                [project.optional-dependencies]
                plots = ["matplotlib"]
            """
        },
    )
    invalid = (
        {"pyproject.toml": '[project]\nname = "study"\nversion = "0.1.0"\nauthors = ["A. Uthor"]\n'},
        {"pyproject.toml": '[project]\nname = "study"\nversion = 0.1\n'},
        {"pyproject.toml": '[project]\nname = "study"\nversion = "0.1.0"\npython = ">=3.11"\n'},
    )

    def check(self, subject: Subject) -> Iterator[Finding]:
        """Yield one finding for each field."""
        file = subject.derived(Requirements).file
        project = file.get("project") if file is not None else None
        if file is None or not isinstance(project, dict):
            return
        for field, value in project.items():
            if field not in _FIELDS:
                yield self.on(
                    file,
                    file.line("project", field),
                    f"project.{field} is no field of PEP 621",
                    _better(field),
                    severity=Severity.MINOR,
                )
                continue
            wanted = _wanted(field, value)
            if wanted is not None:
                yield self.on(
                    file,
                    file.line("project", field),
                    f"project.{field} = {_short(value)} is not {wanted}",
                    f"write project.{field} as {wanted}",
                )


def _short(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "..."


def _better(field: str) -> str:
    known = {
        "python": "write requires-python = \">=3.11\"", "python-requires": "write requires-python = \">=3.11\"",
        "requires": "write dependencies = [...]", "author": "write authors = [{name = \"...\"}]",
        "homepage": "write it under [project.urls]", "repository": "write it under [project.urls]",
        "dev-dependencies": "write them under [dependency-groups]", "packages": "remove it, or write it under [tool]",
    }  # fmt: skip
    return known.get(field, f"remove {field} or move it to the table of the tool that reads it")


def _wanted(field: str, value: object) -> str | None:
    """Return what a value should be where it is something else."""
    if field == "version":
        return None if isinstance(value, str) and _is_version(value) else 'a version such as "0.1.0"'
    if field in ("description", "requires-python"):
        return None if isinstance(value, str) else "a string"
    if field in ("keywords", "classifiers", "dynamic", "license-files"):
        return None if _are_strings(value) else "a list of strings"
    if field in ("authors", "maintainers"):
        people = isinstance(value, list) and all(
            isinstance(one, dict) and one and set(one) <= {"name", "email"} and _are_strings(list(one.values()))
            for one in value
        )
        return None if people else "a list of tables with name and email"
    if field == "license":
        table = isinstance(value, dict) and len(value) == 1 and set(value) <= {"text", "file"}
        return None if isinstance(value, str) or table else "an SPDX expression, or a table with text or file"
    if field == "readme":
        return None if isinstance(value, str | dict) else "a path or a table"
    if field in ("urls", "scripts", "gui-scripts"):
        table = isinstance(value, dict) and _are_strings(list(value.values()))
        return None if table else "a table of strings"
    if field == "optional-dependencies":
        table = isinstance(value, dict) and all(_are_strings(one) for one in value.values())
        return None if table else "a table of lists of requirements"
    return None


def _are_strings(value: object) -> bool:
    return isinstance(value, list) and all(isinstance(one, str) for one in value)


def _is_version(text: str) -> bool:
    try:
        Version(text)
    except InvalidVersion:
        return False
    return True
