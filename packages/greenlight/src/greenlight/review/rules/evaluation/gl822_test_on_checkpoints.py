"""GL822: a significance test compares the checkpoints of single runs."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

from greenlight.review.criteria import Criterion
from greenlight.review.engines.readback import Readback
from greenlight.review.engines.samples import TESTS, origin
from greenlight.review.finding import Finding, Severity
from greenlight.review.rule import Rule
from greenlight.review.subject import Subject


class TestOnCheckpoints(Rule):
    """A significance test takes the points of a learning curve as its sample, so its p-value means nothing."""

    id = "GL822"
    name = "test-on-checkpoints"
    criterion = Criterion.EVALUATION
    severity = Severity.MAJOR
    sentences = ("8.12", "8.16")
    summary = "A significance test takes the points of a learning curve as its sample, so its p-value means nothing."
    why = (
        "Points of one curve are neither independent nor repetitions: it is one run of each method. A test "
        "needs repeated seeds, or outcomes of the same examples."
    )
    remedy = (
        "Test final values of repeated seeds or paired outcomes of examples; otherwise write 'not applicable' and why."
    )
    valid = (
        {
            "src/evaluate.py": """
            import wandb
            from scipy.stats import ttest_ind

            def compare(paths_a, paths_b):
                api = wandb.Api()
                first = [api.run(path).summary["test_accuracy"] for path in paths_a]
                second = [api.run(path).summary["test_accuracy"] for path in paths_b]
                return ttest_ind(first, second)
        """,
        },
    )
    invalid = (
        {
            "src/evaluate.py": """
            import wandb
            from scipy.stats import ttest_ind

            def compare(path_a, path_b):
                api = wandb.Api()
                first = api.run(path_a).history(samples=10000)["val_accuracy"].dropna()
                second = api.run(path_b).history(samples=10000)["val_accuracy"].dropna()
                return ttest_ind(first, second)
        """,
        },
    )

    def check(self, subject: Subject) -> Iterator[Finding]:
        """Yield what is wrong."""
        readback = subject.derived(Readback)
        module = readback.module
        if module is None:
            return

        for call in module.calls(*TESTS):
            samples = [origin(module, a) for a in call.args[:2]]
            if len(samples) < 2 or not all(readback.kind(s) == "column" for s in samples):
                continue
            names = [
                n.value
                for s in samples
                for n in readback.expanded(s)
                if isinstance(n, ast.Constant) and isinstance(n.value, str)
            ]
            if any(re.search("correct|outcome|pred|example|sample|per_|seed", str(name).lower()) for name in names):
                continue
            yield self.at(
                module,
                call,
                f"{module.source(call)} tests points of two learning curves: one run a side is no sample",
                "test repeated seeds or paired outcomes of examples, or write that no test applies and why",
            )
