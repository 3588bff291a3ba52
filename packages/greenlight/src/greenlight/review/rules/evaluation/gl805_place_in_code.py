"""GL805: evaluate.py writes W&B's entity or project into the code."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from greenlight.review.criteria import Criterion
from greenlight.review.engines.flow import is_parameter
from greenlight.review.engines.readback import Readback
from greenlight.review.finding import Finding, Severity
from greenlight.review.rule import Rule
from greenlight.review.subject import Subject


def _given(readback: Readback, node: ast.expr, depth: int = 3) -> list[ast.expr]:
    """Return an expression, or what every call gives for it where it is a parameter."""
    module = readback.module
    if module is None or not isinstance(node, ast.Name) or module.assigned(node) is not None or not depth:
        return [node]
    function = module.function_around(node)
    if function is None or not is_parameter(function, node.id):
        return [node]
    found: list[ast.expr] = []
    for where, call in readback.flow.calls_of(function):
        given = readback.flow.argument_of(function, node.id, call)
        if given is not None and where is module:
            found += _given(readback, given, depth - 1)
    return found


class PlaceInCode(Rule):
    """evaluate.py asks W&B for a place that stands in the code instead of the one in config/config.yaml."""

    id = "GL805"
    name = "place-in-code"
    criterion = Criterion.EVALUATION
    severity = Severity.MAJOR
    sentences = ("8.3",)
    summary = "evaluate.py asks W&B for a place that stands in the code instead of the one in config/config.yaml."
    why = (
        "Training and evaluation go apart as soon as the configuration changes: the evaluation then reads old "
        "runs or none."
    )
    remedy = "Read wandb.entity and wandb.project from config/config.yaml."
    valid = (
        {
            "src/evaluate.py": """
            import wandb
            from omegaconf import OmegaConf

            def read(run_id):
                place = OmegaConf.load("config/config.yaml").wandb
                return wandb.Api().run(f"{place.entity}/{place.project}/{run_id}")
        """,
        },
    )
    invalid = (
        {
            "src/evaluate.py": """
            import wandb

            def read(run_id):
                return wandb.Api().run(f"vision-lab/pruning/{run_id}")
        """,
        },
        {
            "src/evaluate.py": """
            import wandb

            ENTITY = "vision-lab"
            PROJECT = "pruning"

            def read(run_ids):
                api = wandb.Api()
                return [api.run(f"{ENTITY}/{PROJECT}/{run_id}") for run_id in run_ids]
        """,
        },
    )

    def check(self, subject: Subject) -> Iterator[Finding]:
        """Yield what is wrong."""
        readback = subject.derived(Readback)
        module = readback.module
        if module is None:
            return

        for call in module.nodes:
            if not (
                isinstance(call, ast.Call)
                and readback.kind(call) in ("run", "runs")
                and isinstance(call.func, ast.Attribute)
            ):
                continue
            if call.func.attr not in ("run", "runs"):
                continue
            for given in _given(readback, call.args[0]) if call.args else ():
                parts = (module.string(given) or "").strip("/").split("/")
                fixed = [part for part in parts[:2] if part and "{}" not in part]
                if len(parts) >= (3 if call.func.attr == "run" else 2) and fixed:
                    yield self.at(
                        module,
                        call if given is call.args[0] else given,
                        f"the place {'/'.join(parts[:2])!r} stands in the code, config/config.yaml is not asked",
                        "read entity and project from config/config.yaml",
                    )
                    return
