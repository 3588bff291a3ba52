"""GL836: labelled curves have no legend."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

from greenlight.review.criteria import Criterion
from greenlight.review.engines.figures import Figures
from greenlight.review.engines.readback import Readback
from greenlight.review.finding import Finding, Severity
from greenlight.review.module import walk
from greenlight.review.rule import Rule
from greenlight.review.subject import Subject


class LabelsWithoutLegend(Rule):
    """Curves are given labels but the figure has no legend, so nobody can tell them apart."""

    id = "GL836"
    name = "labels-without-legend"
    criterion = Criterion.EVALUATION
    severity = Severity.MINOR
    sentences = ("8.13",)
    summary = "Curves are given labels but the figure has no legend, so nobody can tell them apart."
    why = "matplotlib shows the label= of a curve only in a legend."
    remedy = "Call legend() on the axes."
    valid = (
        {
            "src/evaluate.py": """
            import matplotlib.pyplot as plt

            def draw(curves, path):
                for run_id, values in curves.items():
                    plt.plot(values, label=run_id)
                plt.legend()
                plt.savefig(path)
        """,
        },
    )
    invalid = (
        {
            "src/evaluate.py": """
            import matplotlib.pyplot as plt

            def save(figure, path):
                figure.savefig(path)

            def draw(curves, path):
                figure, axes = plt.subplots()
                for run_id, values in curves.items():
                    axes.plot(values, label=run_id)
                save(figure, path)
        """,
        },
        {
            "src/evaluate.py": """
            import matplotlib.pyplot as plt

            def draw(curves, path):
                fig, ax = plt.subplots()
                for run_id, values in curves.items():
                    ax.plot(values, label=run_id)
                fig.tight_layout()
                fig.savefig(path)
        """,
        },
    )

    def check(self, subject: Subject) -> Iterator[Finding]:
        """Yield what is wrong."""
        readback = subject.derived(Readback)
        module = readback.module
        if module is None:
            return

        figures = subject.derived(Figures)
        for function in module.functions:
            calls = [n for n in walk(function) if isinstance(n, ast.Call)]
            drawing = figures.drawing(function)
            if not drawing:
                continue
            if any(
                "legend" in ast.unparse(n.func) or any(k.arg == "legend" for k in n.keywords) for n in drawing
            ) or "sns" in ast.unparse(function):
                continue
            for call in calls:
                if isinstance(call.func, ast.Attribute) and call.func.attr in (
                    "plot",
                    "scatter",
                    "errorbar",
                    "step",
                    "fill_between",
                ):
                    owner = call.func.value
                    is_axes = module.dotted(call.func) is not None or (
                        isinstance(owner, ast.Name) and re.fullmatch(r"ax\d?|axes|axis", owner.id)
                    )
                    if is_axes and any(k.arg == "label" for k in call.keywords):
                        yield self.at(
                            module,
                            call,
                            f"{module.source(call)} has a label, but {function.name}() draws no legend",
                            "call legend() on the axes before saving",
                        )
                        break
