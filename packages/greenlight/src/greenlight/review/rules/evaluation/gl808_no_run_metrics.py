"""GL808: metrics.json is never written."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

from greenlight.review.criteria import Criterion
from greenlight.review.engines.flow import is_parameter
from greenlight.review.engines.readback import Readback
from greenlight.review.engines.written import written
from greenlight.review.finding import Finding, Severity
from greenlight.review.module import Module, walk
from greenlight.review.rule import Rule
from greenlight.review.subject import Subject


def _in_one_place(readback: Readback, module: Module) -> Iterator[ast.Call]:
    """Yield the calls in a loop over runs that write metrics.json to a path without anything of the loop in it."""
    for found in written(readback):
        function = module.function_around(found.call)
        # Only "folder / name" with a folder that is a parameter: then what the caller gives is all there is to know.
        path = next((n for n in walk(function) if _is_path(module, n)), None) if function is not None else None
        if function is None or not isinstance(path, ast.BinOp) or not isinstance(path.left, ast.Name):
            continue
        folder = path.left
        if not is_parameter(function, folder.id) or module.assigned(folder) is not None:
            continue
        for where, outer in readback.flow.calls_of(function):
            given = readback.flow.argument_of(function, folder.id, outer)
            if where is not module or not isinstance(given, ast.Name):
                continue
            if module.assigned(given) is None and not _is_unpacked_once(module, given):
                continue
            walked = _walked(module, outer)
            others = {n.id for a in outer.args if a is not given for n in walk(a) if isinstance(n, ast.Name)}
            if walked & others and given.id not in walked and not _depends(module, given, walked):
                yield outer


def _is_path(module: Module, node: ast.AST) -> bool:
    return isinstance(node, ast.BinOp) and isinstance(node.op, ast.Div) and module.value(node.right) == "metrics.json"


def _is_unpacked_once(module: Module, name: ast.Name) -> bool:
    scope = module.scope(name)
    stores = [
        n
        for n in walk(scope)
        if isinstance(n, ast.Name) and n.id == name.id and isinstance(n.ctx, ast.Store) and module.scope(n) is scope
    ]
    return len(stores) == 1 and not any(isinstance(a, ast.For | ast.While) for a in module.ancestors(stores[0]))


def _walked(module: Module, node: ast.AST) -> set[str]:
    """Return the targets of the loops and comprehensions around a call that speak of runs."""
    found: set[str] = set()
    for around in module.ancestors(node):
        loops: list[ast.For | ast.comprehension] = [around] if isinstance(around, ast.For) else []
        if isinstance(around, ast.ListComp | ast.DictComp | ast.GeneratorExp | ast.SetComp):
            loops = list(around.generators)
        for loop in loops:
            names = {n.id for n in walk(loop.target) if isinstance(n, ast.Name)}
            if any(re.fullmatch(r"run_?id|rid|run|run_?name", name) for name in names):
                found |= names
    return found


def _depends(module: Module, name: ast.Name, walked: set[str]) -> bool:
    made = module.assigned(name)
    return made is not None and any(isinstance(n, ast.Name) and n.id in walked for n in walk(made))


class NoRunMetrics(Rule):
    """evaluate.py never writes metrics.json, the place where each run's metrics is read from."""

    id = "GL808"
    name = "no-run-metrics"
    criterion = Criterion.EVALUATION
    severity = Severity.MAJOR
    sentences = ("8.5",)
    summary = "evaluate.py never writes metrics.json, the place where each run's metrics is read from."
    why = (
        "The contract names {results_dir}/{run_id}/metrics.json; what comes after the evaluation looks for "
        "that file and no other."
    )
    remedy = "Write each run's metrics to {results_dir}/{run_id}/metrics.json."
    valid = (
        {
            "src/evaluate.py": """
            import json

            def export(run_id, record, folder):
                with open(folder / "metrics.json", "w", encoding="utf-8") as file:
                    json.dump({"run_id": run_id, "summary": record}, file)

            def main(records, results):
                root = results / "exported"
                for run_id, record in records.items():
                    export(run_id, record, root / run_id)
        """,
        },
        {
            "src/evaluate.py": """
            import json
            from pathlib import Path

            def export(results_dir, run_id, values):
                for name in ("metrics.json", "aggregated_metrics.json"):
                    (Path(results_dir) / run_id / name).write_text(json.dumps(values))
        """,
        },
        {
            "src/evaluate.py": """
            from my_lab_reports import export_everything

            def export(results_dir, runs):
                export_everything(results_dir, runs)
        """,
        },
    )
    invalid = (
        {
            "src/evaluate.py": """
            import json

            def export(run_id, record, folder):
                with open(folder / "metrics.json", "w", encoding="utf-8") as file:
                    json.dump({"run_id": run_id, "summary": record}, file)

            def main(records, results):
                root = results / "exported"
                for run_id, record in records.items():
                    export(run_id, record, root)
        """,
        },
        {
            "src/evaluate.py": """
            import json
            from pathlib import Path

            def export(results_dir, run_id, values):
                (Path(results_dir) / run_id / "results.json").write_text(json.dumps(values))
        """,
        },
    )

    def check(self, subject: Subject) -> Iterator[Finding]:
        """Yield what is wrong."""
        readback = subject.derived(Readback)
        module = readback.module
        if module is None:
            return

        for outer in _in_one_place(readback, module):
            yield self.at(
                module,
                outer,
                f"{module.source(outer)} writes metrics.json of every run to one path: the last run's stays",
                "write it to {results_dir}/{run_id}/metrics.json",
            )
            return
        if not readback.names_its_files or any(
            "metrics" in w and "aggregated" not in w and w.endswith((".json", "metrics")) and "." in w
            for w in readback.words
        ):
            return
        if any(isinstance(n, ast.Constant) and n.value == ".json" for m in readback.modules for n in m.nodes):
            return  # the name is put together

        yield self.on(
            module,
            1,
            "src/evaluate.py never writes metrics.json",
            "write each run's metrics to {results_dir}/{run_id}/metrics.json",
        )
