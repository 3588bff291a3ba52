"""GL429: a run file chooses something by name that the code has no branch for."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from greenlight.review.criteria import Criterion
from greenlight.review.engines.run_values import RunValues
from greenlight.review.engines.value_flow import statements_of
from greenlight.review.finding import Finding, Severity
from greenlight.review.module import UNKNOWN, Module, walk
from greenlight.review.rule import NotApplicable, Rule
from greenlight.review.subject import Subject
from greenlight.review.yaml_file import KeyPath


class ValueWithoutBranch(Rule):
    """``if cfg.method == "a": ... elif ... else: raise`` and a run with another method."""

    id = "GL429"
    name = "value-without-branch"
    criterion = Criterion.MODEL
    severity = Severity.BLOCKER
    sentences = ("4.1", "4.5")
    summary = "A run names a method, model or loss that no branch of the code implements, so the run ends in its else."
    why = (
        "The choice is made by comparing a setting with names, and everything else raises. A run file with "
        "another name - "
        "often only spelt differently - cannot run at all."
    )
    remedy = "Implement the named choice, or name one that is implemented."
    valid = (
        {
            "src/model.py": """
            def build(cfg):
                if cfg.model.type == "mlp":
                    return 1
                elif cfg.model.type in ("cnn", "resnet"):
                    return 2
                raise ValueError(cfg.model.type)
            """,
            "config/runs/a.yaml": "model:\n  type: resnet\n",
        },
        {
            "src/model.py": """
            def build(cfg):
                if cfg.model.type == "mlp":
                    return 1
                else:
                    return 2
            """,
            "config/runs/a.yaml": "model:\n  type: anything\n",
        },
        {
            "src/model.py": """
            def schedule(section):
                if section.type == "linear":
                    return lambda share: 1.0 - share
                if section.type == "constant":
                    return lambda share: 1.0
                raise ValueError(section.type)
            """,
            "src/train.py": """
            from src.model import schedule

            def train(cfg):
                return schedule(cfg.scheduler)
            """,
            "config/runs/a.yaml": "scheduler: {type: constant}\n",
        },
    )
    invalid = (
        {
            "src/model.py": """
            def build(cfg):
                if cfg.model.type == "mlp":
                    return 1
                elif cfg.model.type in ("cnn", "resnet"):
                    return 2
                else:
                    raise ValueError(f"unknown model {cfg.model.type}")
            """,
            "config/runs/a.yaml": "model:\n  type: transformer\n",
        },
        {
            "src/model.py": """
            def schedule(section):
                if section.type == "linear":
                    return lambda share: 1.0 - share
                if section.type == "constant":
                    return lambda share: 1.0
                raise ValueError(section.type)
            """,
            "src/train.py": """
            from src.model import schedule

            def train(cfg):
                return schedule(cfg.scheduler)
            """,
            "config/runs/a.yaml": "scheduler: {type: cosine}\n",
        },
    )

    def check(self, subject: Subject) -> Iterator[Finding]:
        """Yield one finding for each run and choice."""
        if not subject.runs:
            raise NotApplicable("there are no run files")
        values = subject.derived(RunValues)
        told: set[tuple[str, KeyPath]] = set()
        for module in subject.code:
            for node in module.nodes:
                around = module.parent(node)
                if not isinstance(node, ast.If) or (isinstance(around, ast.If) and node in around.orelse):
                    continue
                if any(
                    isinstance(a, ast.If | ast.Try | ast.For | ast.While | ast.With) for a in module.ancestors(node)
                ):
                    continue  # another condition may keep a run away from here
                before = statements_of(module, node)
                if any(isinstance(n, ast.Return) for s in before[: before.index(node)] for n in walk(s)):
                    continue
                found = self._choice(module, node, values)
                if found is None:
                    continue
                path, lowered, names, line = found
                for run_id, value in values.at(path).items():
                    run = subject.runs[run_id]
                    if not isinstance(value, str) or (run_id, path) in told:
                        continue
                    if (
                        value.lower() if lowered == "lower" else value.upper() if lowered == "upper" else value
                    ) in names:
                        continue
                    told.add((run_id, path))
                    yield self.on(
                        run,
                        run.line(*path),
                        f"{'.'.join(path)} is {value!r}, which {module.path}:{line} refuses: it knows "
                        + ", ".join(sorted(names)),
                        f"implement {value!r} there, or name one of {', '.join(sorted(names))}",
                    )

    @staticmethod
    def _after(module: Module, node: ast.If) -> list[ast.stmt]:
        """Return what follows where the branch of an ``if`` always leaves the function."""
        block = statements_of(module, node)
        if not isinstance(node.body[-1], ast.Return | ast.Raise):
            return []
        return block[block.index(node) + 1 :]

    @staticmethod
    def _choice(module: Module, node: ast.If, values: RunValues) -> tuple[KeyPath, str, set[str], int] | None:
        """Return what a chain of ``if`` compares, how it is spelt, with which names, and the line that raises."""
        names: set[str] = set()
        paths: set[tuple[KeyPath, str]] = set()
        current: ast.stmt = node
        while isinstance(current, ast.If):
            test = current.test
            if not (isinstance(test, ast.Compare) and len(test.ops) == 1 and isinstance(test.ops[0], ast.Eq | ast.In)):
                return None
            left: ast.expr = test.left
            lowered = ""
            if isinstance(left, ast.Name):
                left = module.assigned(left) or left
            if (
                isinstance(left, ast.Call)
                and isinstance(left.func, ast.Attribute)
                and left.func.attr in ("lower", "upper")
            ):
                lowered = left.func.attr
                left = left.func.value
            path = values.path(module, left)
            given = module.value(test.comparators[0])
            if not path or given is UNKNOWN:
                return None
            paths.add((path, lowered))
            listed = [given] if isinstance(test.ops[0], ast.Eq) else given
            if not isinstance(listed, list | tuple | set | frozenset) or not all(isinstance(g, str) for g in listed):
                return None
            names |= set(listed)
            following = current.orelse or ValueWithoutBranch._after(module, current)
            if len(current.orelse) > 1 or not following:
                return None
            current = following[0]
        if isinstance(current, ast.Raise) and len(paths) == 1:
            path, lowered = paths.pop()
            return path, lowered, names, current.lineno
        return None
