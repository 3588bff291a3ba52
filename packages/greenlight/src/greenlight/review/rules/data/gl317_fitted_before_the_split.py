"""GL317: a scaler or vectoriser is fitted on all rows before they are split."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from greenlight.review.criteria import Criterion
from greenlight.review.finding import Finding, Severity
from greenlight.review.module import Module, walk
from greenlight.review.rule import NotApplicable, Rule
from greenlight.review.subject import Subject

_FITTED = (
    "sklearn.preprocessing.StandardScaler",
    "sklearn.preprocessing.MinMaxScaler",
    "sklearn.preprocessing.RobustScaler",
    "sklearn.feature_extraction.text.TfidfVectorizer",
    "sklearn.decomposition.PCA",
    "sklearn.feature_selection.SelectKBest",
    "sklearn.impute.SimpleImputer",
)


class FittedBeforeTheSplit(Rule):
    """``X = scaler.fit_transform(X)`` and then ``train_test_split(X, y)``."""

    id = "GL317"
    name = "fitted-before-the-split"
    criterion = Criterion.DATA
    severity = Severity.MAJOR
    sentences = ("3.2",)
    summary = "A transformation is fitted on all rows before the split, so the test rows leak into training."
    why = (
        "Mean, vocabulary or chosen features then know the test rows. The test score is too good, by little for "
        "a scaler "
        "and by much for feature selection, and it is not what unseen data would give."
    )
    remedy = "Split first, fit on the training part, and only transform the test part."
    valid = (
        {
            "src/preprocess.py": """
            from sklearn.model_selection import train_test_split
            from sklearn.preprocessing import StandardScaler

            def prepare(x, y):
                x_train, x_test, y_train, y_test = train_test_split(x, y, random_state=0)
                scaler = StandardScaler()
                return scaler.fit_transform(x_train), scaler.transform(x_test), y_train, y_test
            """
        },
    )
    invalid = (
        {
            "src/preprocess.py": """
            from sklearn.model_selection import train_test_split
            from sklearn.preprocessing import StandardScaler

            def prepare(x, y):
                scaler = StandardScaler()
                x = scaler.fit_transform(x)
                return train_test_split(x, y, random_state=0)
            """
        },
    )

    def check(self, subject: Subject) -> Iterator[Finding]:
        """Yield one finding for each split."""
        splits = [(m, c) for m in subject.code for c in m.calls("sklearn.model_selection.train_test_split")]
        if not splits:
            raise NotApplicable("nothing is split with train_test_split")
        for module, call in splits:
            function = module.function_around(call)
            if function is None:
                continue
            given = {a.id for a in call.args if isinstance(a, ast.Name)}
            for node in walk(function):
                if not (isinstance(node, ast.Assign) and node.lineno < call.lineno):
                    continue
                names = {t.id for t in node.targets if isinstance(t, ast.Name)} & given
                if names and self._is_fit(module, node.value):
                    yield self.at(
                        module,
                        node,
                        f"{module.source(node.value)} is fitted on all rows before line {call.lineno} splits them",
                    )

    @staticmethod
    def _is_fit(module: Module, node: ast.expr) -> bool:
        if not (
            isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "fit_transform"
        ):
            return False
        made: ast.AST | None = node.func.value
        if isinstance(made, ast.Name):
            made = module.assigned(made)
        return isinstance(made, ast.Call) and module.dotted(made.func) in _FITTED
