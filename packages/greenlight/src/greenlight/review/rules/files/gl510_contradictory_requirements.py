"""GL510: no version fits all that is required of a distribution."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from packaging.version import InvalidVersion, Version

from greenlight.review.criteria import Criterion
from greenlight.review.engines.requirements import Declared, Requirements, samples
from greenlight.review.finding import Finding, Severity
from greenlight.review.rule import Rule
from greenlight.review.subject import Subject
from greenlight.review.toml_file import TomlFile


class ContradictoryRequirements(Rule):
    """Two requirements on the same distribution, or a pair of pins, exclude each other."""

    id = "GL510"
    name = "contradictory-requirements"
    criterion = Criterion.FILES
    severity = Severity.BLOCKER
    sentences = ("5.5",)
    summary = "No version satisfies what is required of a distribution, so that nothing can be installed."
    why = (
        "A distribution that stands twice with ranges that do not meet, a range whose end lies before its beginning, "
        "and a torchvision or torchaudio of another release than torch all end in 'No solution found'."
    )
    remedy = "Keep one requirement, with a range that has a version in it."
    valid = (
        {
            "pyproject.toml": """
                [project]
                name = "study"
                version = "0.1.0"
                dependencies = ["numpy>=1.26,<3", "numpy!=2.0.0", "torch==2.4.1", "torchvision==0.19.1",
                                "pandas<2; python_version < '3.9'", "pandas>=2; python_version >= '3.9'"]
            """
        },
    )
    invalid = (
        {"pyproject.toml": '[project]\nname = "a"\nversion = "1"\ndependencies = ["numpy<2", "torch", "numpy>=2.1"]\n'},
        {"pyproject.toml": '[project]\nname = "a"\nversion = "1"\ndependencies = ["torch>=3,<2"]\n'},
        {
            "pyproject.toml": """
                [project]
                name = "study"
                version = "0.1.0"
                dependencies = ["torch==2.2.0", "torchvision==0.16.0"]
            """
        },
    )

    def check(self, subject: Subject) -> Iterator[Finding]:
        """Yield one finding for each distribution without a version."""
        requirements = subject.derived(Requirements)
        file = requirements.file
        if file is None:
            return
        by_name: dict[str, list[Declared]] = {}
        for entry in requirements.entries:
            plain = entry.requirement is None or entry.requirement.marker is None
            if entry.place in ("project", "table") and entry.allowed is not None and plain:
                by_name.setdefault(entry.name, []).append(entry)
        for name, entries in by_name.items():
            ranges = [entry.allowed for entry in entries if entry.allowed is not None]
            tried = samples(*ranges)
            if not any(all(one.contains(version, prereleases=True) for one in ranges) for version in tried):
                listed = " and ".join(entry.text for entry in entries)
                yield self.on(
                    file,
                    entries[-1].line,
                    f"no version of {name} satisfies {listed}",
                    f"keep one requirement on {name}, with a range that has a version in it",
                )
        yield from self._releases(file, by_name)

    def _releases(self, file: TomlFile, by_name: Mapping[str, list[Declared]]) -> Iterator[Finding]:
        torch = _pinned(by_name.get("torch", []))
        if torch is None or torch.major != 2:
            return
        # torchvision 0.15 is of torch 2.0, and both count on together; torchaudio has torch's own number.
        for name, minor, major in (("torchvision", torch.minor + 15, 0), ("torchaudio", torch.minor, 2)):
            other = _pinned(by_name.get(name, []))
            if other is not None and other.major == major and other.minor != minor:
                yield self.on(
                    file,
                    by_name[name][0].line,
                    f"{name} {other} is not of the same release as torch {torch}: it requires another torch exactly",
                    f"require {name}=={major}.{minor}.*, or leave its version open",
                )


def _pinned(entries: Sequence[Declared]) -> Version | None:
    if len(entries) != 1 or entries[0].allowed is None:
        return None
    specifiers = list(entries[0].allowed)
    if len(specifiers) != 1 or specifiers[0].operator != "==":
        return None
    try:
        return Version(specifiers[0].version.removesuffix(".*"))
    except InvalidVersion:
        return None
