"""GL842: tables are stacked with duplicate row labels."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from greenlight.review.criteria import Criterion
from greenlight.review.engines.readback import HISTORIES, Readback
from greenlight.review.finding import Finding, Severity
from greenlight.review.module import Module, argument
from greenlight.review.rule import Rule
from greenlight.review.subject import Subject


def _relabelled(module: Module) -> bool:
    return any(True for _ in module.method_calls("reset_index", "set_index", "melt"))


class StackedTablesWithOneIndex(Rule):
    """Histories are stacked without new row labels and handed to seaborn, which raises an error."""

    id = "GL842"
    name = "stacked-tables-with-one-index"
    criterion = Criterion.EVALUATION
    severity = Severity.BLOCKER
    sentences = ("8.11",)
    summary = "Histories are stacked without new row labels and handed to seaborn, which raises an error."
    why = (
        "pd.concat keeps each table's labels 0, 1, 2, ...; seaborn then fails with 'cannot reindex on an axis "
        "with duplicate labels' as soon as there are two runs."
    )
    remedy = "Pass ignore_index=True to pd.concat."
    valid = (
        {
            "src/evaluate.py": """
            import pandas as pd
            import seaborn as sns
            import wandb

            def boxes(paths):
                frames = []
                for path in paths:
                    history = wandb.Api().run(path).history(samples=10000)
                    frames.append(history[["accuracy"]])
                sns.boxplot(data=pd.concat(frames, ignore_index=True), y="accuracy")
        """,
        },
    )
    invalid = (
        {
            "src/evaluate.py": """
            import pandas as pd
            import seaborn as sns
            import wandb

            def boxes(paths):
                frames = []
                for path in paths:
                    history = wandb.Api().run(path).history(samples=10000)
                    frames.append(history[["accuracy"]])
                stacked = pd.concat(frames)
                sns.boxplot(data=stacked, x="run_id", y="accuracy")
        """,
        },
    )

    def check(self, subject: Subject) -> Iterator[Finding]:
        """Yield what is wrong."""
        readback = subject.derived(Readback)
        module = readback.module
        if module is None:
            return

        for call in module.calls(
            "seaborn.boxplot", "seaborn.violinplot", "seaborn.stripplot", "seaborn.swarmplot", "seaborn.boxenplot"
        ):
            data = argument(call, "data", 0)
            made = module.assigned(data) if isinstance(data, ast.Name) else data
            if not (isinstance(made, ast.Call) and module.dotted(made.func) == "pandas.concat" and made.args):
                continue
            if any(k.arg in ("ignore_index", "keys", None, "axis") for k in made.keywords) or not isinstance(
                made.args[0], ast.Name
            ):
                continue
            name = made.args[0].id
            added = [
                c.args[0]
                for c in module.method_calls("append")
                if isinstance(c.func, ast.Attribute)
                and isinstance(c.func.value, ast.Name)
                and c.func.value.id == name
                and c.args
            ]
            if added and all(readback.kind(a) in HISTORIES for a in added) and not _relabelled(module):
                yield self.at(
                    module,
                    made,
                    f"{module.source(made)} keeps each run's row labels, which {module.source(call.func)} rejects",
                    f"write pd.concat({name}, ignore_index=True)",
                )
