"""GL819: a run can be both proposed and baseline."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from greenlight.review.criteria import Criterion
from greenlight.review.engines.readback import Readback
from greenlight.review.finding import Finding, Severity
from greenlight.review.module import Module
from greenlight.review.rule import Rule
from greenlight.review.subject import Subject


def _tags(module: Module, node: ast.AST) -> set[str]:
    """Return the words of ``a in x or b in x``, or of ``any(word in x for word in (a, b))``."""
    if isinstance(node, ast.BoolOp) and isinstance(node.op, ast.Or):
        tests = [v for v in node.values if isinstance(v, ast.Compare) and isinstance(v.ops[0], ast.In)]
        words = [module.value(t.left) for t in tests]
        places = {ast.unparse(t.comparators[0]) for t in tests}
        return (
            {w for w in words if isinstance(w, str)} if len(tests) == len(node.values) and len(places) == 1 else set()
        )
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "any" and node.args:
        inner = node.args[0]
        if (
            isinstance(inner, ast.GeneratorExp)
            and isinstance(inner.elt, ast.Compare)
            and isinstance(inner.elt.ops[0], ast.In)
        ):
            words = module.value(inner.generators[0].iter)
            return {w for w in words if isinstance(w, str)} if isinstance(words, tuple | list | set) else set()
    return set()


def _handed_tags(readback: Readback, module: Module) -> Iterator[tuple[ast.AST, set[str]]]:
    """Yield the words that calls hand to ``any(word in x for word in words)``, where words is a parameter."""
    for node in module.nodes:
        if not (isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "any" and node.args):
            continue
        inner, function = node.args[0], module.function_around(node)
        if not (isinstance(inner, ast.GeneratorExp) and isinstance(inner.elt, ast.Compare) and function is not None):
            continue
        words = inner.generators[0].iter
        if not (isinstance(inner.elt.ops[0], ast.In) and isinstance(words, ast.Name)):
            continue
        for where, call in readback.flow.calls_of(function):
            if function.args.vararg is not None and function.args.vararg.arg == words.id:
                given = [module.value(a) for a in call.args[len(function.args.args) + len(function.args.posonlyargs) :]]
            else:
                value = module.value(readback.flow.argument_of(function, words.id, call))
                given = list(value) if isinstance(value, tuple | list | set) else []
            if where is module and all(isinstance(tag, str) for tag in given):
                yield call, set(given)


class RunOnBothSides(Rule):
    """Runs count as proposed by more than the word in their id."""

    id = "GL819"
    name = "run-on-both-sides"
    criterion = Criterion.EVALUATION
    severity = Severity.MAJOR
    sentences = ("8.9",)
    summary = (
        "Runs count as proposed by more than the word 'proposed' in their id, so a baseline can be chosen as "
        "the best proposed run."
    )
    why = (
        "The contract sorts runs by 'proposed' and by 'comparative' or 'baseline'; with a method's name as a "
        "further tag an id such as comparative-1-<name>-variant is on both sides, and the gap is 0."
    )
    remedy = "Select proposed runs by 'proposed' in the run id alone."
    valid = (
        {
            "src/evaluate.py": """
            def sides(run_ids):
                proposed = [r for r in run_ids if "proposed" in r]
                baselines = [r for r in run_ids if "baseline" in r or "comparative" in r]
                return proposed, baselines
        """,
        },
        {
            "src/evaluate.py": """
            def sides(run_ids):
                return [r for r in run_ids if ("proposed" in r or "prune" in r) and "comparative" not in r]
        """,
        },
    )
    invalid = (
        {
            "src/evaluate.py": """
            def sides(run_ids):
                proposed = [r for r in run_ids if "proposed" in r or "prune" in r]
                baselines = [r for r in run_ids if "baseline" in r or "comparative" in r]
                return proposed, baselines
        """,
        },
    )

    def check(self, subject: Subject) -> Iterator[Finding]:
        """Yield what is wrong."""
        readback = subject.derived(Readback)
        module = readback.module
        if module is None:
            return

        for node, tags in [(n, _tags(module, n)) for n in module.nodes] + list(_handed_tags(readback, module)):
            others = sorted(tags - {"proposed", "ours", "Proposed", "proposal"})
            if "proposed" not in tags or not others or tags & {"baseline", "comparative"}:
                continue
            around = [a for a in module.ancestors(node) if isinstance(a, ast.BoolOp | ast.UnaryOp | ast.IfExp | ast.If)]
            if any(
                word in ast.unparse(a if not isinstance(a, ast.If) else a.test)
                for a in around
                for word in ("baseline", "comparative")
            ):
                continue
            told = " or ".join(repr(tag) for tag in others)
            yield self.at(
                module,
                node,
                f"an id with {told} counts as proposed too, though it may be a baseline's",
                "test for 'proposed' in the run id alone",
            )
            return
