"""GL802: run_ids is not read as JSON."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from greenlight.review.criteria import Criterion
from greenlight.review.engines.readback import Readback
from greenlight.review.finding import Finding, Severity
from greenlight.review.rule import Rule
from greenlight.review.subject import Subject


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

        if not readback.is_seen or readback.words & {
            "loads",
            "literal_eval",
            "safe_load",
            "hydra",
            "full_load",
            "startswith",
            "replace",
        }:
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
            ):
                yield self.at(
                    module,
                    call,
                    f"{module.source(call)}: the command gives a JSON list, so brackets and quotes stay in the ids",
                    f"write json.loads({module.source(receiver)})",
                )
