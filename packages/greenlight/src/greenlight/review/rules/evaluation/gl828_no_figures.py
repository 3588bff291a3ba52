"""GL828: evaluate.py saves no figure."""

from __future__ import annotations

from collections.abc import Iterator

from greenlight.review.criteria import Criterion
from greenlight.review.engines.readback import Readback
from greenlight.review.finding import Finding, Severity
from greenlight.review.rule import Rule
from greenlight.review.subject import Subject


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
