"""GL811: aggregated_metrics.json lacks keys of the contract."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from greenlight.review.criteria import Criterion
from greenlight.review.engines.metrics import Metrics
from greenlight.review.engines.readback import Readback
from greenlight.review.engines.written import target_of, written
from greenlight.review.finding import Finding, Severity
from greenlight.review.rule import Rule
from greenlight.review.subject import Subject

_KEYS = ("primary_metric", "metrics", "best_proposed", "best_baseline", "gap")


class IncompleteComparison(Rule):
    """aggregated_metrics.json lacks keys that the contract names, so the comparison cannot be read back."""

    id = "GL811"
    name = "incomplete-comparison"
    criterion = Criterion.EVALUATION
    severity = Severity.MAJOR
    sentences = ("8.8", "8.9", "8.10")
    summary = "aggregated_metrics.json lacks keys that the contract names, so the comparison cannot be read back."
    why = "What comes after reads primary_metric, metrics, best_proposed, best_baseline and gap by these names."
    remedy = "Write the missing keys."
    valid = (
        {
            "src/evaluate.py": """
            import json

            def compare(path, table, best, base, gap):
                sides = {"best_proposed": best, "best_baseline": base}
                content = {"primary_metric": "accuracy", "metrics": table, **sides, "gap": gap}
                (path / "aggregated_metrics.json").write_text(json.dumps(content))
        """,
        },
        {
            "src/evaluate.py": """
            import dataclasses
            import json

            @dataclasses.dataclass
            class Comparison:
                primary_metric: str
                metrics: dict
                best_proposed: dict
                best_baseline: dict
                gap: float

            def write(path, found):
                (path / "aggregated_metrics.json").write_text(json.dumps(dataclasses.asdict(found)))
        """,
        },
    )
    invalid = (
        {
            "src/evaluate.py": """
            import json

            def compare(path, table):
                (path / "aggregated_metrics.json").write_text(json.dumps({"metrics": table}))
        """,
        },
    )

    def check(self, subject: Subject) -> Iterator[Finding]:
        """Yield what is wrong."""
        readback = subject.derived(Readback)
        module = readback.module
        if module is None:
            return

        if not readback.is_seen:
            return
        named: set[str] = set()
        where: ast.AST | None = None
        for node in (n for m in readback.modules for n in m.nodes):
            if isinstance(node, ast.Constant) and isinstance(node.value, str):
                named.add(node.value)
                if node.value.endswith("aggregated_metrics.json") and where is None and node in module.nodes:
                    where = node if not isinstance(module.parent(node), ast.Expr) else None
            elif isinstance(node, ast.keyword) and node.arg:
                named.add(node.arg)
            elif isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
                named.add(node.target.id)
        missing = [key for key in _KEYS if key not in named]
        metrics = subject.derived(Metrics)
        for found in written(readback) if where is not None else ():
            if (target_of(readback, found.call) or "").endswith("aggregated_metrics.json"):
                keys, is_complete = metrics.keys_of(module, found.content)
                if is_complete and keys and not any("{}" in key.name for key in keys):
                    missing = [key for key in _KEYS if key not in {k.name for k in keys}]
        if where is not None and missing:
            yield self.at(
                module,
                where,
                f"aggregated_metrics.json has no {', no '.join(missing)}",
                f"write {', '.join(missing)} as the contract describes them",
            )
