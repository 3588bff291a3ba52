"""GL837: a bar chart does not say its values."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

from greenlight.review.criteria import Criterion
from greenlight.review.engines.figures import Figures
from greenlight.review.engines.readback import Readback
from greenlight.review.finding import Finding, Severity
from greenlight.review.module import Function, Module, walk
from greenlight.review.rule import Rule
from greenlight.review.subject import Subject

_BARS = ("bar", "barh")


def _draws_elsewhere(readback: Readback, module: Module, function: Function) -> bool:
    """Return whether a function calls an own one that does more than save or calculate: it may write the values."""
    for node in walk(function):
        target = readback.flow.target(module, node) if isinstance(node, ast.Call) else None
        if target is not None:
            attributes = {n.attr for n in walk(target[1]) if isinstance(n, ast.Attribute)}
            if "savefig" not in attributes:
                return True
    return False


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

            def save(figure, path):
                figure.savefig(path)

            def draw(values, path):
                figure, axes = plt.subplots()
                for run_id, value in values.items():
                    axes.bar_label(axes.bar(run_id, value))
                save(figure, path)
        """,
        },
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
        figures = subject.derived(Figures)
        for function in module.functions:
            drawing = figures.drawing(function)
            names = {c.func.attr for c in drawing if isinstance(c.func, ast.Attribute)}
            if not drawing or names & marks or _draws_elsewhere(readback, module, function):
                continue
            calls = [n for n in walk(function) if isinstance(n, ast.Call)]
            for call in calls:
                dotted = module.dotted(call.func)
                owner = call.func.value if isinstance(call.func, ast.Attribute) and call.func.attr in _BARS else None
                on_axes = isinstance(owner, ast.Name) and re.fullmatch(r"ax\d?|axes|axis", owner.id) is not None
                if dotted in ("seaborn.barplot", "matplotlib.pyplot.bar", "matplotlib.pyplot.barh") or on_axes:
                    yield self.at(
                        module,
                        call,
                        f"{function.name}() draws bars and writes no value at them",
                        "add ax.bar_label(ax.containers[0]) before saving",
                    )
                    break
