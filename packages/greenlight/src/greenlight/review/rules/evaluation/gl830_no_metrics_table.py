"""GL830: there is no table of the metrics."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

from greenlight.review.criteria import Criterion
from greenlight.review.engines.readback import Readback
from greenlight.review.finding import Finding, Severity
from greenlight.review.module import Module
from greenlight.review.rule import Rule
from greenlight.review.subject import Subject

_WRITERS = frozenset(
    {"to_csv", "to_latex", "to_markdown", "to_html", "to_excel", "to_string", "tabulate", "writerow", "writerows"}
    | {"dictwriter", "savetxt", "prettytable"}
)
_TEXT = re.compile(r"table|\.(csv|md|tex|html|xlsx|tsv)\b|latex|hline|\| ?-{2,}")


def _is_table(module: Module, node: ast.AST) -> bool:
    """Return whether a call, a function's name or a text that is not documentation speaks of a table."""
    if isinstance(node, ast.Call):
        name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
        return "table" in str(name).lower()
    if isinstance(node, ast.FunctionDef):
        return "table" in node.name.lower()
    if not isinstance(node, ast.Constant) or not isinstance(node.value, str):
        return False
    return not isinstance(module.parent(node), ast.Expr) and bool(_TEXT.search(node.value.lower()))


class NoMetricsTable(Rule):
    """The metrics of the runs are never put into a table."""

    id = "GL830"
    name = "no-metrics-table"
    criterion = Criterion.EVALUATION
    severity = Severity.MAJOR
    sentences = ("8.11",)
    summary = "The metrics of the runs are never put into a table."
    why = "The contract asks for tables of the metrics across runs; a chart of one metric does not show the others."
    remedy = "Write a table of runs and metrics, for instance with DataFrame.to_csv."
    valid = (
        {
            "src/evaluate.py": """
            import pandas as pd

            def compare(values, folder):
                pd.DataFrame(values).to_csv(folder / "comparison_metrics.csv")
                pd.Series(values).plot().figure.savefig(folder / "comparison_metrics.pdf")
        """,
        },
    )
    invalid = (
        {
            "src/evaluate.py": """
            import matplotlib.pyplot as plt

            def draw(values, path):
                plt.bar(list(values), list(values.values()))
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

        if not readback.is_seen or readback.words & _WRITERS or "savefig" not in readback.words:
            return
        if any(_is_table(m, node) for m in readback.modules for node in m.nodes):
            return
        yield self.on(
            module, 1, "src/evaluate.py writes no table of the metrics: no to_csv, to_latex, tabulate or the like"
        )
