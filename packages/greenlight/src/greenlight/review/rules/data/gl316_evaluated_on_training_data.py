"""GL316: the split that is evaluated is the split that is trained on."""

from __future__ import annotations

from collections.abc import Iterator

from greenlight.review.criteria import Criterion
from greenlight.review.finding import Finding, Severity
from greenlight.review.rule import NotApplicable, Rule
from greenlight.review.subject import Subject

_TRAIN = ("train_split",)
_EVALUATED = ("eval_split", "test_split", "val_split", "validation_split")


class EvaluatedOnTrainingData(Rule):
    """A run file names one split for training and for evaluation."""

    id = "GL316"
    name = "evaluated-on-training-data"
    criterion = Criterion.DATA
    severity = Severity.MAJOR
    sentences = ("3.2",)
    summary = "A run evaluates on the split that it trains on, so its score says nothing about unseen data."
    why = (
        "With the same split under both keys the model is asked what it was taught. The comparison then rewards "
        "whoever "
        "memorises faster."
    )
    remedy = "Name another split for evaluation, or cut one from train and leave it out of training."
    valid = (
        {
            "src/preprocess.py": "def read(cfg):\n    return cfg.dataset.train_split, cfg.dataset.eval_split\n",
            "config/runs/a.yaml": "dataset:\n  train_split: train\n  eval_split: test\n",
        },
        {
            "src/preprocess.py": "def read(cfg):\n    return cfg.dataset.train_split, cfg.dataset.eval_split\n",
            "config/runs/a.yaml": "dataset:\n  train_split: train[:90%]\n  eval_split: train[90%:]\n",
        },
    )
    invalid = (
        {
            "src/preprocess.py": "def read(cfg):\n    return cfg.dataset.train_split, cfg.dataset.eval_split\n",
            "config/runs/a.yaml": "dataset:\n  train_split: train\n  eval_split: train\n",
        },
    )

    def check(self, subject: Subject) -> Iterator[Finding]:
        """Yield one finding for each run."""
        if not subject.runs:
            raise NotApplicable("there are no run files")
        cut = ("train_test_split", "random_split", "select", "islice", "take", "skip", "StratifiedKFold", "KFold")
        code = [module.text for module in subject.code]
        if any(word in text for word in cut for text in code):
            return
        for run in subject.runs.values():
            section = run.get("dataset")
            if not isinstance(section, dict):
                continue
            train = next((section[key] for key in (*_TRAIN, "split") if isinstance(section.get(key), str)), None)
            for key in _EVALUATED:
                if train is not None and section.get(key) == train and any(key in text for text in code):
                    line = run.line("dataset", key)
                    yield self.on(run, line, f"{key} is {train!r}, the split that is trained on")
