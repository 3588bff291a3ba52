"""GL327: a data set is loaded by an old id that has no owner."""

from __future__ import annotations

from collections.abc import Iterator

from greenlight.review.criteria import Criterion
from greenlight.review.engines.data_sets import DataSets
from greenlight.review.engines.hub_owners import OWNERS, REFUSED_SINCE, refuses_old_ids
from greenlight.review.engines.run_values import RunValues
from greenlight.review.finding import Finding, Severity
from greenlight.review.module import argument
from greenlight.review.rule import NotApplicable, Rule
from greenlight.review.subject import Subject


class DataSetWithoutOwner(Rule):
    """``load_dataset("squad_v2")`` ends in HfUriError with today's client."""

    id = "GL327"
    name = "data-set-without-owner"
    criterion = Criterion.DATA
    severity = Severity.BLOCKER
    sentences = ("3.1", "3.2")
    summary = "A data set is loaded by its old id without an owner, which today's client of the hub refuses."
    why = (
        "The hub still redirects squad_v2 to rajpurkar/squad_v2, but from huggingface-hub 1.16 on the client does not "
        "take such an id: datasets 5.2 ends with \"HfUriError: Repository id must be 'namespace/name', got "
        "'squad_v2'\". An installer takes that release wherever pyproject.toml admits it. Ids of models are not "
        'concerned: from_pretrained("gpt2") works.'
    )
    remedy = "Name the data set with its owner."
    valid = (
        {
            "pyproject.toml": '[project]\nname = "a"\nversion = "1"\ndependencies = ["datasets>=3.0"]\n',
            "src/preprocess.py": """
            from datasets import load_dataset
            rows = load_dataset("rajpurkar/squad_v2", split="train", cache_dir=".cache")
            """,
        },
        {
            "pyproject.toml": '[project]\nname = "a"\nversion = "1"\ndependencies = ["datasets>=2.14,<4"]\n',
            "src/preprocess.py": """
            from datasets import load_dataset
            rows = load_dataset("squad_v2", split="train", cache_dir=".cache")
            """,
        },
        {
            "pyproject.toml": """
            [project]
            name = "a"
            version = "1"
            dependencies = ["datasets>=2.14", "transformers>=4.40,<5"]
            """,
            "src/preprocess.py": """
            from datasets import load_dataset
            rows = load_dataset("squad_v2", split="train", cache_dir=".cache")
            """,
        },
        {
            "pyproject.toml": '[project]\nname = "a"\nversion = "1"\ndependencies = ["datasets"]\n',
            "src/preprocess.py": """
            from datasets import load_dataset
            rows = load_dataset("json", data_files={"train": "rows.jsonl"}, cache_dir=".cache")
            """,
        },
    )
    invalid = (
        {
            "pyproject.toml": """
            [project]
            name = "a"
            version = "1"
            requires-python = ">=3.10"
            dependencies = ["datasets>=2.14", "numpy<2", "transformers>=4.40"]
            """,
            "src/preprocess.py": """
            from datasets import load_dataset
            rows = load_dataset("squad_v2", split="train", cache_dir=".cache")
            """,
        },
        {
            "pyproject.toml": '[project]\nname = "a"\nversion = "1"\ndependencies = ["datasets>=5"]\n',
            "src/preprocess.py": """
            from datasets import load_dataset

            def read(cfg):
                return load_dataset(cfg.dataset.name, split="train", cache_dir=".cache")
            """,
            "config/runs/a.yaml": "run_id: a\ndataset:\n  name: rotten_tomatoes\n",
        },
    )

    def check(self, subject: Subject) -> Iterator[Finding]:
        """Yield one finding for each data set, where it is first loaded."""
        loaded = subject.derived(DataSets).loaded.values()
        if not loaded:
            raise NotApplicable("no data set is loaded with load_dataset")
        if not refuses_old_ids(subject):
            return
        values = subject.derived(RunValues)
        told: set[str] = set()
        for one in loaded:
            for name in sorted(values.texts_at_some_call(one.module, argument(one.call, "path", 0))):
                if name in OWNERS and name not in told:
                    told.add(name)
                    yield self.at(
                        one.module,
                        one.call,
                        f"data set {name!r} is named without its owner: HfUriError from huggingface-hub "
                        f"{REFUSED_SINCE} on",
                        f"name it {OWNERS[name]!r}",
                        confidence="likely",
                    )
