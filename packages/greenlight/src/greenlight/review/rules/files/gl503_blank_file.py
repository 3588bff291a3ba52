"""GL503: one of the seven files is empty."""

from __future__ import annotations

from collections.abc import Iterator

from greenlight.contract.experiment import FILES
from greenlight.review.criteria import Criterion
from greenlight.review.finding import Finding, Severity
from greenlight.review.rule import Fragment, Rule
from greenlight.review.subject import Subject

_CODE: Fragment = dict.fromkeys(FILES, "x = 1\n") | {"config/config.yaml": "mode: ???\n"}


class BlankFile(Rule):
    """A file of the contract has nothing in it, or comments alone."""

    id = "GL503"
    name = "blank-file"
    criterion = Criterion.FILES
    severity = Severity.BLOCKER
    sentences = ("5.3", "1.4")
    summary = "One of the seven files is there but empty, so what it is for does not happen."
    why = (
        "An empty src/main.py ends with status 0 and has done nothing, so that a check of the exit status passes; an "
        "empty pyproject.toml installs nothing; an empty config.yaml has no W&B project. Generated packages have been "
        "handed in with six of the seven files empty."
    )
    remedy = "Write what the file is there for."
    valid = (_CODE,)
    invalid = (
        {**_CODE, "src/main.py": ""},
        {**_CODE, "src/model.py": "# the model is built in train.py\n\n"},
        {**_CODE, "config/config.yaml": "# see config/runs\n"},
    )

    def check(self, subject: Subject) -> Iterator[Finding]:
        """Yield one finding for each blank file."""
        for path in FILES:
            content = subject.submission.files.get(path)
            if content is None:
                continue
            lines = [line.strip() for line in content.decode("utf-8", errors="replace").lstrip("\ufeff").splitlines()]
            if all(not line or line.startswith("#") or line in ("---", "...", "{}", "null") for line in lines):
                held = "is empty" if not any(lines) else "has nothing in it but comments"
                yield self.on(path, 1, f"{path} {held}", f"write {path}: {_PURPOSE[path]}")


_PURPOSE = {
    "src/train.py": "it trains one run",
    "src/evaluate.py": "it compares the runs",
    "src/preprocess.py": "it loads and prepares the data",
    "src/model.py": "it builds the model of each method",
    "src/main.py": "it is what the documented training command starts",
    "pyproject.toml": "it declares what has to be installed",
    "config/config.yaml": "it has the defaults and W&B's entity and project",
}
