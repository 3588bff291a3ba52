"""GL803: json.loads is given the list that Hydra has parsed already."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from greenlight.review.criteria import Criterion
from greenlight.review.engines.readback import Readback
from greenlight.review.finding import Finding, Severity
from greenlight.review.rule import Rule
from greenlight.review.subject import Subject


class JsonOfHydraList(Rule):
    """evaluate.py reads run_ids with json.loads although Hydra has made a list of it, which raises a TypeError."""

    id = "GL803"
    name = "json-of-hydra-list"
    criterion = Criterion.EVALUATION
    severity = Severity.BLOCKER
    sentences = ("8.2", "2.6")
    summary = (
        "evaluate.py reads run_ids with json.loads although Hydra has made a list of it, which raises a TypeError."
    )
    why = (
        'Hydra parses run_ids=\'["a", "b"]\' itself: cfg.run_ids is a ListConfig (\'the JSON object must be str, '
        "bytes or bytearray, not ListConfig')."
    )
    remedy = "Use list(cfg.run_ids), or json.loads only where it is a string."
    valid = (
        {
            "src/evaluate.py": """
            import hydra

            @hydra.main(config_path="../config", config_name="config", version_base=None)
            def main(cfg):
                return list(cfg.run_ids)
        """,
        },
        {
            "src/evaluate.py": """
            import json
            import hydra

            @hydra.main(config_path="../config", config_name="config", version_base=None)
            def main(cfg):
                return json.loads(cfg.run_ids) if isinstance(cfg.run_ids, str) else list(cfg.run_ids)
        """,
        },
    )
    invalid = (
        {
            "src/evaluate.py": """
            import json
            import hydra

            @hydra.main(config_path="../config", config_name="config", version_base=None)
            def main(cfg):
                return json.loads(cfg.run_ids)
        """,
        },
    )

    def check(self, subject: Subject) -> Iterator[Finding]:
        """Yield what is wrong."""
        readback = subject.derived(Readback)
        module = readback.module
        if module is None:
            return

        for call in module.calls("json.loads"):
            function = module.function_around(call)
            if function is None or not call.args or not function.args.args:
                continue
            if not any("hydra.main" in (module.dotted(getattr(d, "func", d)) or "") for d in function.decorator_list):
                continue
            if ast.unparse(call.args[0]) not in (
                f"{function.args.args[0].arg}.run_ids",
                f"{function.args.args[0].arg}['run_ids']",
            ):
                continue
            if any(isinstance(a, ast.If | ast.IfExp | ast.Try) for a in module.ancestors(call)):
                continue
            yield self.at(
                module,
                call,
                f"{module.source(call)}: Hydra has made a list of run_ids already, json.loads raises a TypeError",
                f"write list({module.source(call.args[0])})",
            )
