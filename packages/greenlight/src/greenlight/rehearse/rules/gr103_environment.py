"""GR103: the environment that pyproject.toml describes cannot be installed, or does not import."""

from __future__ import annotations

from collections.abc import Iterator

from greenlight.rehearse.rehearsal import Rehearsal
from greenlight.rehearse.rule import NotApplicable, ObservationRule
from greenlight.review.criteria import Criterion
from greenlight.review.finding import Finding, Severity


class EnvironmentFails(ObservationRule):
    """Looks at what uv said, and at imports in the installed environment."""

    id = "GR103"
    name = "environment-fails"
    criterion = Criterion.FILES
    severity = Severity.BLOCKER
    sentences = ()
    summary = "What pyproject.toml declares cannot be installed, or cannot be imported once it is."
    why = (
        "`uv run` makes the environment before it runs anything. What it cannot resolve or build ends every command; "
        "what it can resolve may still not work together, such as a library built for another NumPy."
    )
    remedy = "Correct the requirement that uv names, and run `uv sync` once on a clean machine."
    observed = "uv's own words while it installs pyproject.toml, and the first failing import of a declared package"

    def check(self, rehearsal: Rehearsal) -> Iterator[Finding]:
        """Yield a finding for a failed installation and for each package that does not import."""
        if rehearsal.install is None:
            raise NotApplicable("the current environment was used: --no-install")
        for trouble in rehearsal.install:
            went_on = f"{self.remedy} (The scratch copy went on after: {trouble.mended}.)" if trouble.mended else None
            yield self.on("pyproject.toml", trouble.line or 1, trouble.words, went_on)
