"""GL305: a column of text is left in the rows that a padding collator turns into tensors."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from greenlight.review.criteria import Criterion
from greenlight.review.engines.batch_keys import BatchKeys
from greenlight.review.engines.data_sets import DataSets
from greenlight.review.finding import Finding, Severity
from greenlight.review.module import argument
from greenlight.review.rule import NotApplicable, Rule
from greenlight.review.subject import Subject

_COLLATORS = frozenset(
    {
        "transformers.DataCollatorWithPadding",
        "transformers.DataCollatorForLanguageModeling",
        "transformers.DataCollatorForTokenClassification",
    }
)


class TextLeftForCollator(Rule):
    """``map(tokenize)`` without ``remove_columns`` before ``DataCollatorWithPadding``."""

    id = "GL305"
    name = "text-left-for-collator"
    criterion = Criterion.DATA
    severity = Severity.BLOCKER
    sentences = ("3.1", "3.2")
    summary = (
        "Rows still hold a column of text when the collator makes tensors of all columns, which raises ValueError."
    )
    why = (
        "DataCollatorWithPadding pads every column and makes a tensor of each: 'Unable to create tensor ... "
        "perhaps your "
        "features (`sentence` in this case) have excessive nesting'. It was mended by hand in a real experiment."
    )
    remedy = "Remove the column in map(..., remove_columns=[...]) or with remove_columns."
    _CODE = """
            from datasets import load_dataset
            from torch.utils.data import DataLoader
            from transformers import DataCollatorWithPadding

            def loader(tokenizer):
                rows = load_dataset("nyu-mll/glue", "sst2", split="train", cache_dir=".cache")
                rows = rows.map(lambda row: tokenizer(row["sentence"], truncation=True)%s)
                collator = DataCollatorWithPadding(tokenizer)
                return DataLoader(rows, batch_size=8, shuffle=True, collate_fn=collator)
            """
    valid = ({"src/preprocess.py": _CODE % ', remove_columns=["sentence", "idx"]'},)
    invalid = ({"src/preprocess.py": _CODE % ""},)

    def check(self, subject: Subject) -> Iterator[Finding]:
        """Yield one finding for each loader."""
        if not subject.derived(DataSets).loaded:
            raise NotApplicable("no data set is loaded with load_dataset")
        for loader in subject.derived(BatchKeys).loaders.values():
            if loader.data is None or loader.data.columns.open:
                continue
            collating = argument(loader.call, "collate_fn", 6)
            made: ast.AST | None = loader.module.assigned(collating) if isinstance(collating, ast.Name) else collating
            if not isinstance(made, ast.Call) or loader.module.dotted(made.func) not in _COLLATORS:
                continue
            texts = sorted(loader.data.texts & loader.data.columns.sure)
            if texts:
                yield self.at(
                    loader.module,
                    loader.call,
                    f"the rows still have the text column {texts[0]!r}, of which the collator cannot make a tensor",
                    f"remove {texts[0]!r} when the rows are tokenized",
                )
