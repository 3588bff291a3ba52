"""GL515: the build back-end finds nothing to build."""

from __future__ import annotations

import re
from collections.abc import Iterator

from greenlight.review.criteria import Criterion
from greenlight.review.engines.requirements import Requirements
from greenlight.review.finding import Finding, Severity
from greenlight.review.rule import NotApplicable, Rule
from greenlight.review.subject import Subject
from greenlight.review.toml_file import TomlFile


class UnbuildablePackage(Rule):
    """``[build-system]`` asks for a package that the seven files are not."""

    id = "GL515"
    name = "unbuildable-package"
    criterion = Criterion.FILES
    severity = Severity.BLOCKER
    sentences = ("5.5",)
    summary = "[build-system] makes uv build the project as a package, and the back-end finds none of its name."
    why = (
        "`uv run` installs a project that has a [build-system]. Hatchling, Flit, Poetry and uv_build look for a folder "
        "or module called like the project, which an experiment's src/*.py are not, and end with an error before "
        "anything runs. An experiment needs no build."
    )
    remedy = "Remove [build-system], or set package = false under [tool.uv]."
    valid = (
        {"pyproject.toml": '[project]\nname = "study"\nversion = "0.1.0"\n', "src/main.py": "x = 1\n"},
        {
            "pyproject.toml": """
                [build-system]
                requires = ["hatchling"]
                build-backend = "hatchling.build"

                [project]
                name = "study"
                version = "0.1.0"

                [tool.hatch.build.targets.wheel]
                packages = ["src"]
            """,
            "src/main.py": "x = 1\n",
        },
        {
            "pyproject.toml": """
                [build-system]
                requires = ["setuptools>=61"]
                build-backend = "setuptools.build_meta"

                [project]
                name = "study"
                version = "0.1.0"
            """,
            "src/main.py": "x = 1\n",
        },
    )
    invalid = (
        {
            "pyproject.toml": """
                [build-system]
                requires = ["hatchling"]
                build-backend = "hatchling.build"

                [project]
                name = "rate-study"
                version = "0.1.0"
            """,
            "src/main.py": "x = 1\n",
        },
        {
            "pyproject.toml": """
                [build-system]
                requires = ["poetry-core"]
                build-backend = "poetry.core.masonry.api"

                [project]
                name = "rate-study"
                version = "0.1.0"
            """,
            "src/main.py": "x = 1\n",
        },
    )

    def check(self, subject: Subject) -> Iterator[Finding]:
        """Yield one finding if the package cannot be built."""
        file = subject.derived(Requirements).file
        system = file.get("build-system") if file is not None else None
        if file is None or not isinstance(system, dict) or not isinstance(file.get("project"), dict):
            raise NotApplicable("no [build-system]: nothing is built")
        if file.get("tool", "uv", "package") is False:
            raise NotApplicable("package = false: nothing is built")
        backend = system.get("build-backend")
        name = file.get("project", "name")
        known = {
            "hatchling.build": "hatch", "flit_core.buildapi": "flit", "poetry.core.masonry.api": "poetry",
            "uv_build": "uv",
        }  # fmt: skip
        if not isinstance(name, str) or not isinstance(backend, str) or backend not in known:
            return
        tool = known[backend]
        if _says_what(file, tool):
            return
        module = re.sub(r"[-.]+", "_", name)
        paths = (*subject.submission.files, *subject.submission.others)
        found = {module.lower(), name.lower()}
        for path in paths:
            parts = path.lower().removesuffix(".py").split("/")
            if any(part in found for part in parts[:3]):
                return
        yield self.on(
            file,
            file.line("build-system"),
            f"build-backend = {backend!r} looks for a package called {module}, and there is none",
            "remove [build-system], or set package = false under [tool.uv]",
        )


def _says_what(file: TomlFile, tool: str) -> bool:
    """Return whether the back-end's own table says what goes into the package."""
    if tool == "hatch":
        return isinstance(file.get("tool", "hatch", "build"), dict)
    if tool == "flit":
        return isinstance(file.get("tool", "flit"), dict)
    if tool == "poetry":
        return any(file.get("tool", "poetry", key) is not None for key in ("packages", "include", "package-mode"))
    return isinstance(file.get("tool", "uv", "build-backend"), dict)
