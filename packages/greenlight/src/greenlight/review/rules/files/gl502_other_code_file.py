"""GL502: there is code outside of the seven files."""

from __future__ import annotations

from collections.abc import Iterator

from greenlight.contract.experiment import FILES
from greenlight.review.criteria import Criterion
from greenlight.review.finding import Finding, Severity
from greenlight.review.rule import Fragment, Rule
from greenlight.review.subject import Subject

_WHOLE: Fragment = dict.fromkeys(FILES, "# something\n")


class OtherCodeFile(Rule):
    """A Python file beside the five, or a second place for packaging."""

    id = "GL502"
    name = "other-code-file"
    criterion = Criterion.FILES
    severity = Severity.MINOR
    sentences = ("5.2",)
    summary = "There is a file of code that the contract does not have."
    why = (
        "The contract has exactly seven files, so that whoever receives them has everything. A helper module, a second "
        "setup.py or a package's __init__.py is not handed on and is missing where the experiment is run."
    )
    remedy = "Move its code into one of the five Python files and remove it."
    valid = (
        {**_WHOLE, "tests/test_model.py": "def test_it(): ...\n", "config/runs/a.yaml": "run_id: a\n"},
        {**_WHOLE, "conftest.py": "collect_ignore = []\n", "noxfile.py": "x = 1\n"},
    )
    invalid = (
        {**_WHOLE, "src/utils.py": "def seed_all(seed):\n    return seed\n"},
        {**_WHOLE, "setup.py": "from setuptools import setup\n\nsetup()\n"},
        {**_WHOLE, "src/__init__.py": ""},
    )

    def check(self, subject: Subject) -> Iterator[Finding]:
        """Yield one finding for each such file."""
        for path in subject.submission.files:
            if path in FILES or not path.endswith(".py"):
                continue
            folder, _, name = path.rpartition("/")
            if folder == "" and name in _OF_DEVELOPMENT:
                continue
            if folder in ("", "src") or folder.startswith(("src/", "config")):
                if "tests" in folder.split("/"):
                    continue
                yield self.on(
                    path,
                    1,
                    f"{path} is not one of the contract's seven files",
                    f"move what is needed of {path} into one of the five Python files and remove it",
                )
        for name in ("setup.cfg",):
            if name in subject.submission.others:
                yield self.on(name, 1, f"{name} is not one of the contract's seven files", f"remove {name}")


# What tools of development put at the root of a repository; no command of the experiment reads it.
_OF_DEVELOPMENT = frozenset({"conftest.py", "noxfile.py", "tasks.py", "fabfile.py", "dodo.py"})
