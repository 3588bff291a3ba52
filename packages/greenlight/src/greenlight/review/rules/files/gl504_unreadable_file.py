"""GL504: a file of the experiment is not there in a form that can be read."""

from __future__ import annotations

from collections.abc import Iterator

from greenlight.contract.experiment import FILES
from greenlight.contract.submission import RUN_FOLDERS
from greenlight.review.criteria import Criterion
from greenlight.review.finding import Finding, Severity
from greenlight.review.rule import Rule
from greenlight.review.subject import Subject

_POINTER = b"version https://git-lfs.github.com/spec/"


class UnreadableFile(Rule):
    """A link that leads away, no regular file, too large, not readable, or the pointer of a large-file store."""

    id = "GL504"
    name = "unreadable-file"
    criterion = Criterion.FILES
    severity = Severity.BLOCKER
    sentences = ("5.1",)
    summary = "A file is a link that leads away, no regular file, too large, or a pointer instead of the file."
    why = (
        "What is not in the folder itself is not handed on with it: a link to somewhere else, or a pointer that Git "
        "LFS has not replaced, is a missing file for whoever receives the experiment."
    )
    remedy = "Put the file itself in its place, readable and of ordinary size."
    valid = ({"config/config.yaml": "# see https://git-lfs.github.com\nmode: ???\n"},)
    invalid = (
        {
            "config/runs/proposed-1.yaml": """
                version https://git-lfs.github.com/spec/v1
                oid sha256:6f1ed002ab5595859014ebf0951522d9
                size 1204
            """
        },
    )

    def check(self, subject: Subject) -> Iterator[Finding]:
        """Yield one finding for each file of the contract that was not read."""
        for path, reason in subject.submission.unread.items():
            if path in FILES or path.startswith(RUN_FOLDERS):
                yield self.on(path, 1, f"{path} was not read: {reason}", f"put a regular, readable file at {path}")
        for path, content in subject.submission.files.items():
            # A pointer in a Python or TOML file is a syntax error, which is told by the rules about those.
            if path.endswith((".yaml", ".yml")) and content.lstrip().startswith(_POINTER):
                yield self.on(
                    path, 1, f"{path} is a pointer of Git LFS, not the file", "fetch the file itself: git lfs pull"
                )
