"""GL818: W&B's own entries are reported as metrics."""

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

_TESTS = frozenset({"isinstance", "any", "all", "get", "values", "items", "float", "bool"})
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

            def read(path):
                run = wandb.Api().run(path)
                return {"history": run.history(samples=10000), "summary": run.summary._json_dict}

            def metrics_by_name(records):
                names = sorted(set().union(*(record["summary"] for record in records.values())))
                return {
                    name: {key: record["summary"].get(name) for key, record in records.items()}
                    for name in names
                    if not name.startswith("_")
                }

            def main(paths):
                return metrics_by_name({path: read(path) for path in paths})
        """,
        },
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

            def read(path):
                run = wandb.Api().run(path)
                return {"history": run.history(samples=10000), "summary": run.summary._json_dict}

            def metrics_by_name(records):
                names = sorted(set().union(*(record["summary"] for record in records.values())))
                return {name: {key: record["summary"].get(name) for key, record in records.items()} for name in names}

            def main(paths):
                return metrics_by_name({path: read(path) for path in paths})
        """,
        },
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

        if any(
            isinstance(n, ast.Constant) and isinstance(n.value, str) and n.value in _OWN
            for n in module.nodes
            if not isinstance(module.parent(n), ast.JoinedStr)
        ):
            return
        yield from self._collected(readback, module)
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

    def _collected(self, readback: Readback, module: Module) -> Iterator[Finding]:
        """Yield the dictionary of metrics that takes every name of the runs' summaries."""
        for node in module.nodes:
            if not (isinstance(node, ast.DictComp) and isinstance(node.key, ast.Name)):
                continue
            if not _walks_names(readback, module, node.generators[0], node.key.id):
                continue
            statement, function = module.statement(node), module.function_around(node)
            named = ast.unparse(statement.targets[0]) if isinstance(statement, ast.Assign) else ""
            if isinstance(statement, ast.Return) and function is not None:
                named = function.name
            if re.search("metric|agg", named.lower()):
                yield self.at(
                    module,
                    node,
                    "every name in the summaries becomes a metric: _step, _runtime and _timestamp too",
                    'skip what begins with an underscore: if not name.startswith("_")',
                )
                return


def _walks_names(readback: Readback, module: Module, loop: ast.comprehension, name: str) -> bool:
    """Return whether a name goes through all names of summaries, whatever else is asked about their values."""
    if not (isinstance(loop.target, ast.Name) and loop.target.id == name):
        return False
    for test in loop.ifs:
        for n in walk(test):
            if isinstance(n, ast.Compare) and any(isinstance(i, ast.Name) and i.id == name for i in walk(n)):
                return False
            if isinstance(n, ast.Call):
                called = n.func.attr if isinstance(n.func, ast.Attribute) else getattr(n.func, "id", "")
                if called not in _TESTS:
                    return False
    return _are_names(readback, module, loop.iter, 6)


def _are_names(readback: Readback, module: Module, node: ast.expr, depth: int) -> bool:
    """Return whether an expression is every name of summaries."""
    if depth == 0:
        return False
    if readback.is_summary(node):
        return True
    if isinstance(node, ast.Name):
        made = module.assigned(node)
        return made is not None and _are_names(readback, module, made, depth - 1)
    if isinstance(node, ast.Starred):
        inner = node.value
        return isinstance(inner, ast.GeneratorExp | ast.ListComp) and _are_names(readback, module, inner.elt, depth - 1)
    if isinstance(node, ast.SetComp | ast.GeneratorExp | ast.ListComp):
        return isinstance(node.elt, ast.Name) and _walks_names(readback, module, node.generators[-1], node.elt.id)
    if isinstance(node, ast.Call) and node.args:
        called = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
        if called in ("sorted", "set", "list", "tuple", "union"):
            return _are_names(readback, module, node.args[0], depth - 1)
    return (
        isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and node.func.attr == "keys"
        and readback.is_summary(node.func.value)
    )
