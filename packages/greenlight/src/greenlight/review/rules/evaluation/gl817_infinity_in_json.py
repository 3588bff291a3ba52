"""GL817: infinity reaches a JSON file."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

from greenlight.review.criteria import Criterion
from greenlight.review.engines.readback import Readback
from greenlight.review.finding import Finding, Severity
from greenlight.review.module import walk
from greenlight.review.rule import Rule
from greenlight.review.subject import Subject


class InfinityInJson(Rule):
    """A start value of infinity is written to JSON where no run qualifies; -Infinity is not JSON."""

    id = "GL817"
    name = "infinity-in-json"
    criterion = Criterion.EVALUATION
    severity = Severity.MINOR
    sentences = ("8.16",)
    summary = "A start value of infinity is written to JSON where no run qualifies; -Infinity is not JSON."
    why = (
        "json.dump writes -Infinity and NaN without complaint, and parsers that keep to the standard reject "
        "the whole file."
    )
    remedy = "Start with None, or write null where the value is not finite."
    valid = (
        {
            "src/evaluate.py": """
            import json
            import math

            def best(values, file):
                top = -math.inf
                for value in values:
                    top = max(top, value)
                json.dump({"value": top if math.isfinite(top) else None}, file)
        """,
        },
    )
    invalid = (
        {
            "src/evaluate.py": """
            import json

            def best(values, file):
                top = float("-inf")
                for run_id, value in values.items():
                    if "proposed" in run_id and value > top:
                        top = value
                json.dump({"best_proposed": {"value": top}}, file)
        """,
        },
    )

    def check(self, subject: Subject) -> Iterator[Finding]:
        """Yield what is wrong."""
        readback = subject.derived(Readback)
        module = readback.module
        if module is None:
            return

        if readback.words & {"isfinite", "isinf", "isnan", "allow_nan", "nan_to_num", "notna", "isna"}:
            return
        if not any(True for _ in module.calls("json.dump", "json.dumps")):
            return
        for node in module.nodes:
            if not (isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name)):
                continue
            if not re.fullmatch(
                r"-?(np|numpy|math)\.inf|-?float\(['\"][-+]?inf(inity)?['\"]\)", ast.unparse(node.value)
            ):
                continue
            name, scope = node.targets[0].id, module.scope(node)
            used = [n for n in walk(scope) if isinstance(n, ast.Name) and n.id == name]
            others = [n for n in used if isinstance(n.ctx, ast.Store) and n is not node.targets[0]]
            if not others or any(not any(isinstance(a, ast.If) for a in module.ancestors(n)) for n in others):
                continue
            if any(
                "inf" in ast.unparse(c) or "None" in ast.unparse(c)
                for n in used
                if isinstance(c := module.parent(n), ast.Compare)
            ):
                continue
            written = next(
                (n for n in used if isinstance(n.ctx, ast.Load) and isinstance(module.parent(n), ast.Dict)), None
            )
            if written is not None and not any(isinstance(a, ast.If | ast.IfExp) for a in module.ancestors(written)):
                yield self.at(
                    module,
                    written,
                    f"{name} is {module.source(node.value)} where no run qualifies, and goes into JSON as that",
                    f"write None instead of {name} where no run qualifies",
                )
                return
