"""GL314: a data set or model is kept elsewhere than in .cache/."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from greenlight.review.criteria import Criterion
from greenlight.review.engines.checkpoints import Checkpoints
from greenlight.review.engines.data_sets import DataSets
from greenlight.review.engines.run_values import RunValues
from greenlight.review.finding import Finding, Severity
from greenlight.review.module import UNKNOWN, Module, argument
from greenlight.review.rule import NotApplicable, Rule
from greenlight.review.subject import Subject

_VARIABLES = frozenset(
    [
        "HF_HOME",
        "HF_DATASETS_CACHE",
        "HF_HUB_CACHE",
        "HUGGINGFACE_HUB_CACHE",
        "TRANSFORMERS_CACHE",
        "TORCH_HOME",
        "XDG_CACHE_HOME",
    ]
)


class OtherCacheFolder(Rule):
    """A call that downloads has no ``cache_dir``, or one that is not ``.cache/``."""

    id = "GL314"
    name = "other-cache-folder"
    criterion = Criterion.DATA
    severity = Severity.MINOR
    sentences = ("3.5",)
    summary = (
        "A data set or model is downloaded into another folder than .cache/, where the contract wants all of them."
    )
    why = (
        "Without cache_dir, downloads go to ~/.cache/huggingface. On shared or offline machines .cache/ of the "
        "experiment is what is mounted and kept, so what lands elsewhere is downloaded anew or not found."
    )
    remedy = "Pass cache_dir='.cache/' (or set HF_HOME to it before the libraries are imported)."
    valid = (
        {
            "src/preprocess.py": """
            from datasets import load_dataset
            from transformers import AutoTokenizer
            rows = load_dataset("stanfordnlp/imdb", split="train", cache_dir=".cache/datasets")
            tokenizer = AutoTokenizer.from_pretrained("gpt2", cache_dir=CACHE)
            again = AutoTokenizer.from_pretrained(results_dir / "tokenizer")
            """
        },
        {
            "src/preprocess.py": """
            import os
            os.environ["HF_HOME"] = ".cache"
            from datasets import load_dataset
            rows = load_dataset("stanfordnlp/imdb", split="train")
            """
        },
    )
    invalid = (
        {
            "src/preprocess.py": """
            from datasets import load_dataset
            rows = load_dataset("stanfordnlp/imdb", split="train")
            """
        },
        {
            "src/model.py": """
            from transformers import AutoModel

            def build(cfg):
                return AutoModel.from_pretrained(cfg.model.name, cache_dir="./models")
            """,
            "config/runs/a.yaml": "model:\n  name: bert-base-uncased\n",
        },
    )

    def check(self, subject: Subject) -> Iterator[Finding]:
        """Yield one finding for each file, at the first call in it."""
        calls = [(one.module, one.call) for one in subject.derived(DataSets).loaded.values()]
        calls = [(m, c) for m, c in calls if self._is_hub_name(subject, m, argument(c, "path", 0))]
        calls += [
            (one.module, one.call)
            for one in subject.derived(Checkpoints).loaded
            if self._is_hub_name(subject, one.module, one.origin)
        ]
        if not calls:
            raise NotApplicable("nothing is loaded from the hub")
        for module in subject.modules.values():
            if any(isinstance(n, ast.Constant) and n.value in _VARIABLES for n in module.nodes):
                return
        told = set()
        for module, call in calls:
            if any(k.arg is None for k in call.keywords) or module.path in told:
                continue
            given = argument(call, "cache_dir")
            name = module.source(call.func)
            if given is None:
                told.add(module.path)
                yield self.at(module, call, f"{name} has no cache_dir: it downloads to ~/.cache/huggingface")
                continue
            folder = module.string(given) if module.value(given) is UNKNOWN else module.value(given)
            if isinstance(folder, str) and "{}" not in folder and ".cache" not in folder:
                told.add(module.path)
                yield self.at(module, given, f"{name} downloads to {folder!r}, not to .cache/")

    @staticmethod
    def _is_hub_name(subject: Subject, module: Module, node: ast.expr | None) -> bool:
        names = subject.derived(RunValues).strings(module, node)
        return bool(names) and not any(name.startswith((".", "/", "~")) or name.count("/") > 1 for name in names)
