"""GL303: a column is read that the public data set does not have."""

from __future__ import annotations

from collections.abc import Iterator

from greenlight.review.criteria import Criterion
from greenlight.review.engines.batch_keys import BatchKeys
from greenlight.review.engines.data_sets import DataSets
from greenlight.review.finding import Finding, Severity
from greenlight.review.rule import NotApplicable, Rule
from greenlight.review.subject import Subject


class UnknownColumn(Rule):
    """A row of a public data set is asked for a column that it does not have."""

    id = "GL303"
    name = "unknown-column"
    criterion = Criterion.DATA
    severity = Severity.BLOCKER
    sentences = ("3.2",)
    summary = "A column is read that the data set does not have, so preprocessing raises KeyError."
    why = (
        "Columns are guessed from what similar data sets have: 'text' for SST-2 (it is 'sentence'), 'solution' "
        "for GSM8K "
        "(it is 'answer'). In 98 repair commits of generated experiments, seven mended a column or label."
    )
    remedy = "Read a column that the data set has."
    valid = (
        {
            "src/preprocess.py": """
            from datasets import load_dataset

            def build():
                rows = load_dataset("openai/gsm8k", "main", split="train")
                return rows.map(lambda row: {"text": row["question"] + row["answer"]})
            """
        },
        {
            "src/preprocess.py": """
            from datasets import load_dataset

            def build():
                rows = load_dataset("stanfordnlp/imdb", split="train").rename_column("text", "review")
                return rows.map(lambda row: {"size": len(row["review"])})
            """
        },
    )
    invalid = (
        {
            "src/preprocess.py": """
            from datasets import load_dataset

            def to_text(row):
                return {"text": row["question"] + row["solution"]}

            def build():
                rows = load_dataset("openai/gsm8k", "main", split="train")
                return rows.map(to_text)
            """
        },
        {
            "src/preprocess.py": """
            from datasets import load_dataset

            def build(tokenizer):
                data = load_dataset("nyu-mll/glue", "sst2", cache_dir=".cache")
                return data.map(lambda rows: tokenizer(rows["text"], truncation=True), batched=True)
            """
        },
    )

    def check(self, subject: Subject) -> Iterator[Finding]:
        """Yield one finding for each read."""
        if not subject.derived(DataSets).loaded:
            raise NotApplicable("no data set is loaded with load_dataset")
        seen = set()
        for read in subject.derived(BatchKeys).reads:
            if read.row.raw is not None and read.row.columns.lacks(read.key) and read.node not in seen:
                seen.add(read.node)
                yield self.at(
                    read.module,
                    read.node,
                    f"data set {read.row.raw} has no column {read.key!r}: it has {read.row.columns.listed()}",
                    f"read one of {read.row.columns.listed()}",
                )
