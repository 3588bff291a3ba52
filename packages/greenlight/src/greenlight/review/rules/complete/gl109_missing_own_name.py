"""GL109: a name is taken from another file of the experiment that does not have it."""

from __future__ import annotations

import ast
import difflib
from collections.abc import Iterator

from greenlight.review.criteria import Criterion
from greenlight.review.engines.names import FileNames, Names
from greenlight.review.finding import Finding, Severity
from greenlight.review.module import Module
from greenlight.review.rule import Rule
from greenlight.review.subject import Subject


class MissingOwnName(Rule):
    """An import or attribute of another file's name that the file does not define."""

    id = "GL109"
    name = "missing-own-name"
    criterion = Criterion.COMPLETE
    severity = Severity.BLOCKER
    sentences = ("1.2", "5.4")
    summary = "A file imports a name from another file of the experiment that is not defined there."
    why = (
        "Files that were generated one after the other disagree about what the others have; the import ends the run "
        "before anything happens."
    )
    remedy = "Define the name in the other file, or import the one that is there."
    valid = (
        {
            "src/model.py": "import torch\n\ndef build(config):\n    return torch.nn.Linear(config.width, 1)\n",
            "src/train.py": """
                import src.model as models
                from src.model import build
                from . import model
                from .model import torch

                net = models.build(build)
                print(model.build, models.__name__)
            """,
        },
    )
    invalid = (
        {
            "src/model.py": "def build(config):\n    return config\n",
            "src/train.py": "from src.model import build_model\n\nbuild_model()\n",
        },
        {
            "src/preprocess.py": "def loaders(config):\n    return config\n",
            "src/train.py": "from . import preprocess\n\ntrain, dev = preprocess.get_loaders(1)\n",
        },
    )

    def check(self, subject: Subject) -> Iterator[Finding]:
        """Yield one finding for each name and file."""
        every = subject.derived(Names)
        known = {names.module.name: names for names in every.files if not names.is_open}
        stored = {
            (module.dotted(node.value), node.attr)
            for module in subject.code
            for node in module.nodes
            if isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store)
        }
        for module in subject.code:
            told: set[tuple[str, str]] = set()
            for node in module.nodes:
                for source, name in _taken(module, node):
                    names = known.get(source)
                    if names is None or source == module.name or (source, name) in told or (source, name) in stored:
                        continue
                    if name in names.top.bound or name.startswith("__") or _is_module(subject, f"{source}.{name}"):
                        continue
                    if "__getattr__" in names.top.bound or _is_tried(module, node):
                        continue
                    told.add((source, name))
                    yield self.at(
                        module,
                        node,
                        f"{names.module.path} does not define {name}",
                        f"define {name} in {names.module.path}, or take one of what it has: {_nearest(name, names)}",
                    )


def _taken(module: Module, node: ast.AST) -> Iterator[tuple[str, str]]:
    if isinstance(node, ast.ImportFrom):
        source = module.source_of(node)
        for alias in node.names:
            if alias.name != "*":
                yield source, alias.name
    elif isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Load) and isinstance(node.value, ast.Name):
        source = module.dotted(node.value) or ""
        yield source, node.attr


def _is_module(subject: Subject, dotted: str) -> bool:
    path = dotted.replace(".", "/")
    return any(other == f"{path}.py" or other.startswith(f"{path}/") for other in subject.submission.files)


def _is_tried(module: Module, node: ast.AST) -> bool:
    return any(isinstance(around, ast.Try) for around in module.ancestors(node))


def _nearest(name: str, names: FileNames) -> str:
    offered = [n for n, nodes in names.top.bound.items() if not isinstance(nodes[0], ast.alias) and n[0] != "_"]
    close = difflib.get_close_matches(name, offered, n=3, cutoff=0.3) or offered[:3]
    return ", ".join(close) or "nothing yet"
