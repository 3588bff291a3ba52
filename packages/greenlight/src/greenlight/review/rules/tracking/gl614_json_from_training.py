"""GL614: train.py prints JSON or writes results.json."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

from greenlight.review.criteria import Criterion
from greenlight.review.finding import Finding, Severity
from greenlight.review.module import Module
from greenlight.review.rule import Rule
from greenlight.review.subject import Subject

_RESULTS = re.compile(r"(^|[/_-])results?\.json$")


def _is_written(module: Module, node: ast.AST) -> bool:
    """Return whether a path is written to in the same expression."""
    below: ast.AST = node
    for around in module.ancestors(node):
        if isinstance(around, ast.Attribute) and around.attr in ("write_text", "write_bytes"):
            return True
        if isinstance(around, ast.Call) and below is not around.func:
            return False
        if isinstance(around, ast.stmt):
            return False
        below = around
    return False


class JsonFromTraining(Rule):
    """train.py prints its results as JSON or writes them to results.json besides W&B."""

    id = "GL614"
    name = "json-from-training"
    criterion = Criterion.TRACKING
    severity = Severity.MINOR
    sentences = ("6.8",)
    summary = "train.py prints its results as JSON or writes them to results.json besides W&B."
    why = "Results have one place, W&B; a second one goes stale, and evaluate.py does not read it."
    remedy = "Write the values to wandb.summary and drop the print or the file."
    valid = (
        {
            "src/train.py": """
            import json

            def save(vocabulary, path, loss):
                with open(path / "vocabulary.json", "w") as file:
                    json.dump(vocabulary, file)
                print(f"loss {loss:.3f}")
        """,
        },
    )
    invalid = (
        {
            "src/train.py": """
            import json

            def finish(values):
                print(json.dumps(values, indent=2))
        """,
        },
        {
            "src/train.py": """
            import json
            from pathlib import Path

            def finish(values, folder):
                with open(Path(folder) / "results.json", "w") as file:
                    json.dump(values, file)
        """,
        },
    )

    def check(self, subject: Subject) -> Iterator[Finding]:
        """Yield what is wrong."""
        module = subject.module("src/train.py")
        if module is None:
            return
        for call in module.nodes:
            if not (isinstance(call, ast.Call) and isinstance(call.func, ast.Name) and call.func.id == "print"):
                continue
            for given in call.args if len(call.args) == 1 else ():
                value = module.assigned(given) if isinstance(given, ast.Name) else given
                if isinstance(value, ast.Call) and module.dotted(value.func) == "json.dumps":
                    yield self.at(
                        module,
                        call,
                        f"{module.source(call)} writes results to the output as JSON",
                        "write the values to wandb.summary, and print nothing but progress",
                    )
        writes_json = any(True for _ in module.calls("json.dump", "json.dumps"))
        for node in module.nodes:
            if isinstance(node, ast.Constant) and isinstance(node.value, str) and _RESULTS.search(node.value):
                around = next((a for a in module.ancestors(node) if isinstance(a, ast.Call)), None)
                docstring = isinstance(module.parent(node), ast.Expr)
                if not docstring and (writes_json or _is_written(module, node)):
                    yield self.at(
                        module,
                        around or node,
                        f"{node.value!r}: train.py writes its results to a file besides W&B",
                        "write the values to wandb.summary and drop the file",
                    )
                    return
