"""GL304: a key is read from a batch or row that nothing puts there."""

from __future__ import annotations

from collections.abc import Iterator

from greenlight.review.criteria import Criterion
from greenlight.review.engines.batch_keys import BatchKeys
from greenlight.review.engines.data_sets import DataSets
from greenlight.review.finding import Finding, Severity
from greenlight.review.rule import NotApplicable, Rule
from greenlight.review.subject import Subject


class BatchKeyNeverMade(Rule):
    """Training or evaluation reads a key that no map, tokenizer or collate function makes."""

    id = "GL304"
    name = "batch-key-never-made"
    criterion = Criterion.DATA
    severity = Severity.BLOCKER
    sentences = ("3.1",)
    summary = "A key is read from a batch that no step of the data pipeline makes, so the loop raises KeyError."
    why = (
        "Preprocessing and training are written apart and drift: the loop wants gold answers or a prompt mask, while "
        "map(remove_columns=...) dropped the column or the collate function never built it. The rule speaks only where "
        "the whole way from load_dataset to the batch is known."
    )
    remedy = "Make the key in preprocessing, or read one that is there."
    valid = (
        {
            "src/preprocess.py": """
            from datasets import load_dataset
            from torch.utils.data import DataLoader

            def encode(row, tokenizer):
                found = tokenizer(row["text"], truncation=True)
                found["gold"] = row["label"]
                return found

            def loader(tokenizer):
                rows = load_dataset("stanfordnlp/imdb", split="train", cache_dir=".cache")
                rows = rows.map(lambda row: encode(row, tokenizer), remove_columns=rows.column_names)
                return DataLoader(rows, batch_size=8, shuffle=True)
            """,
            "src/train.py": """
            from src.preprocess import loader

            def train(model, tokenizer):
                for batch in loader(tokenizer):
                    model(batch["input_ids"], batch["attention_mask"], batch["gold"])
            """,
        },
        {
            "src/preprocess.py": """
            from datasets import load_dataset
            from torch.utils.data import DataLoader

            def train(model, unknown):
                rows = load_dataset("stanfordnlp/imdb", split="train").map(unknown, remove_columns=["text", "label"])
                for batch in DataLoader(rows, shuffle=True):
                    model(batch["whatever"])
            """
        },
    )
    invalid = (
        {
            "src/preprocess.py": """
            from datasets import load_dataset
            from torch.utils.data import DataLoader

            def encode(row, tokenizer):
                return tokenizer(row["text"], truncation=True)

            def loader(tokenizer):
                rows = load_dataset("stanfordnlp/imdb", split="train", cache_dir=".cache")
                rows = rows.map(lambda row: encode(row, tokenizer), remove_columns=rows.column_names)
                return DataLoader(rows, batch_size=8, shuffle=True)
            """,
            "src/train.py": """
            from src.preprocess import loader

            def train(model, tokenizer):
                for batch in loader(tokenizer):
                    model(batch["input_ids"], batch["sentiment"])
            """,
        },
        {
            "src/preprocess.py": """
            import torch
            from datasets import load_dataset
            from torch.utils.data import DataLoader

            def collate(rows):
                return {"pixels": torch.stack([row["img"] for row in rows]), "target": [row["label"] for row in rows]}

            def run(model):
                rows = load_dataset("uoft-cs/cifar10", split="test")
                for step, batch in enumerate(DataLoader(rows, collate_fn=collate)):
                    model(batch["pixels"], batch["labels"])
            """
        },
    )

    def check(self, subject: Subject) -> Iterator[Finding]:
        """Yield one finding for each key and place."""
        if not subject.derived(DataSets).loaded:
            raise NotApplicable("no data set is loaded with load_dataset")
        seen = set()
        for read in subject.derived(BatchKeys).reads:
            row = read.row
            if not row.of_data or row.raw is not None or not row.columns.lacks(read.key) or read.node in seen:
                continue
            seen.add(read.node)
            what = "batches" if row.loader is not None else "rows"
            yield self.at(
                read.module,
                read.node,
                f"key {read.key!r} is read, but nothing makes it: the {what} have {row.columns.listed()}",
                f"make {read.key!r} in the function that is mapped over the rows and keep it in the collate function",
            )
