"""GL818: W&B's own entries are reported as metrics."""

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

_OWN = frozenset({"_", "_wandb", "_runtime", "_timestamp"})


class InternalsAsMetrics(Rule):
    """Every entry of the summary is reported as a metric, W&B's own among them."""

    id = "GL818"
    name = "internals-as-metrics"
    criterion = Criterion.EVALUATION
    severity = Severity.MINOR
    sentences = ("8.8",)
    summary = (
        "Every entry of the summary is reported as a metric, W&B's own _step, _runtime, _timestamp and _wandb "
        "among them."
    )
    why = "Seen in aggregated_metrics.json of two real experiments: _timestamp stood beside the accuracy."
    remedy = "Leave out the keys that begin with an underscore."
    valid = (
        {
            "src/evaluate.py": """
            import wandb

            def collect(path, run_id, metrics):
                for key, value in wandb.Api().run(path).summary._json_dict.items():
                    if not key.startswith("_"):
                        metrics.setdefault(key, {})[run_id] = value
        """,
        },
    )
    invalid = (
        {
            "src/evaluate.py": """
            import wandb

            def collect(path, run_id, metrics):
                for key, value in wandb.Api().run(path).summary._json_dict.items():
                    if isinstance(value, float):
                        metrics.setdefault(key, {})[run_id] = value
        """,
        },
    )

    def check(self, subject: Subject) -> Iterator[Finding]:
        """Yield what is wrong."""
        readback = subject.derived(Readback)
        module = readback.module
        if module is None:
            return

        if any(isinstance(n, ast.Constant) and isinstance(n.value, str) and n.value in _OWN for n in module.nodes):
            return
        for loop in module.nodes:
            if not (
                isinstance(loop, ast.For)
                and isinstance(loop.target, ast.Tuple)
                and isinstance(loop.target.elts[0], ast.Name)
            ):
                continue
            source = loop.iter
            if not (
                isinstance(source, ast.Call) and isinstance(source.func, ast.Attribute) and source.func.attr == "items"
            ):
                continue
            if not readback.is_summary(source.func.value):
                continue
            key = loop.target.elts[0].id
            tests = [n.test for n in walk(loop) if isinstance(n, ast.If | ast.IfExp)]
            if any(isinstance(n, ast.Name) and n.id == key for t in tests for n in walk(t)):
                continue
            body = " ".join(ast.unparse(s) for s in loop.body)
            stored = re.search(rf"setdefault\({key}\b|\[{key}\]", body)
            if stored and re.search("metric|agg", body):
                yield self.at(
                    module,
                    loop,
                    f"{module.source(source)} is taken whole: _step, _runtime, _timestamp and _wandb become metrics",
                    f'skip what begins with an underscore: if {key}.startswith("_"): continue',
                )
