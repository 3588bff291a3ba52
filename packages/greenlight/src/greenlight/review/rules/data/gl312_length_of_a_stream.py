"""GL312: the length of a loader over a streamed data set is asked for."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

from greenlight.review.criteria import Criterion
from greenlight.review.engines.batch_keys import BatchKeys, Loader
from greenlight.review.engines.data_sets import DataSets
from greenlight.review.finding import Finding, Severity
from greenlight.review.rule import NotApplicable, Rule
from greenlight.review.subject import Subject


class LengthOfAStream(Rule):
    """``len(loader)`` where the data set streams."""

    id = "GL312"
    name = "length-of-a-stream"
    criterion = Criterion.DATA
    severity = Severity.BLOCKER
    sentences = ("3.1",)
    summary = "len() is asked of a loader over a streamed data set, which raises TypeError."
    why = (
        "A stream does not know how many rows it has: \"object of type 'IterableDataset' has no len()\". It is "
        "asked for "
        "to plan a learning-rate schedule or to average a loss."
    )
    remedy = "Count the batches as they come, and plan schedules over a number of steps from the run file."
    valid = (
        {
            "src/train.py": """
            from datasets import load_dataset
            from torch.utils.data import DataLoader

            def train():
                rows = load_dataset("stanfordnlp/imdb", split="train", streaming=False)
                loader = DataLoader(rows, shuffle=True)
                return len(loader)
            """
        },
        {
            "src/train.py": """
            from datasets import load_dataset
            from torch.utils.data import DataLoader

            def train():
                rows = load_dataset("stanfordnlp/imdb", split="train", streaming=True)
                loader = DataLoader(rows)
                try:
                    return len(loader)
                except TypeError:
                    return None
            """
        },
    )
    invalid = (
        {
            "src/train.py": """
            from datasets import load_dataset
            from torch.utils.data import DataLoader

            def train():
                rows = load_dataset("stanfordnlp/imdb", split="train", streaming=True)
                loader = DataLoader(rows, batch_size=8)
                steps = 3 * len(loader)
                return steps
            """
        },
    )

    def check(self, subject: Subject) -> Iterator[Finding]:
        """Yield one finding for each call of len."""
        if not subject.derived(DataSets).loaded:
            raise NotApplicable("no data set is loaded with load_dataset")
        for module, call, value in subject.derived(BatchKeys).measured:
            data = value.data if isinstance(value, Loader) else value
            if data is None or data.streaming is not True:
                continue
            if not any(isinstance(a, ast.If | ast.IfExp) or _catches(a) for a in module.ancestors(call)):
                yield self.at(module, call, f"{module.source(call)} raises TypeError: the data set is streamed")


def _catches(node: ast.AST) -> bool:
    """Return whether a ``try`` may catch the TypeError."""
    if not isinstance(node, ast.Try):
        return False
    caught = [ast.unparse(h.type) if h.type is not None else "Exception" for h in node.handlers]
    return not all(
        re.fullmatch(r"\(?(?:\w*(?:NotFound|Value|OS|Runtime|Key|Index|Import|Connection)Error(?:, )?)+\)?", c)
        for c in caught
    )
