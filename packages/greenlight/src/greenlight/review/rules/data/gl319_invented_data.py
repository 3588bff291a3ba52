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
            for node in module.nodes:
                if not isinstance(node, ast.Try) or not any(n in loading for s in node.body for n in walk(s)):
                    continue
                for handler in node.handlers:
                    found = self._invents(module, handler)
                    if found is not None:
                        yield self.at(
                            module,
                            found,
                            f"data that cannot be loaded is replaced by invented data: {module.source(found)}",
                        )

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
