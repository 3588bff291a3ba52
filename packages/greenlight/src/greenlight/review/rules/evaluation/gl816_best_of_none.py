"""GL816: the best of no runs gets a value."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

from greenlight.review.criteria import Criterion
from greenlight.review.engines.readback import Readback
from greenlight.review.finding import Finding, Severity
from greenlight.review.module import Module, walk
from greenlight.review.rule import Rule
from greenlight.review.subject import Subject

_NUMBER = r"-?\d[\d.e-]*|-?(np|numpy|math)\.inf|float\(['\"]-?inf['\"]\)"


def _value_of_nobody(module: Module, node: ast.Dict) -> str | None:
    """Return the number that a dictionary gives to a run that it says is none."""
    found = {module.value(key): value for key, value in zip(node.keys, node.values, strict=True) if key is not None}
    nobody = [found[key] for key in ("run_id", "run", "id") if key in found]
    if not nobody or not all(isinstance(n, ast.Constant) and n.value is None for n in nobody):
        return None
    value = found.get("value")
    if value is None or (isinstance(value, ast.Constant) and value.value is None):
        return None
    text = ast.unparse(value)
    return text if re.fullmatch(_NUMBER, text) else None


class BestOfNone(Rule):
    """Where no run qualifies the best one gets an invented value, which is written as if it had been measured."""

    id = "GL816"
    name = "best-of-none"
    criterion = Criterion.EVALUATION
    severity = Severity.MAJOR
    sentences = ("8.9", "8.16")
    summary = "Where no run qualifies the best one gets an invented value, which is written as if it had been measured."
    why = (
        "Seen with only proposed runs given: best_baseline {run_id: null, value: 0.0} and a gap of 0.0; with "
        "-inf, aggregated_metrics.json holds -Infinity, which is not JSON."
    )
    remedy = "Write null for the value and the gap where no run qualifies."
    valid = (
        {
            "src/evaluate.py": """
            def best(values):
                if not values:
                    return {"run_id": None, "value": None, "reason": "no run has it"}
                run_id = max(values, key=values.get)
                return {"run_id": run_id, "value": values[run_id]}
        """,
        },
        {
            "src/evaluate.py": """
            def best(values):
                own = ((r, v) for r, v in values.items() if "proposed" in r)
                found = max(own, key=lambda pair: pair[1], default=(None, None))
                return {"run_id": found[0], "value": found[1]}
        """,
        },
    )
    invalid = (
        {
            "src/evaluate.py": """
            def best(values):
                if not values:
                    return {"run_id": None, "value": 0.0}
                run_id = max(values, key=values.get)
                return {"run_id": run_id, "value": values[run_id]}
        """,
        },
        {
            "src/evaluate.py": """
            def best(values):
                own = ((r, v) for r, v in values.items() if "proposed" in r)
                found = max(own, key=lambda pair: pair[1], default=(None, 0.0))
                return {"run_id": found[0], "value": found[1]}
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
            told = _value_of_nobody(module, node) if isinstance(node, ast.Dict) else None
            if told is not None:
                yield self.at(
                    module,
                    node,
                    f"where no run qualifies, no run gets the value {told}, and that is written as its result",
                    "write None as the value, with the reason",
                )
        for node in module.nodes:
            if not (
                isinstance(node, ast.Assign)
                and isinstance(node.targets[0], ast.Name)
                and isinstance(node.value, ast.Call)
            ):
                continue
            call, name = node.value, node.targets[0].id
            if not (isinstance(call.func, ast.Name) and call.func.id in ("max", "min")):
                continue
            default = next((k.value for k in call.keywords if k.arg == "default"), None)
            if not (isinstance(default, ast.Tuple) and len(default.elts) == 2):
                continue
            value = ast.unparse(default.elts[1])
            if not re.fullmatch(_NUMBER, value):
                continue
            scope = module.scope(node)
            written = any(
                isinstance(n, ast.Subscript)
                and isinstance(n.value, ast.Name)
                and n.value.id == name
                and module.value(n.slice) == 1
                and isinstance(module.parent(n), ast.Dict)
                for n in walk(scope)
            )
            if written:
                yield self.at(
                    module,
                    node,
                    f"where no run qualifies, {name} gets the value {value}, and that is written as its result",
                    "use default=(None, None), and no gap where either is None",
                )
                return
