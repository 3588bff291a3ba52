"""GL117: a child process is started with whatever ``python`` the machine finds."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

from greenlight.review.criteria import Criterion
from greenlight.review.finding import Finding, Severity
from greenlight.review.module import Module, argument
from greenlight.review.rule import Rule
from greenlight.review.subject import Subject

_STARTERS = ("subprocess.run", "subprocess.Popen", "subprocess.call", "subprocess.check_call",
             "subprocess.check_output", "os.system", "os.execvp", "os.spawnvp")  # fmt: skip
_PYTHON = re.compile(r"python(?:3(?:\.\d+)?)?")


class PythonFromPath(Rule):
    """``python`` from PATH instead of the interpreter that runs."""

    id = "GL117"
    name = "python-from-path"
    criterion = Criterion.COMPLETE
    severity = Severity.MINOR
    sentences = ("1.2", "2.4")
    summary = "A child process is started as `python`, which need not be the interpreter with the dependencies."
    why = (
        "`uv run` puts its environment first on PATH, a scheduler, an IDE or a container does not: the child then "
        "imports from another environment or does not start at all. sys.executable is the one that runs."
    )
    remedy = "Start it with sys.executable."
    valid = (
        {
            "src/main.py": """
                import subprocess
                import sys

                def launch(run):
                    command = [sys.executable, "-m", "src.train", f"run={run}"]
                    subprocess.run(command, check=True)
                    subprocess.run(["nvidia-smi"], check=True)
                    subprocess.run(["uv", "run", "python", "-m", "src.train"], check=True)
            """
        },
    )
    invalid = (
        {
            "src/main.py": """
                import subprocess

                def launch(run):
                    subprocess.run(["python", "-u", "-m", "src.train", f"run={run}"], check=True)
            """
        },
        {
            "src/main.py": """
                import os
                import subprocess

                def launch(run):
                    interpreter = os.environ.get("PYTHON", "python3")
                    command = [interpreter, "-m", "src.train", "run=" + run]
                    subprocess.check_call(command)
            """
        },
    )

    def check(self, subject: Subject) -> Iterator[Finding]:
        """Yield one finding for each such start."""
        for module in subject.code:
            for call in module.calls(*_STARTERS):
                command = argument(call, "args", 0)
                if isinstance(command, ast.Name):
                    command = module.assigned(command)
                first = command.elts[0] if isinstance(command, ast.List | ast.Tuple) and command.elts else command
                program = _program(module, first)
                if program is None and first is not None and first is command:
                    text = module.string(command)
                    program = text.split()[0] if text and text.split() else None
                if program is not None and _PYTHON.fullmatch(program):
                    yield self.at(
                        module,
                        first if first is not None else call,
                        f"the child is started as {program!r} from PATH, not with the interpreter that runs",
                        "write sys.executable in its place",
                    )


def _program(module: Module, node: ast.expr | None) -> str | None:
    if isinstance(node, ast.Name):
        node = module.assigned(node)
    if isinstance(node, ast.Call) and module.dotted(node.func) in ("os.getenv", "os.environ.get"):
        node = argument(node, "default", 1)
    value = module.value(node)
    return value if isinstance(value, str) else None
