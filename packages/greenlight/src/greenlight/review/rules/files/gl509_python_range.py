"""GL509: requires-python admits a Python that the code or its dependencies do not."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from packaging.specifiers import InvalidSpecifier, SpecifierSet
from packaging.version import Version

from greenlight.review.criteria import Criterion
from greenlight.review.engines.requirements import Declared, Requirements, samples, translated
from greenlight.review.finding import Finding, Severity
from greenlight.review.module import Module
from greenlight.review.rule import NotApplicable, Rule
from greenlight.review.subject import Subject

# Distribution, its version from which on, the Python it needs: published metadata of those releases.
_NEEDS_PYTHON = (
    ("numpy", "2.3", "3.11"), ("numpy", "2.1", "3.10"), ("numpy", "2.0", "3.9"),
    ("pandas", "3.0", "3.11"), ("pandas", "2.1", "3.9"),
    ("scipy", "1.16", "3.11"), ("scipy", "1.14", "3.10"), ("scipy", "1.11", "3.9"),
    ("scikit-learn", "1.7", "3.10"), ("scikit-learn", "1.4", "3.9"),
    ("matplotlib", "3.10", "3.10"), ("matplotlib", "3.8", "3.9"),
    ("torch", "2.9", "3.10"), ("torch", "2.5", "3.9"),
)  # fmt: skip
_PYTHONS = tuple(f"3.{minor}.0" for minor in range(7, 16))


class PythonRange(Rule):
    """``requires-python`` promises Pythons on which the experiment cannot be installed or parsed."""

    id = "GL509"
    name = "python-range"
    criterion = Criterion.FILES
    severity = Severity.BLOCKER
    sentences = ("5.5",)
    summary = "requires-python admits Pythons for which a dependency has no release, or on which the code is no Python."
    why = (
        "uv resolves for every Python that requires-python admits: with >=3.8 and numpy>=2.3, which needs 3.11, it "
        "ends without a solution although the machine has a Python that would do. Syntax that is newer than the "
        "promised Python ends on the first import there."
    )
    remedy = "Raise requires-python to the newest Python that is needed."
    valid = (
        {
            "pyproject.toml": """
                [project]
                name = "study"
                version = "0.1.0"
                requires-python = ">=3.11"
                dependencies = ["numpy>=2.3", "pandas>=2"]
            """
        },
        {
            "pyproject.toml": """
                [project]
                name = "study"
                version = "0.1.0"
                requires-python = ">=3.9"
                dependencies = ["numpy>=1.26"]
            """,
            "src/model.py": """
                from __future__ import annotations

                def width(x: int | None) -> int:
                    return x or 1
            """,
        },
    )
    invalid = (
        {
            "pyproject.toml": """
                [project]
                name = "study"
                version = "0.1.0"
                requires-python = ">=3.8"
                dependencies = ["numpy>=2.1"]
            """
        },
        {
            "pyproject.toml": '[project]\nname = "a"\nversion = "1"\nrequires-python = ">=3.9"\n',
            "src/model.py": """
                def width(kind):
                    match kind:
                        case "wide":
                            return 512
                        case _:
                            return 64
            """,
        },
        {"pyproject.toml": '[project]\nname = "a"\nversion = "1"\nrequires-python = "^3.10"\n'},
    )

    def check(self, subject: Subject) -> Iterator[Finding]:
        """Yield what needs a newer Python than the oldest that is admitted, or that the range is no range."""
        requirements = subject.derived(Requirements)
        file = requirements.file
        text = file.get("project", "requires-python") if file is not None else None
        if file is None or text is None:
            raise NotApplicable("no requires-python")
        line = file.line("project", "requires-python")
        try:
            allowed = SpecifierSet(text) if isinstance(text, str) else None
        except InvalidSpecifier:
            allowed = None
        if allowed is None:
            better = translated(text) if isinstance(text, str) else None
            written = ",".join(sorted(map(str, better or ()), reverse=True)) or ">=3.11"
            yield self.on(
                file,
                line,
                f"requires-python = {text!r} is no range of versions",
                f'write requires-python = "{written}"',
            )
            return
        oldest = next((python for python in _PYTHONS if allowed.contains(python)), None)
        if oldest is None:
            return
        told = set()
        for name, since, python in _NEEDS_PYTHON:
            for entry in requirements.of(name):
                if entry.place != "project" or not entry.allowed or name in told or _marked(entry):
                    continue
                below = [v for v in samples(entry.allowed, SpecifierSet(f"<{since}")) if v < Version(since)]
                if Version(oldest) < Version(python) and not any(entry.allowed.contains(v) for v in below):
                    told.add(name)
                    yield self.on(
                        file,
                        line,
                        f"requires-python = {text!r} admits Python {oldest[:-2]}, for which there is no "
                        f"{entry.text}: it needs Python {python}",
                        f'write requires-python = ">={python}"',
                    )
        for module in subject.code:
            found = _newest_syntax(module)
            if found is not None and Version(oldest) < Version(found[1]):
                node, python, what = found
                yield self.at(
                    module,
                    node,
                    f"{what} needs Python {python}; requires-python = {text!r} admits {oldest[:-2]}",
                    f'write requires-python = ">={python}"',
                    severity=Severity.MINOR,
                )


def _marked(entry: Declared) -> bool:
    return entry.requirement is not None and entry.requirement.marker is not None


def _newest_syntax(module: Module) -> tuple[ast.AST, str, str] | None:
    found: list[tuple[str, int, ast.AST, str]] = []
    for number, node in enumerate(module.nodes):
        kind = type(node).__name__
        if kind == "Match":
            found.append(("3.10", -number, node, "a match statement"))
        elif kind == "TryStar":
            found.append(("3.11", -number, node, "except*"))
        elif kind == "TypeAlias" or getattr(node, "type_params", None):
            found.append(("3.12", -number, node, "a type parameter or alias"))
        elif (
            isinstance(node, ast.Import)
            and any(alias.name == "tomllib" for alias in node.names)
            and not any(isinstance(around, ast.Try | ast.If) for around in module.ancestors(node))
        ):
            found.append(("3.11", -number, node, "tomllib"))
    if not found:
        return None
    python, _, node, what = max(found, key=lambda one: (Version(one[0]), one[1]))
    return node, python, what
