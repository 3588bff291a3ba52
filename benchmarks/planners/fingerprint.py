"""What the code of a cell does, as a short hash: a cell of other code is another cell."""

import ast
import hashlib
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import graff
import greenlight
import technoise

_ROOTS = {
    "benchmarks": Path(__file__).parents[1],
    "chipseq_experiment": Path(__file__).parents[2] / "experiments" / "chipseq" / "src",
    "graff": Path(graff.__file__).parent,
    "greenlight": Path(greenlight.__file__).parent,
    "technoise": Path(technoise.__file__).parent,
}


def fingerprint(*modules: str) -> str:
    """Return a hash of modules and of everything of this repository that they import, directly or not.

    Comments, docstrings and formatting do not count. The lists of names in ``__init__`` files are not followed, so a
    planner's cells do not depend on the other planners.

    Parameters
    ----------
    *modules
        Dotted names such as ``graff.planners.linear``.

    Returns
    -------
    str
        Twelve hexadecimal digits.
    """
    seen: set[str] = set()
    waiting = list(modules)
    while waiting:
        name = waiting.pop()
        if name not in seen and (path := _file(name)) is not None:
            seen.add(name)
            waiting.extend(_read(path)[1])
    digest = hashlib.sha256()
    for name in sorted(seen):
        path = _file(name)
        assert path is not None
        digest.update(f"{name}\n{_read(path)[0]}\n".encode())
    return digest.hexdigest()[:12]


def _file(name: str) -> Path | None:
    root, *rest = name.split(".")
    if root not in _ROOTS or not rest:
        return None
    path = _ROOTS[root].joinpath(*rest).with_suffix(".py")
    return path if path.is_file() else None


@cache
def _read(path: Path) -> tuple[str, tuple[str, ...]]:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    imported = tuple(_imports(tree))
    for node in ast.walk(tree):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef) and ast.get_docstring(
            node, clean=False
        ):
            node.body = node.body[1:] or [ast.Pass()]
    return ast.dump(tree), imported


def _imports(tree: ast.AST) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)
