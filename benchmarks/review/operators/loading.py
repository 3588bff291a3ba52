"""Criterion 3, the data pipeline: data sets that are not loaded, or not the right ones."""

from __future__ import annotations

from benchmarks.review.operators._operator import Operator, chain, either, swap, swap_in_run, where

_TRAIN, _MODEL, _MAIN = "src/train.py", "src/model.py", "src/main.py"
_PREPROCESS, _CONFIG = "src/preprocess.py", "config/config.yaml"
_LOAD = 'load_dataset(dataset.name, dataset.config, split=split, cache_dir=str(CACHE / "datasets"))'
_GUARDED = (
    "    try:\n        rows = " + _LOAD + "\n"
    "    except (DatasetNotFoundError, OSError, ValueError) as error:\n"
    '        raise RuntimeError(f"data set {dataset.name} ({dataset.config}), split '
    '{split}: cannot be loaded") from error\n'
)

OPERATORS = (
    Operator(
        "no-configuration-name",
        "openai/gsm8k is loaded without the name of one of its two configurations.",
        ("GL301",),
        swap(
            _PREPROCESS,
            (_LOAD, _LOAD.replace(" dataset.config,", "")),
            ("section.name, section.config, split=split,", "section.name, split=split,"),
        ),
    ),
    Operator(
        "data-set-without-owner",
        "GSM8K is named by its old id, which today's client of the hub refuses.",
        ("GL327",),
        swap_in_run(("  name: openai/gsm8k\n  config: main\n", "  name: gsm8k\n  config: main\n")),
        seen_at=(_PREPROCESS,),
    ),
    Operator(
        "no-cache-dir",
        "The data set is cached in the home folder, not in .cache/.",
        ("GL314",),
        chain(
            swap(_PREPROCESS, (_LOAD, _LOAD.replace(', cache_dir=str(CACHE / "datasets")', ""))),
        ),
    ),
    Operator(
        "no-cache-dir-of-model",
        "The model is cached in the home folder, not in .cache/.",
        ("GL314",),
        swap(
            _MODEL,
            (
                "from_pretrained(section.name, cache_dir=cache, dtype=DTYPES[section.dtype])\n    lora",
                "from_pretrained(section.name, dtype=DTYPES[section.dtype])\n    lora",
            ),
        ),
    ),
    Operator(
        "relative-cache-while-hydra-moves",
        "The cache is relative and Hydra changes the folder: every run downloads everything again.",
        ("GL315",),
        chain(
            where(_PREPROCESS, "load_dataset("),
            swap(_PREPROCESS, ('CACHE = Path(__file__).resolve().parents[1] / ".cache"', 'CACHE = Path(".cache")')),
            swap(_MAIN, ('@hydra.main(version_base="1.3", ', '@hydra.main(version_base="1.1", ')),
            # Where the run's folder is the folder of the experiment, Hydra does not move anything.
            either(swap(_CONFIG, ("    dir: .\n", "    dir: ${results_dir}/${run_id}\n")), dict),
        ),
        seen_at=(_PREPROCESS,),
    ),
    Operator(
        "column-that-the-data-set-lacks",
        "A column is read that GSM8K does not have.",
        ("GL303",),
        swap(_PREPROCESS, ("row['question'].strip()", "row['problem'].strip()")),
    ),
    Operator(
        "shuffle-of-a-stream",
        "A streaming data set is given to a loader that is to shuffle it, which raises.",
        ("GL311",),
        chain(
            swap(
                _TRAIN,
                (
                    "        Examples(splits.train, tokenizer, cfg.dataset.max_tokens),\n",
                    '        load_dataset(cfg.dataset.name, cfg.dataset.config, split="train", '
                    "streaming=True, cache_dir=str(CACHE)),\n",
                ),
            ),
            swap(
                _TRAIN,
                (
                    "from src.preprocess import IGNORED, Examples,",
                    "from src.preprocess import CACHE, IGNORED,",
                ),
            ),
            swap(
                _TRAIN,
                (
                    "from omegaconf import DictConfig, OmegaConf\n",
                    "from datasets import load_dataset\nfrom omegaconf import DictConfig, OmegaConf\n",
                ),
            ),
        ),
    ),
    Operator(
        "made-up-data-on-failure",
        "Where the data cannot be loaded, the experiment goes on with invented questions.",
        ("GL319",),
        chain(
            swap(_PREPROCESS, ("from datasets.exceptions import DatasetNotFoundError\n", "")),
            swap(
                _PREPROCESS,
                (
                    _GUARDED,
                    "    try:\n        rows = " + _LOAD + "\n    except Exception:\n"
                    '        rows = [{"question": f"What is {n} + {n}?", "answer": f"#### {2 * n}"} for n '
                    "in range(1000)]\n",
                ),
            ),
        ),
    ),
    Operator(
        "empty-data-on-failure",
        "Where the data cannot be loaded, an empty split is returned without a word.",
        ("GL319",),
        chain(
            swap(_PREPROCESS, ("from datasets.exceptions import DatasetNotFoundError\n", "")),
            swap(
                _PREPROCESS,
                (_GUARDED, "    try:\n        rows = " + _LOAD + "\n    except Exception:\n        return []\n"),
            ),
        ),
    ),
    Operator(
        "no-error-handling-of-data",
        "A data set that cannot be loaded ends in a traceback of the library.",
        ("GL321",),
        chain(
            swap(_PREPROCESS, (_GUARDED, "    rows = " + _LOAD + "\n")),
            swap(_PREPROCESS, ("from datasets.exceptions import DatasetNotFoundError\n", "")),
            swap(
                _PREPROCESS,
                (
                    "        if gold is None:\n"
                    "            raise ValueError(f\"{split} row {index}: the answer has no '#### "
                    "<number>'; mend the row\")\n",
                    "",
                ),
            ),
            swap(
                _PREPROCESS,
                (
                    "    if len(questions) <= dataset.dev_examples or not test:\n"
                    '        raise ValueError(f"data set {dataset.name}: {len(questions)} training and '
                    '{len(test)} test rows are too few")\n',
                    "",
                ),
            ),
            swap(
                _PREPROCESS,
                (
                    "        if not self.rows:\n"
                    '            raise ValueError(f"dataset.max_tokens={max_tokens}: no training row is '
                    'that short; raise it")\n',
                    "",
                ),
            ),
        ),
    ),
    Operator(
        "length-of-a-stream",
        "The length of a streaming data set is asked for, which it does not have.",
        ("GL312",),
        swap(
            _PREPROCESS,
            (
                "        rows = " + _LOAD + "\n",
                "        rows = "
                + _LOAD.replace("split=split,", "split=split, streaming=True,")
                + "\n        print(len(rows))\n",
            ),
        ),
    ),
)
