"""GL833: the training draws figures."""

from __future__ import annotations

from collections.abc import Iterator

from greenlight.review.criteria import Criterion
from greenlight.review.finding import Finding, Severity
from greenlight.review.rule import Rule
from greenlight.review.subject import Subject


class FigureInTraining(Rule):
    """train.py or main.py saves a figure, which is evaluate.py's work."""

    id = "GL833"
    name = "figure-in-training"
    criterion = Criterion.EVALUATION
    severity = Severity.MINOR
    sentences = ("8.15",)
    summary = "train.py or main.py saves a figure, which is evaluate.py's work."
    why = (
        "Figures of the training machine are not there when the evaluation runs elsewhere, and they follow no "
        "naming rule."
    )
    remedy = "Log the values, and draw them in evaluate.py."
    valid = (
        {
            "src/train.py": """
            def train(run, losses):
                for loss in losses:
                    run.log({"loss": loss})
        """,
        },
    )
    invalid = (
        {
            "src/train.py": """
            import matplotlib.pyplot as plt

            def train(losses, folder):
                plt.plot(losses)
                plt.savefig(folder / "loss.pdf")
        """,
        },
    )

    def check(self, subject: Subject) -> Iterator[Finding]:
        """Yield what is wrong."""
        for path in ("src/train.py", "src/main.py"):
            module = subject.module(path)
            if module is None or not any(
                n.partition(".")[0] in ("matplotlib", "seaborn", "plotly") for n in module.imports.values()
            ):
                continue
            call = next(module.method_calls("savefig", "write_image", "write_html"), None)
            if call is not None:
                yield self.at(
                    module,
                    call,
                    f"{module.source(call)}: {path} draws a figure",
                    "log the values and draw them in src/evaluate.py",
                )
