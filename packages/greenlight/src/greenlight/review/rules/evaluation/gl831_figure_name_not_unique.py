"""GL831: figures of different runs have one name."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from greenlight.review.criteria import Criterion
from greenlight.review.engines.figures import Figures
from greenlight.review.engines.readback import Readback
from greenlight.review.finding import Finding, Severity
from greenlight.review.module import Module, walk
from greenlight.review.rule import Rule
from greenlight.review.subject import Subject


def _last(node: ast.expr) -> ast.expr:
    """Return the last part of ``folder / name``, or of ``os.path.join(folder, name)``."""
    while isinstance(node, ast.BinOp) and isinstance(node.op, ast.Div):
        node = node.right
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "join" and node.args:
        return node.args[-1]
    if (
        isinstance(node, ast.Call)
        and isinstance(node.func, ast.Name)
        and node.func.id in ("str", "Path")
        and len(node.args) == 1
    ):
        return _last(node.args[0])
    return node


def _is_of_a_run(module: Module, node: ast.expr) -> bool:
    """Return whether anything in a name can be a run's: all but what walks over constants of the file."""
    parts = [n.value for n in walk(node) if isinstance(n, ast.FormattedValue)]
    return not (isinstance(node, ast.JoinedStr) and parts and all(_is_constant(module, part) for part in parts))


def _is_constant(module: Module, node: ast.expr) -> bool:
    """Return whether a name is the target of a loop over constants."""
    if not isinstance(node, ast.Name):
        return False
    for around in module.ancestors(node):
        if isinstance(around, ast.For) and any(
            isinstance(n, ast.Name) and n.id == node.id for n in walk(around.target)
        ):
            return isinstance(module.value(around.iter), tuple | list)
    return False


class FigureNameNotUnique(Rule):
    """A figure's file has the same name for every run, so figures collide when they are collected."""

    id = "GL831"
    name = "figure-name-not-unique"
    criterion = Criterion.EVALUATION
    severity = Severity.MINOR
    sentences = ("8.14",)
    summary = "A figure's file has the same name for every run, so figures collide when they are collected."
    why = "The contract names figures {run_id}_{topic}.pdf and comparison_{topic}.pdf, unique over all runs."
    remedy = "Put the run id in front of the name, or comparison_ for a comparison."
    valid = (
        {
            "src/evaluate.py": """
            import matplotlib.pyplot as plt

            def draw(run_id, folder):
                plt.savefig(folder / f"{run_id}_learning_curve.pdf")
                plt.savefig(folder / "comparison_accuracy.pdf")
        """,
        },
    )
    invalid = (
        {
            "src/evaluate.py": """
            import matplotlib.pyplot as plt

            def draw(run_id, folder):
                plt.savefig(folder / run_id / "learning_curve.pdf")
        """,
        },
    )

    def check(self, subject: Subject) -> Iterator[Finding]:
        """Yield what is wrong."""
        readback = subject.derived(Readback)
        module = readback.module
        if module is None:
            return

        for given in subject.derived(Figures).saved:
            text = module.string(_last(given))
            if text is None:
                continue
            name = text.rpartition("/")[2]
            if (
                (not _is_of_a_run(module, _last(given)) if "{}" in name else True)
                and name
                and not name.startswith("comparison")
                and "." in name
                and not name.startswith(".")
            ):
                yield self.at(
                    module,
                    given,
                    f"the figure's name {name!r} has neither a run id nor comparison_ in front",
                    f'call it f"{{run_id}}_{name}", or comparison_{name} if it compares runs',
                )
