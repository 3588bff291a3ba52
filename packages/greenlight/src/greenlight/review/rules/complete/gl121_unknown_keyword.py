"""GL121: a library's function is given a keyword argument that it does not take."""

from __future__ import annotations

import ast
import difflib
from collections.abc import Iterator

from greenlight.review.criteria import Criterion
from greenlight.review.engines.library import Library
from greenlight.review.finding import Finding, Severity
from greenlight.review.module import Module
from greenlight.review.rule import Rule
from greenlight.review.subject import Subject


class UnknownKeyword(Rule):
    """A keyword argument that a function of a library does not have in the release that would be installed."""

    id = "GL121"
    name = "unknown-keyword"
    criterion = Criterion.COMPLETE
    severity = Severity.BLOCKER
    sentences = ("1.2", "4.6")
    summary = "A function of a library is given a keyword argument that it does not take."
    why = (
        "It is a TypeError when the line is reached. Arguments are renamed between releases, such as "
        "evaluation_strategy of TrainingArguments; they are compared with the catalogue of an installed release, only "
        "for functions that take no others, and only where pyproject.toml admits that release."
    )
    remedy = "Use an argument that the function has."
    valid = (
        {
            "src/train.py": """
                import optuna
                import torch

                def make(parameters, options):
                    torch.optim.AdamW(parameters, lr=1e-3, weight_decay=0.1, **options)
                    return optuna.create_study(direction="maximize", study_name="rates")
            """
        },
    )
    invalid = (
        {
            "src/train.py": """
                import torch

                def make(parameters):
                    return torch.optim.AdamW(parameters, lr=1e-3, decay=0.1)
            """
        },
    )

    def check(self, subject: Subject) -> Iterator[Finding]:
        """Yield one finding for each argument."""
        library = subject.derived(Library)
        for module in subject.code:
            for call in module.calls(*(f"{top}.*" for top in _TOPS)):
                dotted = module.dotted(call.func)
                keywords = library.keywords(dotted) if dotted is not None else None
                if dotted is None or keywords is None or not library.is_declared_new(dotted.partition(".")[0]):
                    continue
                for keyword in call.keywords:
                    if keyword.arg is None or keyword.arg in keywords or _is_tried(module, call):
                        continue
                    close = difflib.get_close_matches(keyword.arg, keywords, n=1, cutoff=0.6)
                    version = library.version(dotted.partition(".")[0])
                    yield self.at(
                        module,
                        keyword,
                        f"{dotted} takes no {keyword.arg} (release {version})",
                        f"did you mean {close[0]}?" if close else f"remove {keyword.arg}",
                    )


_TOPS = ("torch", "transformers", "datasets", "wandb", "optuna", "hydra", "omegaconf", "peft", "accelerate", "numpy",
         "pandas", "sklearn", "scipy")  # fmt: skip


def _is_tried(module: Module, node: ast.AST) -> bool:
    return any(isinstance(around, ast.Try | ast.If) and _tells_apart(around) for around in module.ancestors(node))


def _tells_apart(around: ast.Try | ast.If) -> bool:
    if isinstance(around, ast.If):
        return "version" in ast.unparse(around.test).lower() or "signature" in ast.unparse(around.test)
    return any(handler.type is not None and "TypeError" in ast.unparse(handler.type) for handler in around.handlers)
