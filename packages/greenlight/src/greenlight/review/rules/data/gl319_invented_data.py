"""GL319: invented data takes the place of a data set that cannot be loaded."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from greenlight.review.criteria import Criterion
from greenlight.review.finding import Finding, Severity
from greenlight.review.module import Module, walk
from greenlight.review.rule import Rule
from greenlight.review.subject import Subject

_LOADING = (
    "datasets.load_dataset",
    "datasets.load_from_disk",
    "torchvision.datasets.*",
    "pandas.read_csv",
    "pandas.read_json",
    "pandas.read_parquet",
)
_RANDOM = frozenset({"torch.randn", "torch.rand", "torch.randint", "numpy.random.randn", "numpy.random.rand",
                     "numpy.random.randint", "numpy.random.normal", "sklearn.datasets.make_classification",
                     "sklearn.datasets.make_regression", "torchvision.datasets.FakeData"})  # fmt: skip
_WORDS = ("dummy", "synthetic", "fake", "mock")


class InventedData(Rule):
    """``except: data = torch.randn(...)`` around loading."""

    id = "GL319"
    name = "invented-data"
    criterion = Criterion.DATA
    severity = Severity.BLOCKER
    sentences = ("3.3", "3.4")
    summary = (
        "Where the data set cannot be loaded the experiment goes on with invented data, and its result means nothing."
    )
    why = (
        "A missing network or a wrong name then gives a run that looks finished: it has curves and a score, of noise. "
        "Nothing downstream can tell it from a real one."
    )
    remedy = "Let the run end with an error that names the data set."
    valid = (
        {
            "src/preprocess.py": """
            from datasets import load_dataset

            def read(name):
                try:
                    return load_dataset(name, cache_dir=".cache")
                except OSError as error:
                    raise RuntimeError(f"{name} cannot be loaded") from error
            """
        },
    )
    invalid = (
        {
            "src/preprocess.py": """
            import torch
            from datasets import load_dataset

            def read(name):
                try:
                    rows = load_dataset(name, cache_dir=".cache")
                except Exception:
                    rows = torch.randn(1000, 32)
                return rows
            """
        },
        {
            "src/preprocess.py": """
            from datasets import Dataset, load_dataset

            def read(name):
                try:
                    return load_dataset(name, cache_dir=".cache")
                except Exception as error:
                    print(error)
                    dummy = {"text": ["a sample"] * 100, "label": [0] * 100}
                    return Dataset.from_dict(dummy)
            """
        },
    )

    def check(self, subject: Subject) -> Iterator[Finding]:
        """Yield one finding for each handler."""
        for module in subject.code:
            loading = set(module.calls(*_LOADING))
            hubs = set(module.calls(*_LOADING[:3]))
            for node in module.nodes:
                if not isinstance(node, ast.Try) or not any(n in loading for s in node.body for n in walk(s)):
                    continue
                hub = any(n in hubs for s in node.body for n in walk(s))
                filled = {
                    t.id
                    for s in node.body
                    if isinstance(s, ast.Assign) and any(n in loading for n in walk(s))
                    for t in s.targets
                    if isinstance(t, ast.Name)
                }
                for handler in node.handlers:
                    if hub and self._is_silent(handler) and (empty := self._emptied(handler, filled)) is not None:
                        yield self.at(
                            module,
                            empty,
                            f"data that cannot be loaded is replaced by nothing: {module.source(empty)}",
                            "let the run end with an error that names the data set",
                        )
                        continue
                    made = self._made_up_rows(handler, filled) if hub else None
                    if made is not None:
                        yield self.at(
                            module,
                            made,
                            f"data that cannot be loaded is replaced by invented rows: {module.source(made)}",
                        )
                        continue
                    found = self._invents(module, handler)
                    if found is not None:
                        yield self.at(
                            module,
                            found,
                            f"data that cannot be loaded is replaced by invented data: {module.source(found)}",
                        )

    @staticmethod
    def _is_silent(handler: ast.ExceptHandler) -> bool:
        """Return whether a handler catches everything and tells nobody."""
        broad = handler.type is None or ast.unparse(handler.type) in ("Exception", "BaseException")
        return broad and not any(isinstance(n, ast.Raise | ast.Call) for n in walk(handler)) and len(handler.body) == 1

    @staticmethod
    def _emptied(handler: ast.ExceptHandler, names: set[str]) -> ast.stmt | None:
        """Return the statement that gives an empty list for the data that was to be loaded."""
        last = handler.body[0]
        if isinstance(last, ast.Return):
            gone = isinstance(last.value, ast.List | ast.Dict)
        elif isinstance(last, ast.Assign):
            gone = any(isinstance(t, ast.Name) and t.id in names for t in last.targets)
        else:
            return None
        value = last.value
        empty = (isinstance(value, ast.List) and not value.elts) or (isinstance(value, ast.Dict) and not value.keys)
        return last if gone and empty else None

    @staticmethod
    def _made_up_rows(handler: ast.ExceptHandler, names: set[str]) -> ast.expr | None:
        """Return the list of rows written into a handler that take the place of the loaded ones."""
        if any(isinstance(n, ast.Raise) for n in walk(handler)):
            return None
        for node in walk(handler):
            if not (
                isinstance(node, ast.Assign) and any(isinstance(t, ast.Name) and t.id in names for t in node.targets)
            ):
                continue
            value = node.value
            counted = (
                isinstance(value, ast.ListComp)
                and isinstance(value.elt, ast.Dict)
                and isinstance(value.generators[0].iter, ast.Call)
                and ast.unparse(value.generators[0].iter.func) == "range"
            )
            if counted or (isinstance(value, ast.List) and value.elts and isinstance(value.elts[0], ast.Dict)):
                return value
        return None

    @staticmethod
    def _invents(module: Module, handler: ast.ExceptHandler) -> ast.AST | None:
        """Return what makes data up in a handler that does not end in an error."""
        if any(isinstance(n, ast.Raise) for n in walk(handler)):
            return None
        for node in walk(handler):
            if not isinstance(node, ast.Call):
                continue
            dotted = module.dotted(node.func) or ""
            if dotted in _RANDOM:
                return node
            if dotted in ("datasets.Dataset.from_dict", "datasets.Dataset.from_list", "torch.utils.data.TensorDataset"):
                return node
            name = ast.unparse(node.func).lower()
            if any(word in name for word in _WORDS):
                return node
        return None
