"""GL507: a requirement is not one that installers accept."""

from __future__ import annotations

import re
from collections.abc import Iterator

from packaging.requirements import InvalidRequirement, Requirement
from packaging.specifiers import SpecifierSet

from greenlight.review.criteria import Criterion
from greenlight.review.engines.requirements import Declared, Requirements
from greenlight.review.finding import Edit, Finding, Severity
from greenlight.review.rule import Rule
from greenlight.review.subject import Subject
from greenlight.review.toml_file import TomlFile


class RequirementSyntax(Rule):
    """Poetry's ``^`` and ``~``, or anything else that is no PEP 508 requirement."""

    id = "GL507"
    name = "requirement-syntax"
    criterion = Criterion.FILES
    severity = Severity.BLOCKER
    sentences = ("5.5",)
    summary = "A requirement under [project] is no PEP 508 requirement, so that nothing can be installed."
    why = (
        "^1.3 and ~1.3 are Poetry's own. Under [project] installers read PEP 508, where they are errors: uv ends with "
        "'project.dependencies[0] must be pep508' before it installs anything."
    )
    remedy = "Write the range with >= and <."
    valid = (
        {
            "pyproject.toml": """
                [project]
                name = "study"
                version = "0.1.0"
                dependencies = ["torch>=2.4,<3", "wandb~=0.19", "graff[energy] @ git+https://example.org/graff.git"]
            """
        },
        {"pyproject.toml": '[tool.poetry.dependencies]\npython = "^3.11"\ntorch = "^2.4"\n'},
    )
    invalid = (
        {"pyproject.toml": '[project]\nname = "a"\nversion = "1"\ndependencies = ["torch^2.4", "wandb"]\n'},
        {"pyproject.toml": '[project]\nname = "a"\nversion = "1"\ndependencies = ["scikit learn >= 1.4"]\n'},
        {
            "pyproject.toml": """
                [project]
                name = "study"
                version = "0.1.0"

                [project.dependencies]
                torch = "^2.4.0"
            """
        },
    )

    def check(self, subject: Subject) -> Iterator[Finding]:
        """Yield one finding for all carets and tildes, and one for each other string that is no requirement."""
        requirements = subject.derived(Requirements)
        file = requirements.file
        if file is None:
            return
        poetic = [e for e in requirements.entries if not e.valid and e.allowed is not None and _is_poetic(e)]
        if poetic:
            first = poetic[0]
            listed = ", ".join(f"{e.name} {e.text}" if e.place == "table" else e.text for e in poetic[:4])
            more = f" and {len(poetic) - 4} more" if len(poetic) > 4 else ""
            yield self.on(
                file,
                first.line,
                f"{listed}{more}: ^ and ~ are Poetry's, not PEP 508",
                f'write "{first.name}{_ordered(first.allowed)}" and the like',
                edits=tuple(_edit(file, e) for e in poetic if _can_be_edited(file, e, poetic)),
            )
        for place in (("project", "dependencies"),):
            values = file.get(*place)
            for value in values if isinstance(values, list) else ():
                if any(entry.text == value for entry in poetic):
                    continue
                reason = _refusal(value)
                if reason is not None:
                    text = value if isinstance(value, str) else repr(value)
                    yield self.on(
                        file,
                        file.line_with(text, *place),
                        f"{text!r} is no requirement: {reason}",
                        'write it as "name>=version"',
                    )


def _is_poetic(entry: Declared) -> bool:
    return "^" in entry.text or re.search(r"~(?!=)", entry.text) is not None


def _ordered(allowed: SpecifierSet | None) -> str:
    return ",".join(sorted(map(str, allowed or ()), key=lambda one: (not one.startswith((">", "=", "~")), one)))


def _can_be_edited(file: TomlFile, entry: Declared, every: list[Declared]) -> bool:
    # A table is mended as a whole by the rule about tables; two changes of one line would undo each other.
    alone = sum(other.line == entry.line for other in every) == 1
    return alone and entry.place == "project" and file.lines[entry.line - 1].count(entry.text) == 1


def _edit(file: TomlFile, entry: Declared) -> Edit:
    written = file.lines[entry.line - 1].replace(entry.text, f"{entry.name}{_ordered(entry.allowed)}")
    return Edit(file.path, entry.line, entry.line, written)


def _refusal(value: object) -> str | None:
    if not isinstance(value, str):
        return f"a {type(value).__name__}, not a string"
    try:
        Requirement(value)
    except InvalidRequirement as error:
        return " ".join(str(error).splitlines()[0].split())
    return None
