"""GL316: the split that is evaluated is the split that is trained on."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from greenlight.review.criteria import Criterion
from greenlight.review.engines.run_values import RunValues
from greenlight.review.finding import Finding, Severity
from greenlight.review.module import walk
from greenlight.review.rule import NotApplicable, Rule
from greenlight.review.subject import Subject

_TRAIN = ("train_split",)
_EVALUATED = ("eval_split", "test_split", "val_split", "validation_split")

_CUTTING = ("train_test_split", "random_split", "select", "islice", "take", "skip", "StratifiedKFold", "KFold")


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
        code = [module.text for module in subject.code]
        followed = self._is_whole(subject)
        if not followed and any(word in text for word in _CUTTING for text in code):
            return
        if any(_called(n) in _CUTTING for module in subject.code for n in module.nodes if isinstance(n, ast.Call)):
            return
        told = set()
        for run in subject.runs.values():
            sections = [f.get("dataset") for f in (run, *([subject.config] if followed and subject.config else []))]
            found = [section for section in sections if isinstance(section, dict)]
            section: dict[str, object] = {}
            for part in reversed(found):
                section |= part
            train = next((section[key] for key in (*_TRAIN, "split") if isinstance(section.get(key), str)), None)
            for key in _EVALUATED:
                if train is not None and section.get(key) == train and any(key in text for text in code):
                    where = run if run.get("dataset", key) is not None else subject.config
                    if where is not None and (where.path, key) not in told:
                        told.add((where.path, key))
                        yield self.on(
                            where, where.line("dataset", key), f"{key} is {train!r}, the split that is trained on"
                        )

    @staticmethod
    def _is_whole(subject: Subject) -> bool:
        """Return whether both splits are loaded by their own keys, and the one to report on is used from its start."""
        values = subject.derived(RunValues)
        seen: dict[str, list[bool]] = {}
        for module in subject.code:
            for node in module.nodes:
                if not (isinstance(node, ast.Attribute) and node.attr in (*_TRAIN, *_EVALUATED)):
                    continue
                statement, call = module.statement(node), module.parent(node)
                if (values.path(module, node) or ())[:1] != ("dataset",) or not isinstance(statement, ast.Assign):
                    continue
                target = statement.targets[0]
                if not isinstance(call, ast.Call) or not isinstance(target, ast.Name):
                    continue
                scope = module.scope(statement)
                parts = [
                    n
                    for n in walk(scope)
                    if isinstance(n, ast.Subscript)
                    and isinstance(n.slice, ast.Slice)
                    and n.slice.lower is not None
                    and (n.value is call or (isinstance(n.value, ast.Name) and n.value.id == target.id))
                ]
                picked = node.attr in _EVALUATED and any(
                    isinstance(n, ast.Subscript)
                    and isinstance(n.value, ast.Name)
                    and n.value.id == target.id
                    and not isinstance(n.slice, ast.Slice)
                    for n in walk(scope)
                )
                seen.setdefault(node.attr, []).append(not parts and not picked)
        return all(any(key in seen for key in keys) for keys in (_TRAIN, _EVALUATED)) and all(
            whole for found in seen.values() for whole in found
        )


def _called(call: ast.Call) -> str:
    return call.func.attr if isinstance(call.func, ast.Attribute) else getattr(call.func, "id", "")
