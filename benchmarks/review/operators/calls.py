"""Criterion 1, complete implementation: names, functions and methods that are not there."""

from __future__ import annotations

from benchmarks.review.operators._operator import Operator, append, chain, either, swap

_TRAIN, _MODEL, _MAIN, _EVALUATE = "src/train.py", "src/model.py", "src/main.py", "src/evaluate.py"
_PREPROCESS = "src/preprocess.py"

OPERATORS = (
    Operator(
        "undefined-name",
        "A library that is used is no longer imported.",
        ("GL104",),
        swap(_MODEL, ("import math\n", ""), ("import re\n", "")),
        seen_at=(_MODEL,),
    ),
    Operator(
        "misspelt-local",
        "A variable is read under a name that nothing binds.",
        ("GL104",),
        either(
            swap(_TRAIN, ('"final_train_loss": loss,', '"final_train_loss": final_loss,')),
            swap(
                _TRAIN,
                (
                    '            "learning_rate": report.learning_rate,',
                    '            "learning_rate": step_report.learning_rate,',
                ),
            ),
        ),
    ),
    Operator(
        "possibly-unbound",
        "A variable that only a tracked run binds is read for all: each trial of the search ends in an error.",
        ("GL105",),
        swap(
            _TRAIN,
            (
                "    if run is None:\n        return summary, []\n"
                "    outcomes = outcomes_of(model, tokenizer, splits.test, cfg.evaluation)\n",
                "    if run is not None:\n"
                "        outcomes = outcomes_of(model, tokenizer, splits.test, cfg.evaluation)\n",
            ),
        ),
    ),
    Operator(
        "unknown-keyword-of-own-function",
        "A function of the experiment is called with a keyword that it does not have.",
        ("GL112",),
        swap(
            _TRAIN,
            (
                "gradient_checkpointing=cfg.training.gradient_checkpointing",
                "use_checkpointing=cfg.training.gradient_checkpointing",
            ),
            (
                "gradient_checkpointing=training.gradient_checkpointing",
                "use_checkpointing=training.gradient_checkpointing",
            ),
        ),
    ),
    Operator(
        "missing-argument-of-own-function",
        "A function of the experiment is called without an argument that it requires.",
        ("GL112",),
        either(
            swap(_TRAIN, ("load_splits(cfg.dataset, cfg.evaluation.test_examples)", "load_splits(cfg.dataset)")),
            swap(_TRAIN, ('save_adapter(self.model, self.folder / "adapter")', "save_adapter(self.model)")),
        ),
    ),
    Operator(
        "import-of-missing-name",
        "A name is imported that the other file does not define.",
        ("GL109",),
        swap(
            _TRAIN,
            (
                "from src.model import answer, build_model, make_schedule",
                "from src.model import answer, build_model, build_schedule as make_schedule",
            ),
            (
                "from src.preprocess import Batch, Dataset, Problem, Step, TrainStream, outcome, read_split",
                "from src.preprocess import Batch, Dataset, Problem, Step, TrainStream, outcome, "
                "load_split as read_split",
            ),
        ),
    ),
    Operator(
        "import-of-missing-module",
        "A module of the experiment is imported that is not there.",
        ("GL110",),
        swap(
            _TRAIN,
            (
                "from src.model import answer, build_model, make_schedule",
                "from src.model import answer, build_model\nfrom src.schedules import make_schedule",
            ),
            ("import save_adapter", "import save_adapter"),
            (
                "from src.preprocess import Batch, Dataset,",
                "from src.batches import Batch\nfrom src.preprocess import Dataset,",
            ),
        ),
    ),
    Operator(
        "result-of-nothing",
        "A function no longer returns what its caller uses.",
        ("GL115",),
        either(
            swap(
                _PREPROCESS,
                (
                    "    return Splits(train, dev, test)\n",
                    "    print(Splits(train, dev, test))\n",
                ),
            ),
            swap(
                _MODEL,
                (
                    "    return [parameter for parameter in model.parameters() if parameter.requires_grad]\n",
                    "    print([parameter for parameter in model.parameters() if parameter.requires_grad])\n",
                ),
            ),
        ),
        seen_at=(_TRAIN, _MODEL),
    ),
    Operator(
        "library-function-that-is-not-there",
        "A function is called that the library does not have.",
        ("GL120",),
        swap(
            _TRAIN,
            ("torch.nn.utils.clip_grad_norm_(", "torch.nn.utils.clip_gradient_norm_("),
            ("torch.manual_seed(config.seed)", "torch.set_manual_seed(config.seed)"),
        ),
    ),
    Operator(
        "library-class-that-is-not-there",
        "A class is looked up below a library that does not have it.",
        ("GL120",),
        either(
            swap(
                _EVALUATE,
                (
                    "    api = wandb.Api()\n",
                    "    api = wandb.Api()\n    print(wandb.data_types.wandb_table.WandBTable)\n",
                ),
            ),
            swap(_MODEL, ("    adamw = torch.optim.AdamW(", "    adamw = torch.optim.AdamWeightDecay(")),
        ),
    ),
    Operator(
        "unknown-keyword-of-library",
        "A library's class is given a keyword that it does not have.",
        ("GL121",),
        either(
            swap(
                _TRAIN,
                (
                    "        lr=cfg.training.optimizer.lr_init,\n",
                    "        learning_rate=cfg.training.optimizer.lr_init,\n",
                ),
            ),
            swap(
                _MODEL,
                ("trainable(model), lr=optimizer.lr_init,", "trainable(model), learning_rate=optimizer.lr_init,"),
            ),
        ),
    ),
    Operator(
        "tensor-method-that-is-not-there",
        "A function of torch.nn.utils.rnn is called as a method of a tensor.",
        ("GL120",),
        either(
            swap(
                _PREPROCESS,
                (
                    '        input_ids[index, :length] = torch.tensor(row["input_ids"])\n',
                    "        input_ids[index, :length] = "
                    'torch.tensor(row["input_ids"]).pad_sequence(batch_first=True)\n',
                ),
            ),
            swap(
                _PREPROCESS,
                (
                    "        ids = torch.tensor(row.ids)\n",
                    "        ids = torch.tensor(row.ids).pad_sequence(batch_first=True)\n",
                ),
            ),
        ),
    ),
    Operator(
        "removed-library-name",
        "A method is called that current W&B no longer has.",
        ("GL122", "GL120"),
        swap(
            _TRAIN,
            (
                "    summary, outcomes = fit(cfg, run=run)\n",
                "    print(run.get_url())\n    summary, outcomes = fit(cfg, run=run)\n",
            ),
        ),
    ),
    Operator(
        "child-by-name-of-interpreter",
        "Training is started with the python of PATH, not with the interpreter that runs.",
        ("GL117",),
        chain(
            swap(
                _MAIN,
                (
                    "    configure_mode(cfg)\n    train(cfg)\n",
                    "    configure_mode(cfg)\n"
                    '    path = Path(cfg.results_dir) / "composed.yaml"\n'
                    "    OmegaConf.save(cfg, path)\n"
                    '    subprocess.run(["python", "-u", "-m", "src.train", str(path)], check=True, '
                    "cwd=RUNS.parents[1])\n",
                ),
            ),
            swap(_MAIN, ("from pathlib import Path\n", "import subprocess\nfrom pathlib import Path\n")),
            swap(_MAIN, ("from src.train import train\n\n", "")),
            append(_TRAIN, '\n\nif __name__ == "__main__":\n    train(OmegaConf.load(sys.argv[1]))\n'),
            swap(_TRAIN, ("import time\n", "import sys\nimport time\n")),
        ),
    ),
    Operator(
        "method-that-a-class-lacks",
        "A method is called on an object whose class does not have it.",
        ("GL113",),
        either(
            swap(_TRAIN, ("        return scores | self.second()\n", "        return scores | self.second_set()\n")),
            swap(
                _PREPROCESS,
                ("    return Splits(train, dev, test)\n", "    return Splits(train, dev, test).checked()\n"),
            ),
        ),
    ),
)
