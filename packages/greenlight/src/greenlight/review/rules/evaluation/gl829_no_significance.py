"""GL829: there is no test of significance."""

from __future__ import annotations

import re
from collections.abc import Iterator

from greenlight.review.criteria import Criterion
from greenlight.review.engines.readback import Readback
from greenlight.review.finding import Finding, Severity
from greenlight.review.rule import Rule
from greenlight.review.subject import Subject

_SAID = re.compile(
    r"signific|t_?test|\bp_?val|\bp-val|pvalue|wilcoxon|mannwhitney|bootstrap|permutation|mcnemar|confidence|binom"
    r"|test[^\n]{0,40}not applicable|not applicable[^\n]{0,60}(\btest|seed|sample|repeat|single run|one run)|kruskal"
    r"|anova|f_oneway|chi2|bayes|ranksums|\bz_?test"
)


class NoSignificance(Rule):
    """Nothing says whether the difference between the methods is more than noise."""

    id = "GL829"
    name = "no-significance"
    criterion = Criterion.EVALUATION
    severity = Severity.MAJOR
    sentences = ("8.12",)
    summary = "Nothing says whether the difference between the methods is more than noise."
    why = (
        "The contract asks for a test; where none applies, because there is one run of each method and no "
        "outcome of examples, that has to be said."
    )
    remedy = "Test repeated seeds or paired outcomes of examples, or write 'not applicable' with the reason."
    valid = (
        {
            "src/evaluate.py": """
            from scipy.stats import ttest_ind

            def compare(first, second):
                return ttest_ind(first, second)
        """,
        },
        {
            "src/evaluate.py": """
            def compare(content):
                content["significance"] = "not applicable: one seed of each method"
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

        told = any(_SAID.search(m.text.lower()) for m in readback.modules)
        if readback.is_seen and not told and readback.words & {"savefig", "dump", "dumps"}:
            yield self.on(
                module,
                1,
                "src/evaluate.py has no test of significance and does not say why none applies",
                "test repeated seeds or paired outcomes, or write 'not applicable' with the reason to the results",
            )
