"""GL501: a file of the contract is not there."""

from __future__ import annotations

from collections.abc import Iterator

from greenlight.contract.experiment import FILES
from greenlight.review.criteria import Criterion
from greenlight.review.finding import Finding, Severity
from greenlight.review.rule import Fragment, Rule
from greenlight.review.subject import Subject

_WHOLE: Fragment = dict.fromkeys(FILES, "# something\n")


class MissingFile(Rule):
    """One of the seven files does not exist."""

    id = "GL501"
    name = "missing-file"
    criterion = Criterion.FILES
    severity = Severity.BLOCKER
    sentences = ("5.1",)
    summary = "One of the seven files is missing, so one of the documented commands cannot start."
    why = (
        "The commands import src.main, src.train, src.preprocess, src.model and src.evaluate and read "
        "config/config.yaml and pyproject.toml by these names; a package without one of them fails on its first line."
    )
    remedy = "Add the file under its exact name."
    valid = (_WHOLE,)
    invalid = ({path: text for path, text in _WHOLE.items() if path != "src/model.py"},)

    def check(self, subject: Subject) -> Iterator[Finding]:
        """Yield one finding for each missing file."""
        for path in FILES:
            if not subject.has(path):
                yield self.on(path, 1, f"{path} is missing: the contract has exactly seven files", f"add {path}")
