"""GL802: run_ids is not read as JSON."""

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

_LINES = re.compile(r"splitlines\(|open\(|readlines\(|^(f|file|stream|handle|lines|reader)$")


def _of_a_file(module: Module, call: ast.Call) -> bool:
    """Return whether JSON is read from a file: a line of it, or its text."""
    if module.dotted(call.func) == "json.load":
        return True
    given = call.args[0] if call.args else None
    if isinstance(given, ast.Call) and isinstance(given.func, ast.Attribute):
        return given.func.attr in ("read", "read_text", "readline")
    if not isinstance(given, ast.Name):
        return False
    for around in module.ancestors(call):
        for loop in around.generators if isinstance(around, ast.ListComp | ast.GeneratorExp) else [around]:
            if not isinstance(loop, ast.For | ast.comprehension) or not isinstance(loop.target, ast.Name):
                continue
            if loop.target.id == given.id:
                return bool(_LINES.search(ast.unparse(loop.iter)))
    return False


def _is_cleaned(module: Module, call: ast.Call) -> bool:
    """Return whether a text is cut or tested in a function that deals with run_ids."""
    if not call.args:
        return False  # strip() alone takes blanks away
    function = module.function_around(call)
    place = function if function is not None else module.tree
    named = any(
        (isinstance(n, ast.Name) and n.id == "run_ids") or (isinstance(n, ast.Constant) and n.value == "run_ids")
        for n in walk(place)
    )
    return named or (function is not None and "arg" in function.name)


class RunIdsNotJson(Rule):
    """run_ids is cut at commas instead of being read as a JSON list, so no run is found."""

    id = "GL802"
    name = "run-ids-not-json"
    criterion = Criterion.EVALUATION
    severity = Severity.BLOCKER
    sentences = ("8.2",)
    summary = "run_ids is cut at commas instead of being read as a JSON list, so no run is found."
    why = (
        'The documented command gives run_ids=\'["run-1", "run-2"]\'; cut at the comma, the ids keep brackets '
        "and quotes."
    )
    remedy = "Use json.loads on the value of run_ids."
    valid = (
        {
            "src/evaluate.py": """
            import json

            def ids(given):
                return json.loads(given["run_ids"])
        """,
        },
        {
            "src/evaluate.py": """
            import json

            def ids(run_ids):
                return json.loads(run_ids) if run_ids.startswith("[") else run_ids.split(",")
        """,
        },
    )
    invalid = (
        {
            "src/evaluate.py": """
            import sys

            def ids():
                given = dict(word.split("=", 1) for word in sys.argv[1:])
                return [run_id.strip() for run_id in given["run_ids"].split(",")]
        """,
        },
    )

    def check(self, subject: Subject) -> Iterator[Finding]:
        """Yield what is wrong."""
        readback = subject.derived(Readback)
        module = readback.module
        if module is None:
            return

        if not readback.is_seen or readback.words & {"literal_eval", "safe_load", "hydra", "full_load"}:
            return
        if any(not _of_a_file(module, call) for call in module.calls("json.loads", "json.load")):
            return
        if any(
            _is_cleaned(module, call) for call in module.method_calls("replace", "startswith", "strip", "removeprefix")
        ):
            return
        for call in module.method_calls("split"):
            assert isinstance(call.func, ast.Attribute)
            receiver = call.func.value
            is_value = isinstance(receiver, ast.Name | ast.Attribute | ast.Subscript)
            if (
                is_value
                and len(call.args) == 1
                and module.value(call.args[0]) == ","
                and "run_ids" in ast.unparse(receiver)
                and not any(isinstance(a, ast.If | ast.IfExp | ast.Try) for a in module.ancestors(call))
            ):
                yield self.at(
                    module,
                    call,
                    f"{module.source(call)}: the command gives a JSON list, so brackets and quotes stay in the ids",
                    f"write json.loads({module.source(receiver)})",
                )
