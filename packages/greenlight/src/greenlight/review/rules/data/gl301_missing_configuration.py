"""GL301: a data set of several configurations is loaded without naming one, or under a name it does not have."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from greenlight.review.criteria import Criterion
from greenlight.review.engines.data_sets import DataSets, LoadedData
from greenlight.review.engines.public_data import public_data
from greenlight.review.engines.run_values import RunValues
from greenlight.review.finding import Edit, Finding, Severity
from greenlight.review.module import argument, has_open_arguments
from greenlight.review.rule import NotApplicable, Rule
from greenlight.review.subject import Subject


class MissingConfiguration(Rule):
    """``load_dataset`` is not told which configuration of the data set to load."""

    id = "GL301"
    name = "missing-configuration"
    criterion = Criterion.DATA
    severity = Severity.BLOCKER
    sentences = ("3.1", "3.2")
    summary = "A data set with several configurations is loaded without a valid one, so loading it raises ValueError."
    why = (
        "datasets asks for the configuration by name where a data set has several and no default: 'Config name is "
        "missing. Please pick one among the available configs'. It was seen with GSM8K in datasets 2.17 to 5.2."
    )
    remedy = "Give the configuration as the second argument of load_dataset."
    valid = (
        {
            "src/preprocess.py": """
            from datasets import load_dataset
            rows = load_dataset("openai/gsm8k", "main", split="train")
            reviews = load_dataset("stanfordnlp/imdb", split="train")
            """
        },
        {
            "src/preprocess.py": """
            from datasets import load_dataset

            def read(cfg):
                return load_dataset(cfg.dataset.name, cfg.dataset.get("subset"), split="train")
            """,
            "config/runs/a.yaml": "dataset:\n  name: glue\n  subset: cola\n",
        },
    )
    invalid = (
        {
            "src/preprocess.py": """
            from datasets import load_dataset
            rows = load_dataset("openai/gsm8k", split="test", cache_dir=".cache")
            """
        },
        {
            "src/preprocess.py": """
            from datasets import load_dataset

            def read(cfg):
                return load_dataset(cfg.dataset.name, cache_dir=".cache")
            """,
            "config/runs/a.yaml": "dataset:\n  name: super_glue\n",
        },
        {
            "src/preprocess.py": """
            from datasets import load_dataset
            rows = load_dataset("nyu-mll/glue", "sst-2")
            """
        },
        {
            "src/preprocess.py": """
            from datasets import load_dataset

            def read(section, split):
                return load_dataset(section.name, split=split, cache_dir=".cache")
            """,
            "src/train.py": """
            from src.preprocess import read

            def train(cfg, extra):
                rows = read(cfg.dataset, "train")
                more = read(extra.model_copy(), "test")
            """,
            "config/runs/a.yaml": "run_id: a\ndataset:\n  name: openai/gsm8k\n",
        },
    )

    def check(self, subject: Subject) -> Iterator[Finding]:
        """Yield one finding for each call."""
        loaded = subject.derived(DataSets).loaded.values()
        if not loaded:
            raise NotApplicable("no data set is loaded with load_dataset")
        values = subject.derived(RunValues)
        for one in loaded:
            pairs = one.pairs
            if not pairs and argument(one.call, "name", 1) is None and not has_open_arguments(one.call):
                asked = values.texts_at_some_call(one.module, argument(one.call, "path", 0))
                pairs = frozenset((name, None) for name in asked)
            for name, given in sorted(pairs, key=str):
                known = public_data(name)
                if known is None or not known.configurations or given in known.configurations:
                    continue
                some = ", ".join(known.configurations[:5]) + (", ..." if len(known.configurations) > 5 else "")
                first = known.configurations[0]
                if given is None:
                    message = f"data set {name} is loaded without a configuration: it has {some}"
                    remedy = f'write load_dataset({name!r}, "{first}", ...), or whichever of them is meant'
                else:
                    message = f"data set {name} has no configuration {given!r}: it has {some}"
                    remedy = "name one that exists"
                edits = self._edits(one) if given is None and known.name == "openai/gsm8k" else ()
                yield self.at(one.module, one.call, message, remedy, edits=edits)
                break

    @staticmethod
    def _edits(one: LoadedData) -> tuple[Edit, ...]:
        """Insert "main" after the first argument where that cannot break anything."""
        call = one.call
        if len(call.args) != 1 or any(k.arg in ("name", None) for k in call.keywords) or len(one.pairs) != 1:
            return ()
        first = call.args[0]
        line, end = first.end_lineno, first.end_col_offset
        if line is None or end is None or first.lineno != line or isinstance(first, ast.Starred):
            return ()
        raw = one.module.lines[line - 1].encode()
        text = (raw[:end] + b', "main"' + raw[end:]).decode()
        return (Edit(one.module.path, line, line, text),)
