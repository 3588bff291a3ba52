"""GL801: evaluate.py does not take key=value arguments."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from greenlight.review.criteria import Criterion
from greenlight.review.engines.readback import Readback
from greenlight.review.finding import Finding, Severity
from greenlight.review.module import Module, parameters, walk
from greenlight.review.rule import Rule
from greenlight.review.subject import Subject


def _all_as_given(readback: Readback, module: Module) -> bool:
    """Return whether parse_args gets sys.argv[1:] just as it is, through parameters of own functions or directly."""
    handed: list[ast.expr] = []
    waiting: list[ast.expr] = []
    for node in module.nodes:
        if isinstance(node, ast.Attribute) and node.attr == "argv":
            around = module.parent(node)
            if not (isinstance(around, ast.Subscript) and ast.unparse(around.slice) == "1:"):
                return False
            waiting.append(around)
    while waiting and len(handed) < 50:
        node = waiting.pop()
        call = module.parent(node)
        if not (isinstance(call, ast.Call) and node in call.args and len(call.args) == 1 and not call.keywords):
            return False
        handed.append(node)
        target = readback.flow.target(module, call)
        if target is None:
            if not (isinstance(call.func, ast.Attribute) and call.func.attr == "parse_args"):
                return False
            continue
        given = parameters(target[1])
        if len(given) != 1 or target[0] is not module:
            return False
        uses = [n for n in walk(target[1]) if isinstance(n, ast.Name) and n.id == given[0].arg]
        if any(not isinstance(n.ctx, ast.Load) for n in uses):
            return False
        waiting += uses
    return any(
        isinstance(c := module.parent(n), ast.Call)
        and isinstance(c.func, ast.Attribute)
        and c.func.attr == "parse_args"
        for n in handed
    )


class CommandLineForm(Rule):
    """evaluate.py cannot be started by the documented command, whose arguments are written key=value."""

    id = "GL801"
    name = "command-line-form"
    criterion = Criterion.EVALUATION
    severity = Severity.BLOCKER
    sentences = ("2.6", "8.1", "8.2")
    summary = "evaluate.py cannot be started by the documented command, whose arguments are written key=value."
    why = (
        "argparse hands 'run_ids=[...]' with its name to a positional argument, so json.loads fails; an "
        "option --run_ids makes it exit with status 2."
    )
    remedy = "Split each argument at the first '=', or use Hydra."
    valid = (
        {
            "src/evaluate.py": """
            import argparse
            import sys

            def main(arguments):
                parser = argparse.ArgumentParser()
                parser.add_argument("--results_dir", required=True)
                parser.add_argument("--run_ids", required=True)
                return parser.parse_args([f"--{argument}" for argument in arguments])

            if __name__ == "__main__":
                main(sys.argv[1:])
        """,
        },
        {
            "src/evaluate.py": """
            import json
            import sys

            def main():
                given = dict(word.split("=", 1) for word in sys.argv[1:])
                return given["results_dir"], json.loads(given["run_ids"])
        """,
        },
        {
            "src/evaluate.py": """
            import argparse
            import json

            def main():
                parser = argparse.ArgumentParser()
                parser.add_argument("settings", nargs="+", help="key=value")
                given = dict(word.partition("=")[::2] for word in parser.parse_args().settings)
                return given["results_dir"], json.loads(given["run_ids"])
        """,
        },
    )
    invalid = (
        {
            "src/evaluate.py": """
            import argparse
            import sys

            def main(arguments):
                parser = argparse.ArgumentParser()
                parser.add_argument("--results_dir", required=True)
                parser.add_argument("--run_ids", required=True)
                return parser.parse_args(arguments)

            if __name__ == "__main__":
                main(sys.argv[1:])
        """,
        },
        {
            "src/evaluate.py": """
            import argparse
            import json

            def main():
                parser = argparse.ArgumentParser()
                parser.add_argument("--results_dir", required=True)
                parser.add_argument("--run_ids", required=True)
                args = parser.parse_args()
                return args.results_dir, json.loads(args.run_ids)
        """,
        },
        {
            "src/evaluate.py": """
            import argparse
            import json

            def main():
                parser = argparse.ArgumentParser()
                parser.add_argument("results_dir")
                parser.add_argument("run_ids", type=json.loads)
                return parser.parse_args()
        """,
        },
    )

    def check(self, subject: Subject) -> Iterator[Finding]:
        """Yield what is wrong."""
        readback = subject.derived(Readback)
        module = readback.module
        if module is None:
            return

        parsers = list(module.calls("argparse.ArgumentParser"))
        if not parsers or any(
            k.arg in ("prefix_chars", "parents", "fromfile_prefix_chars") for p in parsers for k in p.keywords
        ):
            return
        if any(True for _ in module.calls("hydra.main")):
            return
        if any(
            isinstance(n, ast.Constant) and isinstance(n.value, str) and n.value.endswith("=")
            for n in module.nodes
            if not isinstance(module.parent(n), ast.JoinedStr)
        ):
            return
        bare = [c for c in module.method_calls("parse_args") if not c.args and not c.keywords]
        if bare and "argv" in readback.words:
            return
        if not bare and not _all_as_given(readback, module):
            return
        found: dict[str, tuple[ast.Call, str]] = {}
        for call in module.method_calls("add_argument"):
            names = [module.value(a) for a in call.args]
            first = next((n for n in names if isinstance(n, str)), "")
            if any(k.arg in ("nargs", "action", None) for k in call.keywords):
                return
            kind = next((k.value for k in call.keywords if k.arg == "type"), None)
            for name in names:
                if isinstance(name, str) and (key := name.lstrip("-").replace("-", "_")) in ("results_dir", "run_ids"):
                    plain = kind is None or ast.unparse(kind) in ("str", "Path", "pathlib.Path", "json.loads")
                    if not plain:
                        return
                    found[key] = (call, first)
        if "run_ids" not in found and "results_dir" not in found:
            return
        call, name = found.get("run_ids") or found["results_dir"]
        key = name.lstrip("-").replace("-", "_")
        if name.startswith("-"):
            told = f"the option {name}: the documented command says {key}=..., which argparse rejects with status 2"
        else:
            told = f"the positional argument {name!r} receives '{key}=...' together with its name"
        yield self.at(module, call, told, "split the arguments of sys.argv at the first '=' into key and value")
