"""GL311: a DataLoader is told to shuffle a streamed data set."""

from __future__ import annotations

from collections.abc import Iterator

from greenlight.review.criteria import Criterion
from greenlight.review.engines.batch_keys import BatchKeys
from greenlight.review.engines.data_sets import DataSets
from greenlight.review.engines.run_values import RunValues
from greenlight.review.finding import Finding, Severity
from greenlight.review.module import argument
from greenlight.review.rule import NotApplicable, Rule
from greenlight.review.subject import Subject


class ShuffledStream(Rule):
    """``DataLoader(stream, shuffle=True)`` raises."""

    id = "GL311"
    name = "shuffled-stream"
    criterion = Criterion.DATA
    severity = Severity.BLOCKER
    sentences = ("3.1",)
    summary = "A DataLoader is given shuffle=True with a streamed data set, which raises ValueError."
    why = (
        "A streamed data set is an IterableDataset: it has no indices to draw from. DataLoader raises 'DataLoader with "
        "IterableDataset: expected unspecified shuffle option, but got shuffle=True'."
    )
    remedy = "Shuffle the stream itself, data.shuffle(seed=..., buffer_size=...), and leave shuffle out."
    valid = (
        {
            "src/preprocess.py": """
            from datasets import load_dataset
            from torch.utils.data import DataLoader

            def loader():
                rows = load_dataset("stanfordnlp/imdb", split="train", streaming=True).shuffle(seed=1, buffer_size=1000)
                return DataLoader(rows, batch_size=8)
            """
        },
        {
            "src/preprocess.py": """
            from datasets import load_dataset
            from torch.utils.data import DataLoader

            def loader(cfg):
                rows = load_dataset("stanfordnlp/imdb", split="train", streaming=cfg.dataset.streaming)
                return DataLoader(rows, batch_size=8, shuffle=not cfg.dataset.streaming)
            """,
            "config/runs/a.yaml": "dataset:\n  streaming: true\n",
        },
    )
    invalid = (
        {
            "src/preprocess.py": """
            from datasets import load_dataset
            from torch.utils.data import DataLoader

            def loader(cfg):
                rows = load_dataset("stanfordnlp/imdb", split="train", streaming=cfg.dataset.streaming)
                return DataLoader(rows, batch_size=8, shuffle=True)
            """,
            "config/runs/a.yaml": "dataset:\n  streaming: true\n",
        },
    )

    def check(self, subject: Subject) -> Iterator[Finding]:
        """Yield one finding for each loader."""
        if not subject.derived(DataSets).loaded:
            raise NotApplicable("no data set is loaded with load_dataset")
        values = subject.derived(RunValues)
        for loader in subject.derived(BatchKeys).loaders.values():
            if loader.data is None or loader.data.streaming is not True:
                continue
            given = argument(loader.call, "shuffle", 2)
            worth = values.of(loader.module, given)
            if worth and all(value is True for value in worth.values()):
                yield self.at(
                    loader.module,
                    loader.call,
                    "DataLoader is given shuffle=True with a streamed data set: it raises ValueError",
                )
