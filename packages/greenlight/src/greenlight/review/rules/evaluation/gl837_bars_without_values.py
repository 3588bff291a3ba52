"""GL837: a bar chart does not say its values."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from greenlight.review.criteria import Criterion
from greenlight.review.engines.readback import Readback
from greenlight.review.finding import Finding, Severity
from greenlight.review.module import walk
from greenlight.review.rule import Rule
from greenlight.review.subject import Subject


class BarsWithoutValues(Rule):
    """A bar chart has no values written at its bars, so close results cannot be told apart."""

    id = "GL837"
    name = "bars-without-values"
    criterion = Criterion.EVALUATION
    severity = Severity.MINOR
    sentences = ("8.13",)
    summary = "A bar chart has no values written at its bars, so close results cannot be told apart."
    why = "Methods often differ by less than a line's width of a bar; the contract asks for annotations."
    remedy = "Write the values with bar_label, text or annotate."
    valid = (
        {
            "src/evaluate.py": """
            import matplotlib.pyplot as plt

            def draw(values, path):
                fig, ax = plt.subplots()
                ax.bar_label(ax.bar(list(values), list(values.values())))
                fig.savefig(path)
        """,
        },
    )
    invalid = (
        {
            "src/evaluate.py": """
            import matplotlib.pyplot as plt
            import seaborn as sns

            def draw(table, path):
                sns.barplot(data=table, x="run_id", y="accuracy")
                plt.savefig(path)
        """,
        },
    )

    def check(self, subject: Subject) -> Iterator[Finding]:
        """Yield what is wrong."""
        readback = subject.derived(Readback)
        module = readback.module
        if module is None:
            return

        marks = {"bar_label", "text", "annotate", "table", "errorbar"}
        for function in module.functions:
            calls = [n for n in walk(function) if isinstance(n, ast.Call) and isinstance(n.func, ast.Attribute)]
            names = {c.func.attr for c in calls if isinstance(c.func, ast.Attribute)}
            if (
                "savefig" not in names
                or names & marks
                or any(readback.flow.target(module, n) for n in walk(function) if isinstance(n, ast.Call))
            ):
                continue
            for call in calls:
                if module.dotted(call.func) in ("seaborn.barplot", "matplotlib.pyplot.bar", "matplotlib.pyplot.barh"):
                    yield self.at(
                        module,
                        call,
                        f"{function.name}() draws bars and writes no value at them",
                        "add ax.bar_label(ax.containers[0]) before saving",
                    )
                    break
