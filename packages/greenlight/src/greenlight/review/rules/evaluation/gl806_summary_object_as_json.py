"""GL806: W&B's summary object is written as JSON."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

from greenlight.review.criteria import Criterion
from greenlight.review.engines.readback import Readback
from greenlight.review.engines.written import parts, written
from greenlight.review.finding import Finding, Severity
from greenlight.review.module import Function, parameters, walk
from greenlight.review.rule import Rule
from greenlight.review.subject import Subject


def _leaves(cleaner: Function) -> bool:
    """Return whether a function that goes through containers leaves alone what is neither dict nor list."""
    given = parameters(cleaner)
    last = cleaner.body[-1]
    if not given or not (isinstance(last, ast.Return) and isinstance(last.value, ast.Name)):
        return False
    kinds = {"dict", "list", "tuple", "float", "int", "str", "bool", "set", "bytes", "NoneType"}
    tested = [n.args[1] for n in walk(cleaner) if isinstance(n, ast.Call) and _called(n) == "isinstance" and n.args[1:]]
    named = {part.rpartition(".")[2] for t in tested for part in re.findall(r"[\w.]+", ast.unparse(t))}
    others = {_called(n) for n in walk(cleaner) if isinstance(n, ast.Call)} & {"hasattr", "str", "repr", "getattr"}
    tries = any(isinstance(n, ast.Try) for n in walk(cleaner))
    numpy = {"generic", "integer", "floating", "ndarray", "bool_", "number"}
    return last.value.id == given[0].arg and named <= kinds | numpy and not others - {"str"} and not tries


def _called(call: ast.Call) -> str:
    return call.func.id if isinstance(call.func, ast.Name) else ""


class SummaryObjectAsJson(Rule):
    """W&B's own summary object is handed to json.dump, which raises a TypeError and leaves half a file."""

    id = "GL806"
    name = "summary-object-as-json"
    criterion = Criterion.EVALUATION
    severity = Severity.BLOCKER
    sentences = ("8.4", "8.5")
    summary = "W&B's own summary object is handed to json.dump, which raises a TypeError and leaves half a file."
    why = (
        "dict(run.summary) keeps W&B's objects inside: the entry _wandb is a SummarySubDict ('not JSON "
        "serializable'; wandb 0.16.6 and 0.31.0)."
    )
    remedy = "Use run.summary._json_dict."
    valid = (
        {
            "src/evaluate.py": """
            import json
            import wandb

            def export(path, file):
                run = wandb.Api().run(path)
                json.dump({"summary": run.summary._json_dict, "config": dict(run.config)}, file)
        """,
        },
        {
            "src/evaluate.py": """
            import json
            import wandb

            def export(path, file):
                summary = dict(wandb.Api().run(path).summary)
                json.dump(summary, file, default=str)
        """,
        },
    )
    invalid = (
        {
            "src/evaluate.py": """
            import json
            import wandb

            def save(content, path):
                with open(path, "w") as file:
                    json.dump(content, file, indent=2)

            def export(path, target):
                run = wandb.Api().run(path)
                summary = dict(run.summary)
                save({"summary": summary, "config": dict(run.config)}, target)
        """,
        },
    )

    def check(self, subject: Subject) -> Iterator[Finding]:
        """Yield what is wrong."""
        readback = subject.derived(Readback)
        module = readback.module
        if module is None:
            return

        for found in written(readback):
            call = found.call
            if any(not _leaves(cleaner) for cleaner in found.cleaners):
                continue
            for node in parts(readback, found.content):
                if readback.kind(node) in ("summary", "summary-dict"):
                    yield self.at(
                        module,
                        call,
                        f"{module.source(node)} goes into JSON with W&B's own objects inside: this raises a TypeError",
                        "take run.summary._json_dict instead",
                    )
                    return
