"""GL814: a best value stands in for a final one."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

from greenlight.review.criteria import Criterion
from greenlight.review.engines.readback import Readback
from greenlight.review.finding import Finding, Severity
from greenlight.review.rule import Rule
from greenlight.review.subject import Subject


class BestForFinal(Rule):
    """Where the final value is missing the best one is taken silently, so runs are compared by different measures."""

    id = "GL814"
    name = "best-for-final"
    criterion = Criterion.EVALUATION
    severity = Severity.MAJOR
    sentences = ("8.16",)
    summary = (
        "Where the final value is missing the best one is taken silently, so runs are compared by different measures."
    )
    why = (
        "The best of many measurements is higher than the last by selection alone; one run's best against "
        "another's final is no comparison."
    )
    remedy = "Leave a missing final value missing, and say so."
    valid = (
        {
            "src/evaluate.py": """
            import wandb

            def value(path):
                return wandb.Api().run(path).summary.get("final_accuracy")
        """,
        },
    )
    invalid = (
        {
            "src/evaluate.py": """
            import wandb

            def value(path):
                summary = wandb.Api().run(path).summary
                return summary.get("final_accuracy", summary.get("best_accuracy"))
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
            if not (
                isinstance(call.func, ast.Attribute) and readback.is_summary(call.func.value) and len(call.args) == 2
            ):
                continue
            inner = call.args[1]
            if not (
                isinstance(inner, ast.Call)
                and isinstance(inner.func, ast.Attribute)
                and inner.func.attr == "get"
                and inner.args
            ):
                continue
            if not readback.is_summary(inner.func.value) or (
                len(inner.args) > 1 and module.value(inner.args[1]) in (0, 0.0)
            ):
                continue
            first, second = module.value(call.args[0]), module.value(inner.args[0])
            if (
                isinstance(first, str)
                and isinstance(second, str)
                and re.search(r"final|last|(^|_)(at|end)(_|$)|budget", first)
                and "best" not in first
                and "best" in second
            ):
                yield self.at(
                    module,
                    call,
                    f"a missing {first!r} becomes {second!r} without a word",
                    f"read {first!r} alone, and report it as missing where it is",
                )
