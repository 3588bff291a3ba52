"""GL825: results stand in the code."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

from greenlight.review.criteria import Criterion
from greenlight.review.engines.readback import Readback
from greenlight.review.finding import Finding, Severity
from greenlight.review.rule import Rule
from greenlight.review.subject import Subject

_OTHER = re.compile("expect|refer|paper|target|publish|color|weight|offset|style|width|alpha|order|claim|hypoth|thresh")


class ResultsInCode(Rule):
    """Results of the methods stand in the code of evaluate.py as numbers."""

    id = "GL825"
    name = "results-in-code"
    criterion = Criterion.EVALUATION
    severity = Severity.BLOCKER
    sentences = ("8.16", "8.4")
    summary = (
        "Results of the methods stand in the code of evaluate.py as numbers, so the comparison does not "
        "depend on the runs."
    )
    why = (
        "Numbers that were typed in stay the same whatever the runs measured; the contract calls a fabricated "
        "result a blocker."
    )
    remedy = "Read every value from the runs."
    valid = (
        {
            "src/evaluate.py": """
            COLORS = {"proposed": 0.2, "baseline": 0.8}
            EXPECTED = {"proposed": 92.4, "baseline": 90.8}

            def collect(summaries):
                results = {run_id: summary["accuracy"] for run_id, summary in summaries.items()}
                return results
        """,
        },
    )
    invalid = (
        {
            "src/evaluate.py": """
            import matplotlib.pyplot as plt

            def draw(path):
                results = {"proposed": 92.4, "baseline": 90.8}
                plt.bar(list(results), list(results.values()))
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
        for node in module.nodes:
            if not (
                isinstance(node, ast.Assign)
                and isinstance(node.targets[0], ast.Name)
                and isinstance(node.value, ast.Dict)
            ):
                continue
            name = node.targets[0].id.lower()
            if not re.search(
                r"(^|_)(primary|results?|scores?|accurac(y|ies)|metrics?|performance|values)($|_)", name
            ) or _OTHER.search(name):
                continue
            given = module.value(node.value)
            if not isinstance(given, dict) or len(given) < 2 or not all(isinstance(key, str) for key in given):
                continue
            sides = " ".join(given).lower()
            if not ("proposed" in sides and ("baseline" in sides or "comparative" in sides)):
                continue
            numbers = [n for v in given.values() for n in (v.values() if isinstance(v, dict) else [v])]
            measured = [n for n in numbers if isinstance(n, float) and n not in (0.0, 1.0)]
            if len(measured) >= 2 and len(measured) == len(numbers):
                yield self.at(
                    module,
                    node,
                    f"{module.source(node)}: these results stand in the code",
                    "read the values from the runs",
                )
