"""GL823: a test or a figure rests on random numbers."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from greenlight.review.criteria import Criterion
from greenlight.review.engines.readback import Readback
from greenlight.review.engines.samples import TESTS
from greenlight.review.finding import Finding, Severity
from greenlight.review.module import Module, walk
from greenlight.review.rule import Rule
from greenlight.review.subject import Subject

_DRAWS = frozenset(
    {"normal", "randn", "rand", "uniform", "standard_normal", "gauss", "normalvariate", "beta", "random", "lognormal"}
)


def _is_drawn(module: Module, node: ast.AST) -> bool:
    if not (isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in _DRAWS):
        return False
    dotted = module.dotted(node.func)
    if dotted is not None:
        return dotted.startswith(("numpy.random.", "random."))
    if isinstance(node.func.value, ast.Name):
        made = module.assigned(node.func.value)
        return isinstance(made, ast.Call) and module.dotted(made.func) in (
            "numpy.random.default_rng",
            "numpy.random.RandomState",
        )
    return False


class InventedSample(Rule):
    """Random numbers around a value stand in for measurements in a test or a box plot."""

    id = "GL823"
    name = "invented-sample"
    criterion = Criterion.EVALUATION
    severity = Severity.BLOCKER
    sentences = ("8.12", "8.16")
    summary = "Random numbers around a value stand in for measurements in a test or a box plot."
    why = (
        "A variance that was made up gives any p-value that one likes; the contract calls a fabricated figure "
        "a blocker."
    )
    remedy = "Use measured values of repeated seeds; with one run each there is no spread to show."
    valid = (
        {
            "src/evaluate.py": """
            import numpy as np

            def permuted(differences):
                return [value if np.random.rand() < 0.5 else -value for value in differences]

            def jitter(places, several):
                return places + np.random.normal(0, 0.1) if several else places
        """,
        },
        {
            "src/evaluate.py": """
            import numpy as np

            def interval(outcomes):
                rng = np.random.default_rng(0)
                means = [rng.choice(outcomes, len(outcomes)).mean() for _ in range(1000)]
                return np.percentile(means, [2.5, 97.5])
        """,
        },
        {
            "src/evaluate.py": """
            import numpy as np
            import matplotlib.pyplot as plt

            def points(values):
                plt.scatter(np.random.normal(1.0, 0.02, len(values)), values)
        """,
        },
    )
    invalid = (
        {
            "src/evaluate.py": """
            import numpy as np

            def outcomes(stored):
                return stored if stored else [bool(np.random.rand() < 0.5) for _ in range(100)]
        """,
        },
        {
            "src/evaluate.py": """
            import numpy as np
            from scipy import stats

            def compare(best, base):
                first = np.random.normal(best, 0.5, 30)
                second = np.random.normal(base, 0.5, 30)
                return stats.ttest_ind(first, second)
        """,
        },
        {
            "src/evaluate.py": """
            import numpy as np
            import matplotlib.pyplot as plt

            def boxes(values):
                rng = np.random.default_rng(0)
                plt.boxplot([rng.normal(value, 0.1, 10) for value in values])
        """,
        },
    )

    def check(self, subject: Subject) -> Iterator[Finding]:
        """Yield what is wrong."""
        readback = subject.derived(Readback)
        module = readback.module
        if module is None:
            return

        for call in module.nodes:
            if isinstance(call, ast.IfExp):
                yield from self._stands_in(module, call)
            if not isinstance(call, ast.Call):
                continue
            dotted = module.dotted(call.func) or ""
            if dotted in TESTS:
                given = call.args[:2]
            elif isinstance(call.func, ast.Attribute) and call.func.attr in (
                "boxplot",
                "violinplot",
                "confusion_matrix",
            ):
                given = call.args[:1]
            else:
                continue
            for value in given:
                drawn = next((n for n in readback.expanded(value) if _is_drawn(module, n)), None)
                if drawn is not None:
                    yield self.at(
                        module,
                        call,
                        f"{module.source(call)} rests on random numbers: {module.source(drawn)}",
                        "use measured values of repeated seeds, or leave it out and say why",
                    )
                    break

    def _stands_in(self, module: Module, choice: ast.IfExp) -> Iterator[Finding]:
        """Yield the random numbers that a condition puts in the place of what is missing."""
        test = choice.test
        is_empty = isinstance(test, ast.UnaryOp) and isinstance(test.op, ast.Not)
        what = test.operand if isinstance(test, ast.UnaryOp) and is_empty else test
        if isinstance(test, ast.Compare) and isinstance(test.ops[0], ast.Is | ast.IsNot):
            if not (isinstance(test.comparators[0], ast.Constant) and test.comparators[0].value is None):
                return
            is_empty, what = isinstance(test.ops[0], ast.Is), test.left
        if not isinstance(what, ast.Name | ast.Attribute | ast.Subscript):
            return
        instead, measured = (choice.body, choice.orelse) if is_empty else (choice.orelse, choice.body)
        drawn = next((n for n in walk(instead) if _is_drawn(module, n)), None)
        text = ast.unparse(what)
        if drawn is not None and text in ast.unparse(measured):
            yield self.at(
                module,
                drawn,
                f"where {text} is empty, random numbers take its place: {module.source(drawn)}",
                "leave it out, and write null with the reason",
            )
