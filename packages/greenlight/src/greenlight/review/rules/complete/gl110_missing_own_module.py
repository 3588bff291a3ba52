"""GL110: a module of the experiment is imported that is not there."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from greenlight.contract.experiment import FILES
from greenlight.review.criteria import Criterion
from greenlight.review.finding import Finding, Severity
from greenlight.review.module import Module
from greenlight.review.rule import Rule
from greenlight.review.subject import CODE, Subject

_STARTED = ("train", "model", "preprocess")  # the documented commands start main and evaluate as modules


class MissingOwnModule(Rule):
    """An import of a file that the experiment does not have, or by a name under which it is not found."""

    id = "GL110"
    name = "missing-own-module"
    criterion = Criterion.COMPLETE
    severity = Severity.BLOCKER
    sentences = ("5.4", "1.2")
    summary = "A file of the experiment is imported that does not exist, or under a name that Python does not find."
    why = (
        "The commands start `python -m src.main` in the experiment's folder: its files are src.model, not model, and a "
        "helper module that was not handed in is missing."
    )
    remedy = "Import src.<file>, and keep what is needed inside of the five files."
    valid = (
        {
            "src/model.py": "x = 1\n",
            "src/train.py": "from src.model import x\nfrom . import model\nimport src.model\nimport evaluate\n",
        },
        {
            "src/model.py": "x = 1\n",
            "src/train.py": "import sys\n\nsys.path.insert(0, 'src')\nfrom model import x\n",
        },
        {
            # A program that is started by its path finds what lies beside it.
            "src/main.py": "import subprocess\n\nsubprocess.run(['python', 'src/train.py'])\n",
            "src/model.py": "x = 1\n",
            "src/train.py": "from model import x\n",
        },
    )
    invalid = (
        {
            "src/main.py": "import subprocess\nimport src.train\n\nsubprocess.run(['python', 'src/train.py'])\n",
            "src/model.py": "x = 1\n",
            "src/train.py": "from model import x\n",
        },
        {"src/train.py": "from src.utils import seed_everything\n\nseed_everything(1)\n"},
        {"src/model.py": "x = 1\n", "src/train.py": "from model import x\n"},
    )

    def check(self, subject: Subject) -> Iterator[Finding]:
        """Yield one finding for each import."""
        paths = set(subject.submission.files) | set(subject.submission.unread) | set(subject.submission.others)
        moved = any(
            node.attr in ("path", "meta_path") and module.dotted(node) in ("sys.path", "sys.meta_path")
            for module in subject.code
            for node in module.nodes
            if isinstance(node, ast.Attribute)
        )
        beside = _found_beside(subject)
        for module in subject.code:
            if module.path not in CODE:
                continue
            for node in module.nodes:
                if any(isinstance(around, ast.Try | ast.If) for around in module.ancestors(node)):
                    continue
                for dotted in _modules_of(module, node):
                    path = dotted.replace(".", "/") + ".py"
                    if dotted.startswith("src."):
                        if path in paths or any(p.startswith(path[:-3] + "/") for p in paths) or path in FILES or moved:
                            continue
                        told = f"{path} is imported and is not there"
                        remedy = f"move what is needed of {dotted} into one of the five files"
                    # `evaluate` is a library of Hugging Face, too.
                    elif (
                        dotted != "evaluate"
                        and f"src/{path}" in FILES
                        and "." not in dotted
                        and path not in paths
                        and not moved
                        and module.path not in beside
                    ):
                        told = f"{dotted} is not found: the documented commands know the file as src.{dotted}"
                        remedy = f"import src.{dotted}"
                    else:
                        continue
                    yield self.at(module, node, told, remedy)


def _found_beside(subject: Subject) -> set[str]:
    """Return the files that run in a process which was started with a path in src, and in no other one."""
    texts = {
        node.value
        for module in subject.code
        for node in module.nodes
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
    }
    if not any(text.endswith(f"{name}.py") for text in texts for name in _STARTED):
        return set()
    imported = {dotted for module in subject.code for node in module.nodes for dotted in _modules_of(module, node)}
    return {f"src/{name}.py" for name in _STARTED if not {f"src.{name}"} & (imported | texts)}


def _modules_of(module: Module, node: ast.AST) -> Iterator[str]:
    if isinstance(node, ast.Import):
        yield from (alias.name for alias in node.names)
    elif isinstance(node, ast.ImportFrom):
        yield module.source_of(node)
