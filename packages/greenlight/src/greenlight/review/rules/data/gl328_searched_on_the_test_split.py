"""GL328: the search chooses by a score on the test split."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from greenlight.review.criteria import Criterion
from greenlight.review.engines.flow import returns
from greenlight.review.engines.split_flow import SplitFlow
from greenlight.review.engines.training import Training
from greenlight.review.finding import Finding, Severity
from greenlight.review.rule import NotApplicable, Rule
from greenlight.review.subject import Subject

_TEST = frozenset({"test"})


class SearchedOnTheTestSplit(Rule):
    """The objective of the search is a score on the test split."""

    id = "GL328"
    name = "searched-on-the-test-split"
    criterion = Criterion.DATA
    severity = Severity.MAJOR
    sentences = ("3.2", "7.4")
    summary = "The search chooses its parameters by the score on the test split, which is the score to be reported."
    why = (
        "Of twelve trials the one is kept that happens to fit the test rows best, so the reported score is too good, "
        "and by how much depends on the number of trials: a method with a larger search wins by it."
    )
    remedy = "Cut development rows from the training split and let the objective return the score on those."
    valid = (
        {
            "src/train.py": """
            import optuna
            from datasets import load_dataset

            def accuracy(model, rows):
                return sum(model(row["text"]) == row["label"] for row in rows) / len(rows)

            def fit(cfg, lr, learn):
                train = load_dataset("stanfordnlp/imdb", split="train[:90%]")
                dev = load_dataset("stanfordnlp/imdb", split="train[90%:]")
                test = load_dataset("stanfordnlp/imdb", split="test")
                model = learn(train, lr)
                return {"dev": accuracy(model, dev), "test": accuracy(model, test)}

            def search(cfg, learn):
                def objective(trial):
                    return fit(cfg, trial.suggest_float("lr", 1e-5, 1e-2), learn)["dev"]

                study = optuna.create_study(direction="maximize")
                study.optimize(objective, n_trials=12)
        """,
        },
        {
            "src/train.py": """
            import optuna
            from datasets import load_dataset
            from src.model import build

            def objective(trial, cfg):
                rows = load_dataset("stanfordnlp/imdb", split="test").train_test_split(0.5, seed=0)
                model = build(cfg, trial.suggest_float("lr", 1e-5, 1e-2))
                return sum(model(row["text"]) == row["label"] for row in rows["train"]) / len(rows["train"])

            def search(cfg):
                study = optuna.create_study(direction="maximize")
                study.optimize(lambda trial: objective(trial, cfg), n_trials=12)
        """,
            "src/model.py": """
            def build(cfg, lr):
                return lambda text: len(text) * lr > 1
        """,
        },
        {
            "src/train.py": """
            import optuna
            from datasets import load_dataset

            def objective(trial, cfg, learn):
                raw = load_dataset(cfg.dataset.name)
                model = learn(raw["train"], trial.suggest_float("lr", 1e-5, 1e-2))
                held = raw["validation"] if "validation" in raw else raw["test"]
                return sum(model(row) for row in held) / len(held)

            def search(cfg, learn):
                study = optuna.create_study(direction="maximize")
                study.optimize(lambda trial: objective(trial, cfg, learn), n_trials=12)
        """,
        },
    )
    invalid = (
        {
            "src/train.py": """
            import optuna
            from src.model import build
            from src.preprocess import loaders

            def score(model, batches):
                right, seen = 0, 0
                for batch in batches:
                    right += (model(batch["x"]).argmax(-1) == batch["y"]).sum().item()
                    seen += len(batch["y"])
                return right / seen

            def fit(cfg, lr):
                train_batches, held_out = loaders(cfg)
                model, optimizer = build(cfg, lr)
                for batch in train_batches:
                    model(batch["x"]).sum().backward()
                    optimizer.step()
                return {"val_accuracy": score(model, held_out), "lr": lr}

            def search(cfg):
                def objective(trial):
                    return fit(cfg, trial.suggest_float("lr", 1e-5, 1e-2))["val_accuracy"]

                study = optuna.create_study(direction="maximize")
                study.optimize(objective, n_trials=cfg.optuna.n_trials)
                return study.best_params
        """,
            "src/preprocess.py": """
            from datasets import load_dataset
            from torch.utils.data import DataLoader

            def loaders(cfg):
                raw = load_dataset(cfg.dataset.name, cache_dir=".cache")
                rows = raw.map(lambda row: {"x": row["pixels"], "y": row["label"]})
                return DataLoader(rows["train"], shuffle=True), DataLoader(rows["test"], batch_size=64)
        """,
            "src/model.py": """
            import torch

            def build(cfg, lr):
                model = torch.nn.Linear(cfg.model.width, cfg.model.classes)
                return model, torch.optim.SGD(model.parameters(), lr=lr)
        """,
        },
        {
            "src/train.py": """
            import optuna
            import torch
            from src.preprocess import read

            class Fit:
                def __init__(self, cfg, lr):
                    self.test = read(cfg, cfg.dataset.eval_split)
                    self.model = torch.nn.Linear(cfg.model.width, 2)

                def right(self, rows):
                    return [int(self.model(row["x"]).argmax() == row["y"]) for row in rows]

                def finish(self):
                    found = self.right(self.test)
                    return sum(found) / len(found)

            def objective(trial, cfg):
                fit = Fit(cfg, trial.suggest_float("lr", 1e-5, 1e-2))
                return fit.finish()

            def search(cfg):
                study = optuna.create_study(direction="maximize")
                study.optimize(lambda trial: objective(trial, cfg), n_trials=cfg.optuna.n_trials)
        """,
            "src/preprocess.py": """
            from datasets import load_dataset

            def read(cfg, split):
                rows = load_dataset(cfg.dataset.name, split=split)
                return [{"x": row["vector"], "y": row["label"]} for row in rows]
        """,
            "config/runs/a.yaml": """
            run_id: a
            dataset:
              name: lab/vectors
              eval_split: test
            optuna:
              n_trials: 8
        """,
        },
    )

    def check(self, subject: Subject) -> Iterator[Finding]:
        """Yield one finding for each objective."""
        training = subject.derived(Training)
        if not training.objectives:
            raise NotApplicable("there is no search whose objective can be followed")
        trials = [file.get("optuna", "n_trials") for file in (*subject.runs.values(), subject.config) if file]
        if trials and all(number == 0 for number in trials):
            raise NotApplicable("no run searches")
        flow = subject.derived(SplitFlow)
        told: set[ast.AST] = set()
        for _, module, objective in training.objectives:
            if not isinstance(objective, ast.FunctionDef) or objective in told:
                continue
            told.add(objective)
            given = [(r, flow.splits_of(module, r.value)) for r in returns(module, objective) if r.value is not None]
            from_data = [(place, splits) for place, splits in given if splits]
            if from_data and all(splits == _TEST for _, splits in from_data):
                yield self.at(
                    module,
                    from_data[0][0],
                    f"{objective.name}() returns a score on the split 'test': the search fits what is to be reported",
                    "cut development rows from the training split, and return the score on those",
                    confidence="likely",
                )
