"""GL310: training data is never shuffled."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from greenlight.review.criteria import Criterion
from greenlight.review.engines.run_values import RunValues
from greenlight.review.finding import Finding, Severity
from greenlight.review.module import Module, argument, has_open_arguments
from greenlight.review.rule import NotApplicable, Rule
from greenlight.review.subject import Subject

_LOADER = "torch.utils.data.DataLoader"
_MIXING = (
    "shuffle",
    "permutation",
    "randperm",
    "sampler",
    "random_split",
    "train_test_split",
    "random_sample",
    "choices",
)
_ORDERED = ("bptt", "stateful", "timeseries", "time_series", "window", "forecast", "curriculum", "horizon")


class TrainingDataNotShuffled(Rule):
    """The loader of the training data reads it in its own order, in every epoch."""

    id = "GL310"
    name = "training-data-not-shuffled"
    criterion = Criterion.DATA
    severity = Severity.MAJOR
    sentences = ("3.2",)
    summary = "The training loader does not shuffle and nothing else does, so every epoch sees the same batches."
    why = (
        "DataLoader keeps the order of the data unless shuffle=True or a sampler is given, and a streamed data "
        "set has to "
        "be shuffled itself. Data sorted by class or length then makes biased steps; two passes give identical batches."
    )
    remedy = "Give shuffle=True, or call .shuffle(seed=..., buffer_size=...) on a streamed data set."
    valid = (
        {
            "src/train.py": """
            from torch.utils.data import DataLoader
            train_loader = DataLoader(train_rows, batch_size=8, shuffle=True)
            test_loader = DataLoader(test_rows, batch_size=8)
            """
        },
        {
            "src/train.py": """
            from torch.utils.data import DataLoader

            def loaders(cfg, train_rows):
                train_rows = train_rows.shuffle(seed=cfg.seed, buffer_size=1000)
                return DataLoader(train_rows, batch_size=8)
            """
        },
        {
            "src/train.py": """
            from torch.utils.data import DataLoader

            def loaders(cfg, train_rows):
                return DataLoader(train_rows, batch_size=8, shuffle=cfg.dataset.shuffle)
            """,
            "config/runs/a.yaml": "dataset:\n  shuffle: true\n",
        },
    )
    invalid = (
        {
            "src/train.py": """
            from torch.utils.data import DataLoader

            def loaders(train_set, test_set):
                train_loader = DataLoader(train_set, batch_size=8, shuffle=False)
                return train_loader, DataLoader(test_set, batch_size=8)
            """
        },
        {
            "src/train.py": """
            from torch.utils.data import DataLoader

            def loaders(cfg, train_set):
                train_loader = DataLoader(train_set, batch_size=8, shuffle=not cfg.dataset.streaming)
                return train_loader
            """,
            "config/runs/a.yaml": "dataset:\n  streaming: true\n",
        },
    )

    def check(self, subject: Subject) -> Iterator[Finding]:
        """Yield one finding for each loader of training data."""
        loaders = [(module, call) for module in subject.code for call in module.calls(_LOADER)]
        if not loaders:
            raise NotApplicable("no DataLoader is made")
        if any(self._mixes(module) for module in subject.code):
            return
        values = subject.derived(RunValues)
        for module, call in loaders:
            if has_open_arguments(call) or not self._is_training(module, call):
                continue
            if any(k.arg in ("sampler", "batch_sampler") for k in call.keywords) or len(call.args) > 2:
                continue
            given = argument(call, "shuffle")
            worth = {"": False} if given is None else values.of(module, given)
            if worth and all(value is False for value in worth.values()):
                said = "without shuffle" if given is None else f"with shuffle={module.source(given)}"
                if given is not None and not isinstance(given, ast.Constant):
                    said += ", which is False in every run,"
                yield self.at(
                    module,
                    call,
                    f"the training loader is made {said} and nothing shuffles the data",
                    confidence="likely",
                )

    @staticmethod
    def _is_training(module: Module, call: ast.Call) -> bool:
        """Return whether both the data and the loader are called training, and the loader is not one to evaluate on."""
        around = module.parent(call)
        target = ""
        if isinstance(around, ast.Assign | ast.AnnAssign):
            target = ast.unparse(around.targets[0] if isinstance(around, ast.Assign) else around.target)
        data = ast.unparse(call.args[0]) if call.args else ""
        words = f"{target} {data}".lower()
        evaluating = any(
            word in words for word in ("eval", "val", "test", "dev", "probe", "fisher", "embed", "extract")
        )
        return "train" in words and not evaluating

    @staticmethod
    def _mixes(module: Module) -> bool:
        """Return whether anything in a file shuffles or samples, or the order of its data has a meaning."""
        searching = {n for call in module.calls("optuna.*") for n in (call, *call.keywords)}
        for node in module.nodes:
            word = ""
            if node in searching:
                continue  # what a search samples are settings
            if isinstance(node, ast.Call):
                func = node.func
                word = func.attr if isinstance(func, ast.Attribute) else func.id if isinstance(func, ast.Name) else ""
            elif isinstance(node, ast.FunctionDef | ast.ClassDef):
                word = node.name
            elif isinstance(node, ast.arg | ast.keyword):
                word = "" if node.arg == "shuffle" else (node.arg or "")
            lowered = word.lower()
            if any(part in lowered for part in _MIXING) or any(part in lowered for part in _ORDERED):
                return True
        return False
