"""GL322: the last rows of an evaluation split are dropped."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from greenlight.review.criteria import Criterion
from greenlight.review.finding import Finding, Severity
from greenlight.review.module import argument
from greenlight.review.rule import NotApplicable, Rule
from greenlight.review.subject import Subject


class EvaluationDropsRows(Rule):
    """``DataLoader(test_set, drop_last=True)``."""

    id = "GL322"
    name = "evaluation-drops-rows"
    criterion = Criterion.DATA
    severity = Severity.MAJOR
    sentences = ("3.2",)
    summary = (
        "A loader for evaluation drops its last batch, so the score leaves out rows, and which depends on batch size."
    )
    why = (
        "drop_last=True skips the rows that do not fill a batch. For training that is harmless; a test score "
        "over fewer "
        "rows is not the score of the test set, and with a small split there may be no row left."
    )
    remedy = "Leave drop_last out for validation and test loaders."
    valid = (
        {
            "src/train.py": """
            from torch.utils.data import DataLoader
            train_loader = DataLoader(train_set, batch_size=32, shuffle=True, drop_last=True)
            test_loader = DataLoader(test_set, batch_size=32)
            """
        },
    )
    invalid = (
        {
            "src/train.py": """
            from torch.utils.data import DataLoader
            test_loader = DataLoader(test_set, batch_size=32, drop_last=True)
            """
        },
    )

    def check(self, subject: Subject) -> Iterator[Finding]:
        """Yield one finding for each loader."""
        calls = [(m, c) for m in subject.code for c in m.calls("torch.utils.data.DataLoader")]
        if not calls:
            raise NotApplicable("no DataLoader is made")
        for module, call in calls:
            if module.value(argument(call, "drop_last", 8)) is not True:
                continue
            around = module.parent(call)
            target = ast.unparse(around.targets[0]) if isinstance(around, ast.Assign) else ""
            words = f"{target} {ast.unparse(call.args[0]) if call.args else ''}".lower()
            if "train" not in words and any(word in words for word in ("test", "val_", "valid", "eval", "dev_")):
                yield self.at(
                    module, call, f"drop_last=True for {target or module.source(call)}: rows are left out of the score"
                )
