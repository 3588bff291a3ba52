"""GL820: a vector is compared with itself."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from greenlight.review.criteria import Criterion
from greenlight.review.engines.samples import vector
from greenlight.review.finding import Finding, Severity
from greenlight.review.module import argument, walk
from greenlight.review.rule import Rule
from greenlight.review.subject import Subject

_SCORES = "confusion_matrix accuracy_score f1_score precision_score recall_score matthews_corrcoef cohen_kappa_score"
_MORE = "classification_report balanced_accuracy_score mean_squared_error mean_absolute_error r2_score roc_auc_score"
_TESTS = "ttest_ind ttest_rel mannwhitneyu wilcoxon ks_2samp ranksums"
_NAMES = (
    *(f"sklearn.metrics.{name}" for name in (_SCORES + " " + _MORE).split()),
    *(f"scipy.stats.{name}" for name in _TESTS.split()),
)


_PURE = frozenset(
    {"list", "tuple", "sorted", "values", "keys", "items", "get", "tolist", "to_numpy", "dropna", "copy", "astype"}
)


def _is_the_same(node: ast.expr) -> bool:
    """Return whether evaluating an expression twice gives one value: nothing is called in it."""
    for n in walk(node):
        if isinstance(n, ast.Lambda | ast.Await | ast.Yield):
            return False
        if isinstance(n, ast.Call):
            name = (
                n.func.attr if isinstance(n.func, ast.Attribute) else n.func.id if isinstance(n.func, ast.Name) else ""
            )
            if name not in _PURE:
                return False
    return True


class ComparedWithItself(Rule):
    """A confusion matrix, a score or a test compares a vector with itself."""

    id = "GL820"
    name = "compared-with-itself"
    criterion = Criterion.EVALUATION
    severity = Severity.BLOCKER
    sentences = ("8.16", "8.12")
    summary = (
        "A confusion matrix, a score or a test compares a vector with itself, so the result is perfect "
        "whatever the model did."
    )
    why = (
        "Seen in a real experiment: one right answer of four gave the confusion matrix of a perfect "
        "classifier, because predicted and true labels were one list."
    )
    remedy = "Compare the stored predictions with the true labels."
    valid = (
        {
            "src/evaluate.py": """
            from sklearn.metrics import confusion_matrix

            def matrix(rows):
                true = [row["label"] for row in rows]
                predicted = [row["prediction"] for row in rows]
                return confusion_matrix(true, predicted)
        """,
        },
    )
    invalid = (
        {
            "src/evaluate.py": """
            from sklearn.metrics import confusion_matrix

            def matrix(rows):
                true = [row["label"] for row in rows]
                predicted = true
                return confusion_matrix(true, predicted)
        """,
        },
        {
            "src/evaluate.py": """
            from scipy.stats import ttest_rel

            def test(scores):
                return ttest_rel(scores, scores)
        """,
        },
    )

    def check(self, subject: Subject) -> Iterator[Finding]:
        """Yield what is wrong."""
        for module in subject.code:
            for call in module.calls(*_NAMES):
                first = argument(call, "y_true", 0)
                second = argument(call, "y_pred", 1)
                if first is None or second is None:
                    first, second = argument(call, "a", 0), argument(call, "b", 1)
                if first is None or second is None:
                    continue
                one, two = vector(module, first), vector(module, second)
                if not isinstance(one, ast.Constant) and ast.dump(one) == ast.dump(two) and _is_the_same(one):
                    yield self.at(
                        module,
                        call,
                        f"{module.source(call)} compares {module.source(one)} with itself",
                        "pass the true labels and the stored predictions, from two sources",
                    )
