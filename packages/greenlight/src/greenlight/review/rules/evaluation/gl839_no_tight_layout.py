"""GL839: figures are saved without a tight layout."""

from __future__ import annotations

from collections.abc import Iterator

from greenlight.review.criteria import Criterion
from greenlight.review.engines.readback import Readback
from greenlight.review.finding import Finding, Severity
from greenlight.review.rule import Rule
from greenlight.review.subject import Subject


class NoTightLayout(Rule):
    """Figures are saved without a tight layout, so long run ids and labels are cut off."""

    id = "GL839"
    name = "no-tight-layout"
    criterion = Criterion.EVALUATION
    severity = Severity.MINOR
    sentences = ("8.13",)
    summary = "Figures are saved without a tight layout, so long run ids and labels are cut off."
    why = "Run ids are long and stand below the bars; without tight_layout they lie outside of the saved page."
    remedy = "Call tight_layout() before saving, or save with bbox_inches='tight'."
    valid = (
        {
            "src/evaluate.py": """
            import matplotlib.pyplot as plt

            def draw(values, path):
                plt.plot(values)
                plt.savefig(path, bbox_inches="tight")
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

        if not readback.is_seen or readback.says("tight", "constrained", "subplots_adjust", "style.use", "rcparams"):
            return
        call = next(module.method_calls("savefig"), None)
        if call is not None and any(n.partition(".")[0] == "matplotlib" for n in module.imports.values()):
            yield self.at(module, call, f"{module.source(call)} without a tight layout: long labels are cut off")
