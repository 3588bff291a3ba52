"""GL506: the dependencies are a table, not a list."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from greenlight.review.criteria import Criterion
from greenlight.review.engines.requirements import Requirements, translated
from greenlight.review.finding import Edit, Finding, Severity
from greenlight.review.rule import Rule
from greenlight.review.subject import Subject
from greenlight.review.toml_file import TomlFile

_HEADER = re.compile(r"^\s*\[(?!\[)\s*project\s*\.\s*dependencies\s*\]\s*(?:#.*)?$")


class DependencyTable(Rule):
    """``[project.dependencies]`` is written as Poetry writes it."""

    id = "GL506"
    name = "dependency-table"
    criterion = Criterion.FILES
    severity = Severity.BLOCKER
    sentences = ("5.5",)
    summary = "project.dependencies is not a list of requirements, so that nothing can be installed."
    why = (
        "PEP 621 wants an array of strings; a table under [project.dependencies] is Poetry's form under the wrong "
        "name. uv ends with 'invalid type: map, expected a sequence'. All packages that a recorded reviewer had passed "
        "as ready had this."
    )
    remedy = 'Write dependencies = ["name>=version", ...] inside of [project].'
    valid = (
        {"pyproject.toml": '[project]\nname = "study"\nversion = "1"\ndependencies = ["torch>=2.4", "wandb"]\n'},
        {"pyproject.toml": '[tool.poetry.dependencies]\ntorch = "^2.4"\n'},
    )
    invalid = (
        {
            "pyproject.toml": """
                [project]
                name = "study"
                version = "0.1.0"

                [project.dependencies]
                torch = ">=2.4"
                wandb = "*"
            """
        },
        {"pyproject.toml": '[project]\nname = "study"\nversion = "1"\ndependencies = "torch"\n'},
    )

    def check(self, subject: Subject) -> Iterator[Finding]:
        """Yield one finding if there is no list."""
        file = subject.derived(Requirements).file
        declared = file.get("project", "dependencies") if file is not None else None
        if file is None or declared is None or isinstance(declared, list):
            return
        line = file.line("project", "dependencies")
        kind = "a table" if isinstance(declared, dict) else f"a {type(declared).__name__}"
        yield self.on(
            file,
            line,
            f"project.dependencies is {kind}; it has to be an array of requirement strings",
            'write dependencies = ["name>=version", ...] inside of [project]',
            edits=_edits(file, declared, line) if isinstance(declared, dict) else (),
        )


def _edits(file: TomlFile, declared: dict[str, Any], header: int) -> tuple[Edit, ...]:
    """Return the table as an array, where it directly follows [project] and each entry has a plain version."""
    if not _HEADER.match(file.lines[header - 1]):
        return ()
    before = [line.strip() for line in file.lines[: header - 1] if line.lstrip().startswith("[")]
    headers = [line for line in before if re.match(r"^\[[^\[].*\]\s*(#.*)?$", line)]
    if not headers or not re.match(r"^\[\s*project\s*\]", headers[-1]):
        return ()
    written, last = [], header
    for name, value in declared.items():
        allowed = translated(value) if isinstance(value, str) else None
        if allowed is None:
            return ()
        last = max(last, file.line("project", "dependencies", name))
        ordered = sorted(map(str, allowed), key=lambda one: (not one.startswith((">", "=", "~")), one))
        written.append(f'    "{name}{",".join(ordered)}",')
    if any(line.strip() and not line.lstrip().startswith("#") and "=" not in line for line in file.lines[header:last]):
        return ()
    return (Edit(file.path, header, last, "\n".join(["dependencies = [", *written, "]"])),)
