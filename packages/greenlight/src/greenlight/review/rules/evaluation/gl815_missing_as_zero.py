"""GL815: a missing metric becomes 0."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

from greenlight.review.criteria import Criterion
from greenlight.review.engines.readback import HISTORIES, Readback
from greenlight.review.finding import Finding, Severity
from greenlight.review.module import Module, argument
from greenlight.review.rule import Rule
from greenlight.review.subject import Subject

_COUNTERS = re.compile(r"epoch|step|time|sec|count|num|total|seed|batch|param|iter|^n_|^_|runtime|token|memory|size")


def _is_zero(module: Module, node: ast.AST | None) -> bool:
    value = module.value(node)
    return isinstance(value, int | float) and not isinstance(value, bool) and value == 0


class MissingAsZero(Rule):
    """A metric that a run does not have is counted as 0, so a failed run looks like a bad method."""

    id = "GL815"
    name = "missing-as-zero"
    criterion = Criterion.EVALUATION
    severity = Severity.MAJOR
    sentences = ("8.16",)
    summary = "A metric that a run does not have is counted as 0, so a failed run looks like a bad method."
    why = "Seen with runs whose summary is empty: best_proposed 0.0, best_baseline 0.0, gap 0.0, exit status 0."
    remedy = "Leave it missing: write null with the reason, and keep the run out of the comparison."
    valid = (
        {
            "src/evaluate.py": """
            import wandb

            def value(path):
                summary = wandb.Api().run(path).summary
                epochs = summary.get("epoch", 0)
                found = summary.get("final_accuracy")
                return None if found is None else float(found)
        """,
        },
    )
    invalid = (
        {
            "src/evaluate.py": """
            import wandb

            def rows(path):
                return wandb.Api().run(path).history(samples=10000).fillna(0).to_dict("records")
        """,
        },
        {
            "src/evaluate.py": """
            import wandb

            def value(path):
                return wandb.Api().run(path).summary.get("final_accuracy", 0.0)
        """,
        },
        {
            "src/evaluate.py": """
            import wandb

            def value(path):
                summary = wandb.Api().run(path).summary._json_dict
                return float(summary.get("final_accuracy") or 0)
        """,
        },
    )

    def check(self, subject: Subject) -> Iterator[Finding]:
        """Yield what is wrong."""
        readback = subject.derived(Readback)
        module = readback.module
        if module is None:
            return

        for call in module.method_calls("get"):
            if not (isinstance(call.func, ast.Attribute) and readback.is_summary(call.func.value) and call.args):
                continue
            key = module.value(call.args[0])
            if isinstance(key, str) and _COUNTERS.search(key.lower()):
                continue
            around = module.parent(call)
            zero = len(call.args) == 2 and _is_zero(module, call.args[1])
            if isinstance(around, ast.BoolOp) and isinstance(around.op, ast.Or) and _is_zero(module, around.values[-1]):
                zero = True
            if zero:
                told = f"a missing {key!r}" if isinstance(key, str) else f"a missing {module.source(call.args[0])}"
                yield self.at(
                    module,
                    call,
                    f"{told} becomes 0 and is compared as if it had been measured",
                    "leave it None, write null with the reason, and keep the run out of the comparison",
                )
        for call in module.method_calls("fillna"):
            if not (isinstance(call.func, ast.Attribute) and readback.kind(call.func.value) in (*HISTORIES, "column")):
                continue
            if _is_zero(module, argument(call, "value", 0)):
                yield self.at(
                    module,
                    call,
                    f"{module.source(call)}: steps at which a metric was not measured get the value 0",
                    "drop the missing values, or write null for them",
                )
