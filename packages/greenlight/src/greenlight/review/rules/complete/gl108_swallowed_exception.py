"""GL108: every exception is caught and nothing is done about it."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from greenlight.review.criteria import Criterion
from greenlight.review.finding import Finding, Severity
from greenlight.review.module import Module, walk
from greenlight.review.rule import Rule
from greenlight.review.subject import Subject


class SwallowedException(Rule):
    """A bare handler, or one for Exception, that only passes."""

    id = "GL108"
    name = "swallowed-exception"
    criterion = Criterion.COMPLETE
    severity = Severity.MINOR
    sentences = ("1.2", "3.4")
    summary = "A handler catches every exception and passes, so a mistake in the block looks like a missing value."
    why = (
        "A wrong attribute name inside of such a block is never seen: the code after it goes on with a fallback, and "
        "the table or figure that it was to fill is empty in every run."
    )
    remedy = "Catch the exception that is expected, or tell what was caught."
    valid = (
        {
            "src/evaluate.py": """
                import contextlib

                def load(read, close):
                    try:
                        return read()
                    except FileNotFoundError:
                        pass
                    try:
                        return read(2)
                    except Exception as error:
                        print("no second file:", error)
                    try:
                        close()
                    except Exception:
                        pass
                    return None

                class Tracker:
                    def __del__(self):
                        try:
                            self.run.stop()
                        except Exception:
                            pass
            """
        },
    )
    invalid = (
        {
            "src/evaluate.py": """
                def table(run):
                    try:
                        rows = run.table("predictions")
                        return rows.columns
                    except Exception:
                        pass
                    return []
            """
        },
        {
            "src/train.py": """
                def train(loader, step):
                    for batch in loader:
                        try:
                            step(batch)
                        except:
                            continue
            """
        },
    )

    def check(self, subject: Subject) -> Iterator[Finding]:
        """Yield one finding for each such handler."""
        for module in subject.code:
            for node in module.nodes:
                if not isinstance(node, ast.Try):
                    continue
                for handler in node.handlers:
                    caught = "everything" if handler.type is None else ast.unparse(handler.type)
                    if caught not in ("everything", "Exception", "BaseException") or not _is_silent(handler):
                        continue
                    if _is_farewell(module, node) or _is_probe(node):
                        continue
                    yield self.at(
                        module,
                        handler,
                        f"the handler catches {caught} and does nothing: a mistake in lines {node.lineno} to "
                        f"{node.body[-1].end_lineno} is never seen",
                        "catch the one exception that is expected here, or print what was caught",
                    )


def _is_silent(handler: ast.ExceptHandler) -> bool:
    return all(
        isinstance(s, ast.Pass | ast.Continue) or (isinstance(s, ast.Expr) and isinstance(s.value, ast.Constant))
        for s in handler.body
    )


def _is_farewell(module: Module, node: ast.Try) -> bool:
    """Return whether a block only ends something, where nothing can be done about a failure."""
    words = ("close", "shutdown", "stop", "finish", "terminate", "kill", "unlink", "rmtree", "remove", "cleanup",
             "empty_cache", "nvmlShutdown", "barrier", "destroy_process_group", "manual_seed_all")  # fmt: skip
    function = module.function_around(node)
    if function is not None and function.name in ("__del__", "__exit__", "close", "shutdown"):
        return True
    calls = [part for statement in node.body for part in walk(statement) if isinstance(part, ast.Call)]
    names = [getattr(call.func, "attr", getattr(call.func, "id", "")) for call in calls]
    return bool(names) and all(name in words for name in names)


def _is_probe(node: ast.Try) -> bool:
    """Return whether a block only imports, or switches on something that a machine may not have."""
    switches = ("import_module", "set_float32_matmul_precision", "set_start_method", "use_deterministic_algorithms",
                "gradient_checkpointing_enable", "setlocale", "reconfigure")  # fmt: skip
    for statement in node.body:
        if isinstance(statement, ast.Import | ast.ImportFrom):
            continue
        call = statement.value if isinstance(statement, ast.Expr) else None
        if isinstance(call, ast.Call) and getattr(call.func, "attr", getattr(call.func, "id", "")) in switches:
            continue
        return False
    return True
