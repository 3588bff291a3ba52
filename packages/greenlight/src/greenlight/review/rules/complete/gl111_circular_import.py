"""GL111: files import each other in a circle, and a name is asked for before it is there."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from greenlight.review.criteria import Criterion
from greenlight.review.engines.names import Names
from greenlight.review.finding import Finding, Severity
from greenlight.review.module import Module
from greenlight.review.rule import Rule
from greenlight.review.subject import Subject


class CircularImport(Rule):
    """``from a import x`` while ``a`` is still being imported and has no ``x`` yet."""

    id = "GL111"
    name = "circular-import"
    criterion = Criterion.COMPLETE
    severity = Severity.BLOCKER
    sentences = ("1.2",)
    summary = "Two files import names from each other at their top, so that importing one ends with an ImportError."
    why = (
        "Python executes a file once, from top to bottom; what a file in the middle of its own imports does not have "
        "yet cannot be taken from it. The imports are followed here as each documented command would."
    )
    remedy = "Move what both need into one of the files, or import inside of the function that uses it."
    valid = (
        {
            "src/model.py": "WIDTH = 3\nfrom src.train import RATE\n",
            "src/train.py": "RATE = 1\n\ndef train():\n    from src.model import WIDTH\n    return WIDTH\n",
        },
    )
    invalid = (
        {
            "src/model.py": "from src.preprocess import VOCABULARY\n\ndef build():\n    return VOCABULARY\n",
            "src/preprocess.py": "from src.model import build\n\nVOCABULARY = 32\nmodel = build()\n",
            "src/train.py": "from src.model import build\n",
        },
    )

    def check(self, subject: Subject) -> Iterator[Finding]:
        """Yield one finding for each name that is not there yet."""
        if any(names.is_open for names in subject.derived(Names).files):
            return
        told: set[tuple[str, int]] = set()
        for entry in ("src/main.py", "src/train.py", "src/evaluate.py"):
            module = subject.module(entry)
            if module is None:
                continue
            for where, node, source, name in _Imports(subject).run(module):
                if (where.path, node.lineno) not in told:
                    told.add((where.path, node.lineno))
                    yield self.at(
                        where,
                        node,
                        f"{source} has no {name} yet: it is still importing {where.name}",
                        f"move {name} to a file that imports neither, or import it inside of the function that uses it",
                    )


class _Imports:
    """Follows the imports of one command."""

    def __init__(self, subject: Subject) -> None:
        self._modules = {module.name: module for module in subject.code if module.error is None}
        self._bound: dict[str, set[str]] = {}
        self._running: list[str] = []
        self._found: list[tuple[Module, ast.ImportFrom, str, str]] = []

    def run(self, entry: Module) -> list[tuple[Module, ast.ImportFrom, str, str]]:
        # The command's own file runs as __main__; imported under its name it is executed once more.
        self._execute(entry, "__main__")
        return self._found

    def _execute(self, module: Module, name: str) -> None:
        bound = self._bound[name] = set[str]()
        self._running.append(name)
        for statement in module.tree.body:
            if isinstance(statement, ast.ImportFrom):
                self._import_from(module, statement)
            elif isinstance(statement, ast.Import):
                for alias in statement.names:
                    self._import(alias.name)
            bound |= _bound_by(statement)
        self._running.pop()

    def _import(self, dotted: str) -> None:
        module = self._modules.get(dotted)
        if module is not None and dotted not in self._bound and len(self._running) < 20:
            self._execute(module, dotted)

    def _import_from(self, module: Module, statement: ast.ImportFrom) -> None:
        source = module.source_of(statement)
        self._import(source)
        for alias in statement.names:
            self._import(f"{source}.{alias.name}")
            if source in self._running and alias.name not in self._bound[source]:
                origin = self._modules[source]
                later = any(alias.name in _bound_by(other) for other in origin.tree.body)
                if later and f"{source}.{alias.name}" not in self._modules:
                    self._found.append((module, statement, source, alias.name))


def _bound_by(statement: ast.stmt) -> set[str]:
    found: set[str] = set()
    waiting: list[ast.AST] = [statement]
    while waiting:
        node = waiting.pop()
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            found.add(node.name)
            continue
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            found.add(node.id)
        elif isinstance(node, ast.alias):
            found.add(node.asname or node.name.partition(".")[0])
        waiting.extend(ast.iter_child_nodes(node))
    return found
