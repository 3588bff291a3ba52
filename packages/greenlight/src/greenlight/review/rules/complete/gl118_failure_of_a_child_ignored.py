"""GL118: a child process that does the work fails, and the command reports success."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

from greenlight.review.criteria import Criterion
from greenlight.review.engines.composition import entries
from greenlight.review.finding import Finding, Severity
from greenlight.review.module import Module, argument, has_open_arguments
from greenlight.review.rule import NotApplicable, Rule
from greenlight.review.subject import Subject

_STARTERS = ("subprocess.run", "subprocess.call", "subprocess.Popen", "os.system")
_OWN = re.compile(r"(?:^|[\s./])(?:src\.)?(?:main|train|evaluate)(?:\.py)?$|src[./](?:main|train|evaluate)\b")
_TELLS = frozenset({"returncode", "check_returncode", "wait", "poll"})


class FailureOfAChildIgnored(Rule):
    """A start of train or evaluate whose exit status goes nowhere."""

    id = "GL118"
    name = "failure-of-a-child-ignored"
    criterion = Criterion.COMPLETE
    severity = Severity.MAJOR
    sentences = ("1.1",)
    summary = "The program that does the work is started as a child, and its exit status goes nowhere."
    why = (
        "When the child crashes the command still ends with status 0, and whoever waits for it, a person, a script or "
        "a scheduler, takes the run for done. `@hydra.main` drops what the decorated function returns, so that "
        "`return process.returncode` does not reach the shell."
    )
    remedy = "Pass check=True to subprocess.run, or call sys.exit(status) where the status is not 0."
    valid = (
        {
            "src/main.py": """
                import subprocess
                import sys

                import hydra

                @hydra.main(version_base=None, config_path="../config", config_name="config")
                def main(cfg):
                    subprocess.run([sys.executable, "-m", "src.train"], check=True)
                    subprocess.run(["git", "status"])
                    done = subprocess.run([sys.executable, "-m", "src.train"])
                    if done.returncode != 0:
                        sys.exit(done.returncode)
                    child = subprocess.Popen([sys.executable, "src/train.py"])
                    status = child.wait()
                    sys.exit(status)
            """
        },
        {
            "src/main.py": """
                import subprocess
                import sys

                def start(run):
                    command = [sys.executable, "-m", "src.train", f"run={run}"]
                    return subprocess.call(command)

                if __name__ == "__main__":
                    sys.exit(start(sys.argv[1]))
            """
        },
    )
    invalid = (
        {
            "src/main.py": """
                import subprocess
                import sys
                from pathlib import Path

                import hydra

                @hydra.main(version_base=None, config_path="../config", config_name="config")
                def main(cfg):
                    program = Path(__file__).resolve().parent / "train.py"
                    command = [sys.executable, str(program), f"run={cfg.run}"]
                    child = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
                    for line in child.stdout:
                        print(line)
                    child.wait()
                    return child.returncode

                if __name__ == "__main__":
                    sys.exit(main())
            """
        },
        {
            "src/main.py": """
                import subprocess
                import sys

                def start(run):
                    subprocess.run([sys.executable, "-m", "src.train", f"run={run}"])

                if __name__ == "__main__":
                    start(sys.argv[1])
            """
        },
    )

    def check(self, subject: Subject) -> Iterator[Finding]:
        """Yield one finding for each such start."""
        dropping = {entry.function for entry in entries(subject)}
        seen = False
        for module in subject.code:
            for call in module.calls(*_STARTERS):
                if has_open_arguments(call) or not _starts_own(module, call):
                    continue
                seen = True
                checked = argument(call, "check", None)
                if checked is not None and module.value(checked) is not False:
                    continue
                dropped = module.function_around(call) in dropping
                if _is_lost(module, call, dropped=dropped):
                    told = "the exit status of the child is dropped: the command ends with 0 when the child has failed"
                    yield self.at(module, call, told)
        if not seen:
            raise NotApplicable("no program of the experiment is started as a child")


def _starts_own(module: Module, call: ast.Call) -> bool:
    command = argument(call, "args", 0) or argument(call, "command", 0)
    if isinstance(command, ast.Name):
        command = module.assigned(command)
    if command is None:
        return False
    words = [node for node in ast.walk(command) if isinstance(node, ast.expr)]
    # A path that was put together before, as in Path(__file__).with_name("train.py").
    named = [value for word in words if isinstance(word, ast.Name) and (value := module.assigned(word)) is not None]
    words += [node for value in named for node in ast.walk(value) if isinstance(node, ast.Constant)]
    texts = [module.string(word.value if isinstance(word, ast.Starred) else word) for word in words]
    return any(text is not None and _OWN.search(text) for text in texts)


def _is_lost(module: Module, call: ast.Call, *, dropped: bool) -> bool:
    """Tell whether nothing that is done with the child can pass its failure on."""
    parent = module.parent(call)
    while (isinstance(parent, ast.Attribute) and parent.attr in _TELLS) or (
        isinstance(parent, ast.Call) and isinstance(parent.func, ast.Attribute) and parent.func.attr in _TELLS
    ):
        parent = module.parent(parent)
    if isinstance(parent, ast.Expr):
        return True
    if isinstance(parent, ast.Return):
        return dropped
    name = _bound(parent, call)
    if name is None:
        return False
    scope = module.function_around(call) or module.tree
    uses = [
        node
        for node in ast.walk(scope)
        if isinstance(node, ast.Name) and node.id == name and isinstance(node.ctx, ast.Load)
    ]
    return not any(_may_tell(module, use, dropped=dropped) for use in uses)


def _bound(parent: ast.AST | None, call: ast.Call) -> str | None:
    """Return the name that the child, or its status, is given; None where it goes elsewhere."""
    if isinstance(parent, ast.Assign) and len(parent.targets) == 1 and isinstance(parent.targets[0], ast.Name):
        return parent.targets[0].id
    if isinstance(parent, ast.withitem) and parent.context_expr is call and isinstance(parent.optional_vars, ast.Name):
        return parent.optional_vars.id
    return None


def _may_tell(module: Module, use: ast.Name, *, dropped: bool) -> bool:
    """Tell whether a use of the child may pass its failure on; what only reads its output does not."""
    node: ast.AST = use
    parent = module.parent(node)
    if isinstance(parent, ast.Attribute):
        if parent.attr not in _TELLS:
            return False
        node, parent = parent, module.parent(parent)
        if isinstance(parent, ast.Call) and parent.func is node:
            if node.attr == "check_returncode":
                return True
            node, parent = parent, module.parent(parent)
    if isinstance(parent, ast.Expr):
        return False
    return not (dropped and isinstance(parent, ast.Return))
