"""GL513: the range of a dependency admits versions without what the experiment uses."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

from packaging.specifiers import SpecifierSet
from packaging.version import Version

from greenlight.review.criteria import Criterion
from greenlight.review.engines.requirements import Requirements, samples
from greenlight.review.finding import Finding, Severity
from greenlight.review.rule import NotApplicable, Rule
from greenlight.review.subject import Subject

# What a name of a model says about its family, the first release of transformers with that family, and the class.
_FAMILIES = (
    (re.compile(r"(?:^|/)qwen3(?:[-_.]|$)", re.I), "4.51.0", "Qwen3"),
    (re.compile(r"(?:^|/)qwen(?:1\.5|2|2\.5)[-_]", re.I), "4.37.0", "Qwen2"),
    (re.compile(r"(?:^|/)gemma-2-", re.I), "4.42.0", "Gemma 2"),
    (re.compile(r"(?:^|/)gemma-3-", re.I), "4.50.0", "Gemma 3"),
    (re.compile(r"(?:^|/)modernbert-", re.I), "4.48.0", "ModernBERT"),
    (re.compile(r"(?:^|/)(?:meta-)?llama-3\.[123]-", re.I), "4.43.0", "Llama 3.1"),
    (re.compile(r"(?:^|/)mixtral-8x", re.I), "4.36.0", "Mixtral"),
    (re.compile(r"(?:^|/)mistral-7b", re.I), "4.34.0", "Mistral"),
    (re.compile(r"(?:^|/)gpt-oss-", re.I), "4.55.0", "gpt-oss"),
)  # fmt: skip


class VersionFloor(Rule):
    """transformers is required from a version on that does not know the model."""

    id = "GL513"
    name = "version-floor"
    criterion = Criterion.FILES
    severity = Severity.MINOR
    sentences = ("5.5",)
    summary = "A dependency's range admits, or consists of, versions that do not have what the experiment uses."
    why = (
        "A model family enters transformers with a release; before it, from_pretrained ends with KeyError 'qwen3' or "
        "the like. A range that ends before that release never works; one that begins before it works until an older "
        "version is installed."
    )
    remedy = "Raise the lower bound to the release that has it."
    valid = (
        {
            "pyproject.toml": '[project]\nname = "a"\nversion = "1"\ndependencies = ["transformers>=4.51"]\n',
            "config/runs/a.yaml": "run_id: a\nmodel:\n  name: Qwen/Qwen3-0.6B\n",
        },
        {
            "pyproject.toml": '[project]\nname = "a"\nversion = "1"\ndependencies = ["transformers"]\n',
            "src/model.py": 'NAME = "google/gemma-2-2b"\n',
        },
    )
    invalid = (
        {
            "pyproject.toml": '[project]\nname = "a"\nversion = "1"\ndependencies = ["transformers>=4.38"]\n',
            "config/runs/a.yaml": "run_id: a\nmodel:\n  name: Qwen/Qwen3-0.6B\n",
        },
        {
            "pyproject.toml": '[project]\nname = "a"\nversion = "1"\ndependencies = ["transformers==4.40.0"]\n',
            "src/model.py": 'NAME = "google/gemma-2-2b"\n',
        },
    )

    def check(self, subject: Subject) -> Iterator[Finding]:
        """Yield one finding for each requirement, for the newest family."""
        requirements = subject.derived(Requirements)
        file = requirements.file
        entries = [e for e in requirements.of("transformers") if e.allowed and e.place in _INSTALLED]
        if file is None or not entries:
            raise NotApplicable("no range of transformers is declared")
        needed = max(_families(subject), key=lambda one: Version(one[0]), default=None)
        if needed is None:
            return
        since, family, name = needed
        entry = entries[0]
        assert entry.allowed is not None
        tried = [*samples(entry.allowed, SpecifierSet(f">={since}")), *map(Version, _RELEASES)]
        fits = [v for v in tried if entry.allowed.contains(v, prereleases=True)]
        if not any(v < Version(since) for v in fits):
            return
        never = not any(v >= Version(since) for v in fits)
        written = entry.text if "transformers" in entry.text else f"transformers {entry.text}"
        yield self.on(
            file,
            entry.line,
            f"{written} admits {'only ' if never else ''}versions without {family} ({name}), which came with {since}",
            f"require transformers>={since}",
            severity=Severity.BLOCKER if never else Severity.MINOR,
        )


_INSTALLED = ("project", "table", "poetry")
_RELEASES = ("4.30.0", "4.35.0", "4.38.0", "4.40.0", "4.42.0", "4.44.0", "4.46.0", "4.50.0", "4.57.0", "5.0.0")


def _families(subject: Subject) -> Iterator[tuple[str, str, str]]:
    """Yield the families of the models that the run files and the code name: first release, family, name."""
    named: list[str] = []
    for file in (*subject.runs.values(), subject.config):
        if file is not None and file.error is None:
            for path, value in file.leaves:
                if isinstance(value, str) and path[0] == "model":
                    named.append(value)
    for module in subject.code:
        named.extend(
            node.value
            for node in module.nodes
            if isinstance(node, ast.Constant)
            and isinstance(node.value, str)
            and "/" in node.value
            and len(node.value) < 80
        )
    for name in dict.fromkeys(named):
        if " " in name.strip() or name.startswith((".", "/")):
            continue
        for pattern, since, family in _FAMILIES:
            if pattern.search(name.strip()):
                yield since, family, name
