"""Faults, each an edit of a copy of an experiment, and the concern that must find it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from tests.e2e.small_runs import CHIPSEQ, CHIPSEQ_MIXTURE, CHIPSEQ_R_P, GSM8K, SmallRun


@dataclass(frozen=True)
class Mutant:
    """A fault.

    Attributes
    ----------
    name
        What is wrong.
    file
        Which file of the experiment's ``src`` is edited.
    edits
        What is replaced by what; each text is there exactly once.
    found_by
        The concern that must turn red.
    small
        The run that shows it.
    interrupted
        Whether it takes an interrupted twin to show it.
    """

    name: str
    file: Literal["main.py", "train.py", "model.py", "preprocess.py"]
    edits: Sequence[tuple[str, str]]
    found_by: str
    small: SmallRun
    interrupted: bool = False

    def apply(self, experiment: Path) -> None:
        """Edit a copy of the experiment; an edit that does not apply is an error, because nothing would be tested."""
        path = experiment / "src" / self.file
        text = path.read_text(encoding="utf-8")
        for old, new in self.edits:
            assert text.count(old) == 1, (
                f"{self.name}: {old!r} is {text.count(old)} times in {path.name}; mend the edit"
            )
            text = text.replace(old, new)
        path.write_text(text, encoding="utf-8")


def _with(small: SmallRun, **said: object) -> SmallRun:
    return replace(small, said=dict(small.said) | {path.replace("__", "."): value for path, value in said.items()})


# Where what is wrong shows at once, a few steps are enough; the planner keeps its own number of steps. The system test
# shows the whole runs, CHIPSEQ and GSM8K, green on the experiments as they are; that of these is shown beside
# the mutants.
SHORT = _with(CHIPSEQ, training__total_steps=20)
SHORT_R_P = _with(CHIPSEQ_R_P, training__total_steps=10)
SHORT_MIXTURE = _with(CHIPSEQ_MIXTURE, training__total_steps=10)
SHORT_GSM8K = _with(GSM8K, training__total_steps=4, evaluation__test_examples=4, evaluation__max_new_tokens=16)
INTERRUPTED_GSM8K = _with(GSM8K, evaluation__test_examples=2, evaluation__max_new_tokens=2)
SHORTENED = (SHORT, SHORT_R_P, SHORT_MIXTURE, SHORT_GSM8K)

FIXED_RATE = [
    ("    options: dict[str, Any] = dict(scheduler.model_extra or {})\n", "    options: dict[str, Any] = {}\n"),
    ("            scheduler.type,\n            optimizer=adamw,", '            "fixed",\n            optimizer=adamw,'),
]
NO_STEP = (
    "    adamw = torch.optim.AdamW(\n",
    "    adamw = type('Still', (torch.optim.AdamW,), {'step': lambda *_: None})(\n",
)

CHIPSEQ_MUTANTS = [
    Mutant(
        "what the command line says of the batch is replaced",
        "main.py",
        [
            (
                "        train(validated(cfg, RunConfig))\n",
                "        cfg.training.batch_bins = 512\n        train(validated(cfg, RunConfig))\n",
            )
        ],
        "configuration",
        SHORT,
    ),
    Mutant(
        "a metric is not logged",
        "train.py",
        [('            "bins_seen": progress.examples,\n            "epoch"', '            "epoch"')],
        "metric_capture",
        SHORT,
    ),
    Mutant(
        "the predictions are not saved",
        "train.py",
        [("dev_nll, (PREDICTIONS,), ", "dev_nll, (), ")],
        "completion",
        SHORT,
    ),
    Mutant("the optimizer takes no step", "model.py", [NO_STEP], "training", CHIPSEQ),
    Mutant(
        "counts and covariates of different bins are paired",
        "train.py",
        [("technoise.Prediction(self.counts[rows],", "technoise.Prediction(self.counts[rows.flip(0)],")],
        "training",
        CHIPSEQ,
    ),
    Mutant(
        "the replicates are swapped against their depths",
        "preprocess.py",
        [("fitted.offsets(table), rows, beside)", "fitted.offsets(table)[::-1].copy(), rows, beside)")],
        "initialisation",
        SHORT,
    ),
    Mutant(
        "p is inverted",
        "model.py",
        [("with_depth(log_size + self.logit(covariates),", "with_depth(log_size - self.logit(covariates),")],
        "initialisation",
        SHORT_R_P,
    ),
    Mutant(
        "the mixture is trained without its signal",
        "train.py",
        [("log_mean, log_size, self.model.signal(len(rows))))", "log_mean, log_size))")],
        "training",
        CHIPSEQ_MIXTURE,
    ),
    Mutant(
        "the mixture is measured without its signal",
        "model.py",
        [("np.concatenate(sizes) if sizes else None, part)", "np.concatenate(sizes) if sizes else None)")],
        "initialisation",
        SHORT_MIXTURE,
    ),
    Mutant(
        "the predictions of the mixture are kept without its signal",
        "train.py",
        [("everywhere.mean, everywhere.size, everywhere.signal, only", "everywhere.mean, everywhere.size, only")],
        "validation_metrics",
        SHORT_MIXTURE,
    ),
    Mutant(
        "the rate of the command line is ignored",
        "model.py",
        [("lr=optimizer.lr_init,", "lr=3e-3,")],
        "scheduler",
        SHORT,
    ),
    Mutant(
        "the batch of the command line is ignored",
        "train.py",
        [("steps(rows, training.batch_bins,", "steps(rows, 512,")],
        "training",
        CHIPSEQ,
    ),
    Mutant("the scheduler is dropped", "model.py", FIXED_RATE, "scheduler", SHORT),
    Mutant(
        "bins without reads are dropped",
        "preprocess.py",
        [
            (
                "        table.save(made)\n",
                "        kept = table.treatment.sum(axis=1) > 0\n"
                "        table, beside = table.subset(kept), {name: array[kept] for name, array in beside.items()}\n"
                "        table.save(made)\n",
            )
        ],
        "validation_metrics",
        SHORT,
    ),
    Mutant(
        "covariates are standardised by all bins",
        "preprocess.py",
        [('    training[rows["train"]] = True\n', "    training[:] = True\n")],
        "checkpoint_reloads",
        SHORT,
    ),
    Mutant("the loss is not logged", "train.py", [('            "loss": loss_value,\n', "")], "loss_tracking", SHORT),
    Mutant(
        "a component of the loss has no weight",
        "train.py",
        [
            (
                "        self.losses = Composite(trained)\n",
                "        self.losses = Composite({name: 1.0 for name in trained})\n",
            )
        ],
        "loss_tracking",
        SHORT,
    ),
    Mutant(
        "a checkpoint lacks the state of the optimizer",
        "train.py",
        [
            (
                '"optimizer": self.planner.optimizer.state_dict(),',
                '"optimizer": self.planner.optimizer.state_dict() | {"state": {}},',
            )
        ],
        "checkpoint_resumes",
        CHIPSEQ,
        interrupted=True,
    ),
    Mutant(
        "the last weights are reported as the best",
        "train.py",
        [("        model.load_state_dict(best.weights)\n", "")],
        "checkpoint_reloads",
        CHIPSEQ,
    ),
    Mutant(
        "early stopping is ignored",
        "train.py",
        [('return "early_stopping" if self.patience.exhausted else None', "return None")],
        "early_stopping",
        CHIPSEQ,
    ),
    Mutant(
        "the test split is used for early stopping",
        "train.py",
        [
            (
                '        rows = self.data.rows["dev"]\n'
                '        return self.measure(predict(self.model, self.data, rows), "dev").values\n',
                '        found = self.measure(predict(self.model, self.data, self.data.rows["test"]), "test").values\n'
                '        return {name.replace("test_", "dev_"): value for name, value in found.items()}\n',
            )
        ],
        "validation_metrics",
        SHORT,
    ),
]

GSM8K_MUTANTS = [
    Mutant("the optimizer takes no step", "model.py", [NO_STEP], "training", GSM8K),
    Mutant(
        "the rate of the command line is ignored",
        "model.py",
        [("lr=optimizer.lr_init,", "lr=2e-4,")],
        "scheduler",
        SHORT_GSM8K,
    ),
    Mutant(
        "the loss is not logged", "train.py", [('            "loss": loss_value,\n', "")], "loss_tracking", SHORT_GSM8K
    ),
    Mutant(
        "a checkpoint lacks the state of the optimizer",
        "train.py",
        [
            (
                '"optimizer": self.planner.optimizer.state_dict(),',
                '"optimizer": self.planner.optimizer.state_dict() | {"state": {}},',
            )
        ],
        "checkpoint_resumes",
        INTERRUPTED_GSM8K,
        interrupted=True,
    ),
]
