"""GL824: a significance test has no sample."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from greenlight.review.criteria import Criterion
from greenlight.review.engines.readback import Readback
from greenlight.review.engines.samples import TESTS, origin
from greenlight.review.finding import Finding, Severity
from greenlight.review.rule import Rule
from greenlight.review.subject import Subject


class TestWithoutSample(Rule):
    """A significance test is given one value a side, or one value repeated, so its result is NaN or made up."""

    id = "GL824"
    name = "test-without-sample"
    criterion = Criterion.EVALUATION
    severity = Severity.MAJOR
    sentences = ("8.12", "8.16")
    summary = "A significance test is given one value a side, or one value repeated, so its result is NaN or made up."
    why = "ttest_ind([a], [b]) is NaN with scipy 1.17; repeating a value gives a variance of zero and any significance."
    remedy = "Test repeated seeds or paired outcomes of examples, or write that no test applies and why."
    valid = (
        {
            "src/evaluate.py": """
            from scipy import stats

            def compare(first, second):
                return stats.ttest_ind(first, second, equal_var=False) if min(len(first), len(second)) > 1 else None
        """,
        },
    )
    invalid = (
        {
            "src/evaluate.py": """
            from scipy import stats

            def compare(best, base):
                return stats.ttest_ind([best], [base])
        """,
        },
        {
            "src/evaluate.py": """
            from scipy import stats

            def compare(best, base):
                first, second = [best] * 5, [base] * 5
                sample = [best] * 5
                return stats.ttest_ind(sample, second)
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
            for given in call.args[:2]:
                sample = origin(module, given)
                told = None
                if (
                    isinstance(sample, ast.List)
                    and len(sample.elts) == 1
                    and not isinstance(sample.elts[0], ast.Starred)
                ):
                    told = "is a single value"
                elif (
                    isinstance(sample, ast.BinOp)
                    and isinstance(sample.op, ast.Mult)
                    and isinstance(sample.left, ast.List)
                    and len(sample.left.elts) == 1
                ):
                    told = "is one value repeated"
                elif isinstance(sample, ast.Call) and module.dotted(sample.func) in (
                    "numpy.full",
                    "numpy.repeat",
                    "numpy.ones",
                ):
                    told = (
                        "is one value repeated"
                        if not (
                            module.dotted(sample.func) == "numpy.repeat"
                            and sample.args
                            and not isinstance(sample.args[0], ast.Constant)
                        )
                        else None
                    )
                if told is not None:
                    yield self.at(
                        module,
                        call,
                        f"the sample {module.source(sample)} of {module.source(call.func)} {told}",
                        "test repeated seeds or paired outcomes, or write that no test applies and why",
                    )
                    break
