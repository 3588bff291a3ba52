"""GL844: NaN reaches a JSON file."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from greenlight.review.criteria import Criterion
from greenlight.review.engines.metrics import Metrics
from greenlight.review.engines.written import parts, written
from greenlight.review.finding import Finding, Severity
from greenlight.review.module import Module, walk
from greenlight.review.rule import Rule
from greenlight.review.subject import Subject

_CLEANING = frozenset(
    {"fillna", "isnan", "isna", "notna", "notnull", "isnull", "where", "mask", "replace", "isfinite", "nan_to_num"}
)


def _may_be_mended(module: Module, node: ast.AST) -> bool:
    """Return whether the functions that make or write a value deal with gaps, or change tables in place."""
    places = {module.function_around(node) or module.tree}
    for call in module.calls("json.dump", "json.dumps"):
        places.add(module.function_around(call) or module.tree)
    for call in module.method_calls("scan_history", "history"):
        places.add(module.function_around(call) or module.tree)
    for place in places:
        for n in walk(place):
            if isinstance(n, ast.Attribute) and n.attr in _CLEANING:
                return True
            if isinstance(n, ast.keyword) and n.arg in ("allow_nan", "inplace", "ignore_nan"):
                return True
    return False


class GapsInJson(Rule):
    """The history goes into JSON with NaN wherever a row lacks a key; NaN is not JSON."""

    id = "GL844"
    name = "gaps-in-json"
    criterion = Criterion.EVALUATION
    severity = Severity.MINOR
    sentences = ("8.16", "8.5")
    summary = "The history goes into JSON with NaN wherever a row lacks a key; NaN is not JSON."
    why = (
        "Rows that were logged by different calls have different columns; pandas fills the gaps with NaN, "
        "json.dump writes them as NaN, and strict parsers reject the file."
    )
    remedy = "Write the rows without the missing values, or null for them."
    valid = (
        {
            "src/train.py": """
            import wandb

            def train(cfg, batches, measure):
                run = wandb.init(id=cfg.run_id, project=cfg.wandb.project)
                for step, loss in enumerate(batches):
                    row = {"step": step, "loss": loss}
                    if step % 100 == 0:
                        row["accuracy"] = measure()
                    run.log(row, step=step)
        """,
            "src/evaluate.py": """
            import json
            import wandb

            def read(path):
                return {"history": wandb.Api().run(path).history(samples=100000)}

            def export(path, folder):
                record = read(path)
                history = record["history"][["step", "loss"]].dropna()
                (folder / "metrics.json").write_text(json.dumps({"history": history.to_dict(orient="records")}))
        """,
        },
        {
            "src/train.py": """
            import wandb

            def train(cfg, epochs):
                wandb.init(id=cfg.run_id, project=cfg.wandb.project)
                for loss in epochs:
                    wandb.log({"loss": loss})
                    wandb.log({"accuracy": 1 - loss})
        """,
            "src/evaluate.py": """
            import json
            import wandb

            def export(path, file):
                history = wandb.Api().run(path).history(samples=10000)
                json.dump(history.astype(object).where(history.notna(), None).to_dict("records"), file)
        """,
        },
    )
    invalid = (
        {
            "src/train.py": """
            import wandb

            def train(cfg, batches, measure):
                run = wandb.init(id=cfg.run_id, project=cfg.wandb.project)
                for step, loss in enumerate(batches):
                    row = {"step": step, "loss": loss}
                    if step % 100 == 0:
                        row["accuracy"] = measure()
                    run.log(row, step=step)
        """,
            "src/evaluate.py": """
            import json
            import wandb

            def read(path):
                return {"history": wandb.Api().run(path).history(samples=100000)}

            def export(path, folder):
                record = read(path)
                history = record["history"]
                (folder / "metrics.json").write_text(json.dumps({"history": history.to_dict(orient="records")}))
        """,
        },
        {
            "src/train.py": """
            import wandb

            def train(cfg, epochs):
                wandb.init(id=cfg.run_id, project=cfg.wandb.project)
                for loss in epochs:
                    wandb.log({"loss": loss})
                    wandb.log({"accuracy": 1 - loss})
        """,
            "src/evaluate.py": """
            import json
            import wandb

            def export(path, file):
                history = wandb.Api().run(path).history(samples=10000)
                json.dump({"history": history.to_dict(orient="list")}, file)
        """,
        },
    )

    def check(self, subject: Subject) -> Iterator[Finding]:
        """Yield what is wrong."""
        metrics = subject.derived(Metrics)
        readback = metrics.readback
        module = readback.module
        if module is None or not metrics.is_complete:
            return
        if not any(key.is_at_times for row in metrics.rows for key in row.keys):
            if len({frozenset(key.name for key in row.keys) for row in metrics.rows}) < 2:
                return
            for row in metrics.rows:
                if isinstance(row.node, ast.Call) and (len(row.node.args) > 1 or row.node.keywords):
                    return  # a step in common can make one row of several calls
        elif len(metrics.rows) > 1:
            return
        for found in written(readback):
            call = found.call
            for node in parts(readback, found.content) if not found.cleaners else ():
                if readback.kind(node) == "history-dict" and not _may_be_mended(module, node):
                    yield self.at(
                        module,
                        call,
                        f"{module.source(node)} has NaN where a row lacks a key, and NaN is not JSON",
                        "replace NaN by None first, or write the rows of run.scan_history()",
                    )
                    return
