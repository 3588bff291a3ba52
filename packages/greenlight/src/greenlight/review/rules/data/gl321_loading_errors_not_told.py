"""GL321: data is loaded and prepared without a single check."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from greenlight.review.criteria import Criterion
from greenlight.review.engines.data_sets import DataSets
from greenlight.review.finding import Finding, Severity
from greenlight.review.module import Module
from greenlight.review.rule import NotApplicable, Rule
from greenlight.review.subject import Subject

_CHECKS = ast.Try | ast.Raise | ast.Assert


class LoadingErrorsNotTold(Rule):
    """Neither preprocessing nor its callers handle an error of a data operation."""

    id = "GL321"
    name = "loading-errors-not-told"
    criterion = Criterion.DATA
    severity = Severity.MINOR
    sentences = ("3.4",)
    summary = "Data is loaded without any error handling: no try, raise or assert stands around it or in preprocess.py."
    why = (
        "A hub that does not answer, a renamed data set or an empty split then shows up as a long foreign "
        "traceback, or "
        "much later as a division by zero. The contract asks that errors of data operations are handled."
    )
    remedy = "Catch the error of loading and say which data set and split it was; check that a split is not empty."
    valid = (
        {
            "src/preprocess.py": """
            from datasets import load_dataset

            def read(name):
                try:
                    return load_dataset(name, split="train", cache_dir=".cache")
                except OSError as error:
                    raise RuntimeError(f"data set {name} cannot be read") from error
            """
        },
        {
            "src/preprocess.py": """
            from datasets import load_dataset

            def read(name):
                rows = load_dataset(name, split="train", cache_dir=".cache")
                if not len(rows):
                    raise ValueError(f"{name} is empty")
                return rows
            """
        },
    )
    invalid = (
        {
            "src/preprocess.py": """
            from datasets import load_dataset

            def read(name):
                return load_dataset(name, split="train", cache_dir=".cache")
            """
        },
    )

    def check(self, subject: Subject) -> Iterator[Finding]:
        """Yield one finding, at the first call that loads."""
        module = subject.module("src/preprocess.py")
        loaded = [one for one in subject.derived(DataSets).loaded.values() if one.module is module]
        if module is None or not loaded:
            raise NotApplicable("src/preprocess.py loads no data set with load_dataset")
        if any(isinstance(n, _CHECKS) for n in module.nodes) or any(self._told_by(m) for m in subject.code):
            return
        call = loaded[0].call
        yield self.at(
            module,
            call,
            f"{module.source(call.func)} is called without error handling, and preprocess.py checks nothing",
        )

    @staticmethod
    def _told_by(module: Module) -> bool:
        """Return whether a caller wraps what comes from preprocess in a try."""
        return any(
            isinstance(around, ast.Try)
            for call in module.calls("src.preprocess.*")
            for around in module.ancestors(call)
        )
