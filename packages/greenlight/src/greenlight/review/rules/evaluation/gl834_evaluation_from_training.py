"""GL834: the training starts the evaluation."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from greenlight.review.criteria import Criterion
from greenlight.review.finding import Finding, Severity
from greenlight.review.module import Module, walk
from greenlight.review.rule import Rule
from greenlight.review.subject import Subject


def _names(module: Module, call: ast.Call, local: set[str]) -> bool:
    dotted = module.dotted(call.func)
    root = call.func
    while isinstance(root, ast.Attribute):
        root = root.value
    return isinstance(root, ast.Name) and root.id in local and dotted is not None and dotted.startswith("src.evaluate")


def _launches(module: Module, call: ast.Call) -> bool:
    dotted = module.dotted(call.func) or ""
    if not (dotted.startswith("subprocess.") or dotted in ("os.system", "os.execvp", "runpy.run_module")):
        return False
    parts = [
        n.value for a in call.args[:1] for n in walk(a) if isinstance(n, ast.Constant) and isinstance(n.value, str)
    ]
    if call.args and isinstance(call.args[0], ast.Name) and (value := module.assigned(call.args[0])) is not None:
        parts += [n.value for n in walk(value) if isinstance(n, ast.Constant) and isinstance(n.value, str)]
    return any("src.evaluate" in part or "evaluate.py" in part for part in parts)


class EvaluationFromTraining(Rule):
    """main.py or train.py runs evaluate.py, which is a command of its own over several finished runs."""

    id = "GL834"
    name = "evaluation-from-training"
    criterion = Criterion.EVALUATION
    severity = Severity.MAJOR
    sentences = ("8.1",)
    summary = "main.py or train.py runs evaluate.py, which is a command of its own over several finished runs."
    why = "Called after one training it sees one run, has nothing to compare, and in trial mode finds no run at all."
    remedy = "Take the call out; evaluate.py is started by its own command."
    valid = (
        {
            "src/main.py": """
            import evaluate
            from src.train import train

            def main(cfg):
                train(cfg)
                return evaluate.load("accuracy")
        """,
        },
    )
    invalid = (
        {
            "src/main.py": """
            from src.evaluate import compare
            from src.train import train

            def main(cfg):
                train(cfg)
                compare(cfg.results_dir, [cfg.run_id])
        """,
        },
        {
            "src/main.py": """
            import subprocess
            import sys

            def main(cfg):
                subprocess.run([sys.executable, "-m", "src.train"], check=True)
                subprocess.run([sys.executable, "-m", "src.evaluate", f"results_dir={cfg.results_dir}"], check=True)
        """,
        },
    )

    def check(self, subject: Subject) -> Iterator[Finding]:
        """Yield what is wrong."""
        for path in ("src/main.py", "src/train.py"):
            module = subject.module(path)
            if module is None:
                continue
            local = {
                name
                for name, dotted in module.imports.items()
                if dotted == "src.evaluate" or dotted.startswith("src.evaluate.")
            }
            for node in module.nodes:
                started = isinstance(node, ast.Call) and (_names(module, node, local) or _launches(module, node))
                if started:
                    yield self.at(
                        module,
                        node,
                        f"{path} starts the evaluation: {module.source(node)}",
                        "take it out; python -m src.evaluate is a command of its own",
                    )
                    break
