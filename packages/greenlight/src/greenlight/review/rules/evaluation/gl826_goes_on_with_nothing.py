"""GL826: a run that cannot be read counts as an empty one."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from greenlight.review.criteria import Criterion
from greenlight.review.engines.readback import Readback
from greenlight.review.finding import Finding, Severity
from greenlight.review.module import Module, walk
from greenlight.review.rule import Rule
from greenlight.review.subject import Subject


def _is_empty(module: Module, node: ast.expr) -> bool:
    if isinstance(node, ast.Tuple):
        return bool(node.elts) and all(_is_empty(module, e) for e in node.elts)
    if isinstance(node, ast.Dict) and len(node.keys) > 1:
        return all(_is_empty(module, value) for value in node.values)
    if isinstance(node, ast.Dict | ast.List):
        return not (node.keys if isinstance(node, ast.Dict) else node.elts)
    return (
        isinstance(node, ast.Call)
        and module.dotted(node.func) == "pandas.DataFrame"
        and not node.args
        and not node.keywords
    )


class GoesOnWithNothing(Rule):
    """When W&B cannot be read, evaluate.py goes on with empty data."""

    id = "GL826"
    name = "goes-on-with-nothing"
    criterion = Criterion.EVALUATION
    severity = Severity.MAJOR
    sentences = ("8.4", "8.16")
    summary = (
        "When W&B cannot be read, evaluate.py goes on with empty data, so a network error looks like a run "
        "without results."
    )
    why = "A wrong project, a missing key or a timeout then ends with exit status 0 and figures without a curve."
    remedy = "Let the error end the evaluation, or leave the run out and say so in the results."
    valid = (
        {
            "src/evaluate.py": """
            import sys
            import wandb

            def read(path):
                try:
                    return wandb.Api().run(path).summary._json_dict
                except Exception as error:
                    sys.exit(f"{path}: {error}")
        """,
        },
    )
    invalid = (
        {
            "src/evaluate.py": """
            import wandb

            def read(path):
                try:
                    summary = wandb.Api().run(path).summary._json_dict
                except Exception:
                    summary = {}
                return summary
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
            if not isinstance(node, ast.Try):
                continue
            reads = [
                n
                for s in node.body
                for n in walk(s)
                if isinstance(n, ast.Call) and readback.kind(n) in ("run", "history", "rows")
            ]
            # A table or a file that is optional is asked for with keys.
            if not reads or any(k.arg == "keys" for call in reads for k in call.keywords):
                continue
            for handler in node.handlers:
                broad = handler.type is None or ast.unparse(handler.type) in ("Exception", "BaseException")
                ends = any(isinstance(n, ast.Raise | ast.Continue) for n in walk(handler)) or "exit" in ast.unparse(
                    handler
                )
                empty = next(
                    (
                        s
                        for s in handler.body
                        if isinstance(s, ast.Assign | ast.Return) and s.value is not None and _is_empty(module, s.value)
                    ),
                    None,
                )
                if broad and not ends and empty is not None:
                    yield self.at(
                        module,
                        empty,
                        f"after any error {module.source(empty)}: a run that cannot be read counts as an empty one",
                        "raise the error with the run's id in it",
                    )
