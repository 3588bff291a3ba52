"""GL302: a split is asked for that the data set does not have."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

from greenlight.review.criteria import Criterion
from greenlight.review.engines.data_sets import DataSets, LoadedData
from greenlight.review.engines.run_values import RunValues
from greenlight.review.finding import Finding, Severity
from greenlight.review.module import walk
from greenlight.review.rule import NotApplicable, Rule
from greenlight.review.subject import Subject


class MissingSplit(Rule):
    """``load_dataset`` is asked for a split by a name that the data set does not have."""

    id = "GL302"
    name = "missing-split"
    criterion = Criterion.DATA
    severity = Severity.BLOCKER
    sentences = ("3.2",)
    summary = "A split is asked for that the data set does not have, so loading it raises ValueError or KeyError."
    why = (
        "Public data sets name their splits differently: GSM8K and AG News have no validation split, MNLI has two, "
        "SQuAD has no public test split. A wrong name ends the run when the data is loaded."
    )
    remedy = "Name a split that exists, or cut a development split from train."
    valid = (
        {
            "src/preprocess.py": """
            from datasets import load_dataset
            held_out = load_dataset("fancyzhx/ag_news", split="train[90%:]", cache_dir=".cache")
            test = load_dataset("fancyzhx/ag_news", split="test")
            """
        },
        {
            "src/preprocess.py": """
            from datasets import load_dataset

            def read():
                data = load_dataset("openai/gsm8k", "main")
                parts = data["train"].train_test_split(test_size=0.1, seed=1)
                return parts["train"], parts["test"], data["test"]
            """
        },
    )
    invalid = (
        {
            "src/preprocess.py": """
            from datasets import load_dataset
            held_out = load_dataset("openai/gsm8k", "main", split="validation")
            """
        },
        {
            "src/preprocess.py": """
            from datasets import load_dataset

            def read(cfg):
                data = load_dataset("nyu-mll/glue", "mnli")
                return data["train"], data[cfg.dataset.eval_split]
            """,
            "config/runs/a.yaml": "dataset:\n  eval_split: validation\n",
        },
    )

    def check(self, subject: Subject) -> Iterator[Finding]:
        """Yield one finding for each place that asks for it."""
        data_sets = subject.derived(DataSets)
        if not data_sets.loaded:
            raise NotApplicable("no data set is loaded with load_dataset")
        values = subject.derived(RunValues)
        for one in data_sets.loaded.values():
            splits = self._splits(one)
            if not splits:
                continue
            for asked in sorted(one.splits):
                yield from self._wrong(one, one.call, asked, splits)
            if one.whole:
                for node in self._indexed(one):
                    for asked in sorted(values.strings(one.module, node.slice)):
                        yield from self._wrong(one, node, asked, splits)

    @staticmethod
    def _splits(one: LoadedData) -> tuple[str, ...]:
        found = {public.splits for public in one.public}
        return found.pop() if len(found) == 1 else ()

    def _wrong(self, one: LoadedData, node: ast.AST, asked: str, splits: tuple[str, ...]) -> Iterator[Finding]:
        missing = [part for part in re.split(r"\s*\+\s*", asked) if part.partition("[")[0] not in (*splits, "all")]
        if missing:
            name = one.public[0].name
            yield self.at(
                one.module,
                node,
                f"data set {name} has no split {missing[0]!r}: it has {', '.join(splits)}",
                f"ask for one of {', '.join(splits)}",
            )

    @staticmethod
    def _indexed(one: LoadedData) -> Iterator[ast.Subscript]:
        """Yield ``data["split"]`` for the name that is assigned the call and nothing else."""
        statement = one.module.parent(one.call)
        if not isinstance(statement, ast.Assign) or not isinstance(statement.targets[0], ast.Name):
            return
        name, scope = statement.targets[0].id, one.module.scope(statement)
        uses = [n for n in walk(scope) if isinstance(n, ast.Name) and n.id == name]
        if sum(isinstance(n.ctx, ast.Store) for n in uses) > 1:
            return
        for use in uses:
            around = one.module.parent(use)
            if isinstance(around, ast.Subscript) and around.value is use and isinstance(around.ctx, ast.Load):
                tried = any(isinstance(a, ast.Try | ast.If | ast.IfExp) for a in one.module.ancestors(around))
                if not tried:
                    yield around
