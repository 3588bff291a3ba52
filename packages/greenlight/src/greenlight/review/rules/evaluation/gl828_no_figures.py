"""GL828: evaluate.py saves no figure."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

from greenlight.review.criteria import Criterion
from greenlight.review.engines.figures import Figures
from greenlight.review.engines.readback import Readback
from greenlight.review.finding import Finding, Severity
from greenlight.review.module import Module, walk
from greenlight.review.rule import Rule
from greenlight.review.subject import Subject

_DRAWN_ALSO = frozenset({"write_image", "write_html", "imsave", "print_figure", "savefigs", "to_image"})


def _all_of_one_run(subject: Subject, module: Module) -> bool:
    """Return whether the name of every figure is made with a run's id, and nothing else may be a figure's name."""
    saved = subject.derived(Figures).saved
    for path in saved:
        names = [n for n in walk(path) if isinstance(n, ast.JoinedStr)]
        held = [ast.unparse(p.value).lower() for n in names for p in n.values if isinstance(p, ast.FormattedValue)]
        if re.search(r"(^|_|\W)(vs|versus|all|across|runs|both)(_|\W|$)", ast.unparse(path).lower()):
            return False
        if not any(re.search(r"run_?id|\brid\b|run\.(id|name)|run_?name", text) for text in held):
            return False
    for node in module.nodes:
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and len(node.value) < 200:
            text = node.value.lower()
            if re.search(r"compar\w*_", text) and not re.search(r"\.(csv|json|tex|md|txt)$|table", text):
                return False
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in _DRAWN_ALSO:
            return False
    return bool(saved)


class NoFigures(Rule):
    """evaluate.py saves no figure at all, neither of a run nor of the comparison."""

    id = "GL828"
    name = "no-figures"
    criterion = Criterion.EVALUATION
    severity = Severity.MAJOR
    sentences = ("8.6", "8.11")
    summary = "evaluate.py saves no figure at all, neither of a run nor of the comparison."
    why = "The contract asks for learning curves of each run and charts across runs."
    remedy = "Draw and save the curves of each run and the comparison."
    valid = (
        {
            "src/evaluate.py": """
            import matplotlib.pyplot as plt

            def save(figure, path):
                figure.tight_layout()
                figure.savefig(path)

            def draw(history, run_id, folder):
                figure, axes = plt.subplots()
                axes.plot(history["loss"])
                save(figure, folder / f"{run_id}_loss.pdf")

            def compare(values, folder):
                figure, axes = plt.subplots()
                axes.bar(list(values), list(values.values()))
                save(figure, folder / "comparison_loss_bar_chart.pdf")
        """,
        },
        {
            "src/evaluate.py": """
            import matplotlib.pyplot as plt

            def draw(values, path):
                plt.bar(list(values), list(values.values()))
                plt.savefig(path)
        """,
        },
        {
            "src/evaluate.py": """
            import plotly.express as px

            def draw(table, path):
                px.bar(table).write_image(path)
        """,
        },
    )
    invalid = (
        {
            "src/evaluate.py": """
            import matplotlib.pyplot as plt

            def save(figure, path):
                figure.tight_layout()
                figure.savefig(path)

            def draw(history, run_id, folder):
                figure, axes = plt.subplots()
                axes.plot(history["loss"])
                save(figure, folder / f"{run_id}_loss.pdf")
        """,
        },
        {
            "src/evaluate.py": """
            import wandb

            def read(cfg, run_id):
                return wandb.Api().run(f"{cfg.wandb.entity}/{cfg.wandb.project}/{run_id}")
        """,
        },
    )

    def check(self, subject: Subject) -> Iterator[Finding]:
        """Yield what is wrong."""
        readback = subject.derived(Readback)
        module = readback.module
        if module is None:
            return

        saves = {
            "savefig",
            "write_image",
            "write_html",
            "imsave",
            "print_figure",
            "save_figure",
            "save",
            "to_image",
            "pdfpages",
        }
        if readback.is_seen and not readback.words & saves:
            yield self.on(module, 1, "src/evaluate.py saves no figure: no savefig or the like anywhere")
        elif readback.is_seen and _all_of_one_run(subject, module):
            yield self.on(
                module,
                1,
                "every figure of src/evaluate.py has a run's id in its name: none compares the runs",
                "also draw the runs side by side, as comparison_<metric>_bar_chart.pdf",
            )
