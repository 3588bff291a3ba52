"""Criterion 7, run configurations: keys that are not there, are not read, or do not mean what they should."""

from __future__ import annotations

from benchmarks.review.operators._operator import Operator, chain, either, swap, swap_in_run

_TRAIN, _MAIN, _CONFIG, _PREPROCESS = "src/train.py", "src/main.py", "config/config.yaml", "src/preprocess.py"
_PROPOSED = "config/runs/proposed-iter1-Qwen3-0.6B-gsm8k.yaml"
_COMPARATIVE = "config/runs/comparative-1-iter1-Qwen3-0.6B-gsm8k.yaml"
_RUNS = (_PROPOSED, _COMPARATIVE)
_SEARCHABLE = (
    "SEARCHABLE = {\n"
    '    "lr_init": "training.optimizer.lr_init",\n'
    '    "cooldown_share": "training.scheduler.cooldown_share",\n'
    '    "floor": "training.scheduler.floor",\n'
    '    "lora_r": "model.lora.r",\n'
    "}\n"
)

OPERATORS = (
    Operator(
        "wrong-path-of-a-key",
        "A key is read below a section that does not have it.",
        ("GL701",),
        swap(
            _TRAIN,
            ("cfg.evaluation.interval_steps", "cfg.training.evaluation.interval_steps"),
        ),
    ),
    Operator(
        "misspelt-key",
        "A key is read under a name that no configuration has.",
        ("GL701",),
        swap(_TRAIN, ("cfg.training.optimizer.weight_decay", "cfg.training.optimizer.weightdecay")),
    ),
    Operator(
        "key-of-another-section-in-a-function",
        "A function is handed one section and reads a key of another.",
        ("GL701", "GL113"),
        swap("src/model.py", ("lora_dropout=section.lora.dropout", "lora_dropout=section.training.dropout")),
    ),
    Operator(
        "misspelt-key-in-config",
        "config.yaml declares a key under another name than the code reads.",
        ("GL701",),
        swap(_CONFIG, ("  max_tokens: 512\n", "  max_length: 512\n")),
        seen_at=(_TRAIN, _PREPROCESS),
    ),
    Operator(
        "key-that-one-run-lacks",
        "A key stands in one run file alone, and every run reads it.",
        ("GL701",),
        chain(
            swap(_CONFIG, ("    cooldown_share: 0.25\n", "")),
            swap(
                "src/model.py",
                (
                    '    if section.type == "trapezoid":\n',
                    '    cooldown = section.cooldown_share\n    if section.type == "trapezoid":\n',
                ),
            ),
            swap("src/model.py", ("cooldown=section.cooldown_share)", "cooldown=cooldown)")),
        ),
        seen_at=(_COMPARATIVE,),
    ),
    Operator(
        "setting-without-effect",
        "gradient_accumulation_steps is declared and never read: the batch is another than the run file says.",
        ("GL702",),
        swap(_TRAIN, ("grouped(loader, cfg.training.gradient_accumulation_steps)", "grouped(loader, 1)")),
        seen_at=(_MAIN, _CONFIG, *_RUNS),
    ),
    Operator(
        "option-without-effect",
        "A run file sets an option that no code reads.",
        ("GL702",),
        either(
            swap_in_run(
                (
                    "    warmup_share: 0.03\n    cooldown_share: 0.25\n",
                    "    warmup_share: 0.03\n    cooldown_share: 0.25\n    warm_start_ckpt: pretrained.pt\n",
                )
            ),
        ),
    ),
    Operator(
        "checkpointing-without-effect",
        "gradient_checkpointing is declared, and the code always switches it off.",
        ("GL702",),
        swap(_TRAIN, ("gradient_checkpointing=cfg.training.gradient_checkpointing", "gradient_checkpointing=False")),
        seen_at=(_CONFIG, *_RUNS),
    ),
    Operator(
        "run-id-of-another-run",
        "A run file carries the id of another run: its results overwrite that one's.",
        ("GL703",),
        swap_in_run(
            ("run_id: proposed-iter1-Qwen3-0.6B-gsm8k\n", "run_id: comparative-1-iter1-Qwen3-0.6B-gsm8k\n"),
            ("run_id: ablation-no-graph-iter1-Qwen3-0.6B-gsm8k\n", "run_id: proposed\n"),
        ),
        seen_at=(_PROPOSED,),
    ),
    Operator(
        "no-run-id",
        "A run file has no run_id.",
        ("GL703",),
        swap_in_run(("run_id: proposed-iter1-Qwen3-0.6B-gsm8k\n", "")),
    ),
    Operator(
        "number-for-a-name",
        "The W&B project is digits without quotation marks, which YAML reads as a number.",
        ("GL705",),
        swap(
            _CONFIG,
            ("  project: wall-clock-trapezoid\n", "  project: 251109\n"),
            ("  project: gsm8k-wall-clock\n", "  project: 251109\n"),
        ),
    ),
    Operator(
        "duplicate-key",
        "A key stands twice in one section of a run file: the first value is lost.",
        ("GL706",),
        swap_in_run(
            ("  budget_minutes: 30\n", "  budget_minutes: 30\n  budget_minutes: 60\n"),
            ("  budget_minutes: 60\n", "  budget_minutes: 60\n  budget_minutes: 30\n"),
        ),
    ),
    Operator(
        "broken-yaml",
        "A run file is no YAML: one line is indented by a tab.",
        ("GL707",),
        swap_in_run(("  name: Qwen/Qwen3-0.6B\n", "\tname: Qwen/Qwen3-0.6B\n")),
    ),
    Operator(
        "broken-config",
        "config.yaml is no YAML: a bracket is not closed.",
        ("GL707",),
        swap(_CONFIG, ("    betas: [0.9, 0.98]\n", "    betas: [0.9, 0.98\n")),
    ),
    Operator(
        "section-missing",
        "A run file has no dataset section.",
        ("GL704",),
        swap(_PROPOSED, ("dataset:\n  name: openai/gsm8k\n  config: main\n\n", "")),
    ),
    Operator(
        "types-that-differ",
        "The same key is a number in one run file and text in the other.",
        ("GL708",),
        swap(
            _PROPOSED,
            ("    lr_init: 2.0e-4\n", '    lr_init: "2.0e-4"\n'),
        ),
        seen_at=(_COMPARATIVE,),
    ),
    Operator(
        "null-in-arithmetic",
        "A value that is computed with is null in a run file.",
        ("GL714",),
        swap_in_run(
            (
                "  budget_minutes: 30\n  micro_batch_size: 8\n  gradient_accumulation_steps: 4\n",
                "  budget_minutes: null\n  micro_batch_size: 8\n  gradient_accumulation_steps: 4\n",
            )
        ),
        seen_at=(_TRAIN,),
    ),
    Operator(
        "interpolation-to-nothing",
        "An interpolation names a key that does not exist.",
        ("GL709",),
        swap(
            _CONFIG,
            ("    dir: ${results_dir}/${run_id}\n", "    dir: ${results_dir}/${run.id}\n"),
            (
                "  micro_batch_size: 8\n  gradient_accumulation_steps: 8\n",
                "  micro_batch_size: ${training.batch}\n  gradient_accumulation_steps: 8\n",
            ),
        ),
    ),
    Operator(
        "empty-range",
        "The low end of a search range lies above its high end.",
        ("GL710",),
        swap_in_run(
            ("      low: 5.0e-5\n      high: 1.0e-3\n", "      low: 1.0e-3\n      high: 5.0e-5\n"),
            ("      low: 1.0e-4\n      high: 5.0e-4\n", "      low: 5.0e-4\n      high: 1.0e-4\n"),
        ),
    ),
    Operator(
        "logarithm-of-zero",
        "A logarithmic range begins at zero.",
        ("GL710",),
        swap_in_run(("      low: 5.0e-5\n", "      low: 0.0\n"), ("      low: 5.0e-4\n", "      low: 0.0\n")),
    ),
    Operator(
        "dimension-without-choices",
        "A categorical dimension of the search has no choices.",
        ("GL710",),
        swap_in_run(
            ("      type: categorical\n      choices: [16, 32, 64]\n", "      type: categorical\n"),
            ("      type: categorical\n      choices: [32, 64, 96]\n", "      type: categorical\n"),
        ),
        seen_at=(_TRAIN,),
    ),
    Operator(
        "unknown-kind-of-dimension",
        "A dimension of the search has a type that the code does not know.",
        ("GL710",),
        swap_in_run(
            ("      type: loguniform\n      low: 5.0e-5\n", "      type: logarithmic\n      low: 5.0e-5\n"),
        ),
        seen_at=(_TRAIN,),
    ),
    Operator(
        "search-without-effect",
        "Names of the search are turned into keys that nobody reads: every trial trains the same.",
        ("GL711",),
        chain(
            swap(
                _TRAIN,
                (
                    "        OmegaConf.update(tuned, SEARCHABLE[name], value)\n",
                    '        OmegaConf.update(tuned, name.replace("_", "."), value, force_add=True)\n',
                ),
            ),
            swap(
                _TRAIN,
                ("# The one table from the names of a search space to keys of the configuration.\n" + _SEARCHABLE, ""),
            ),
        ),
        seen_at=_RUNS,
    ),
    Operator(
        "wrong-target-of-the-search",
        "A parameter of the search is written to a key that nobody reads.",
        ("GL711",),
        swap(
            _TRAIN,
            ('"lr_init": "training.optimizer.lr_init"', '"lr_init": "training.lr"'),
            ('"lora_r": "model.lora.r"', '"lora_r": "model.lora_rank"'),
        ),
    ),
    Operator(
        "parameter-without-a-target",
        "The search space names a parameter for which the table has no key.",
        ("GL711",),
        swap_in_run(("    lora_r:\n      type: categorical\n", "    lora_rank:\n      type: categorical\n")),
        seen_at=(_TRAIN,),
    ),
    Operator(
        "sampled-and-thrown-away",
        "Drawn parameters are not passed to the training: every trial trains the same.",
        ("GL711",),
        swap(
            _TRAIN,
            ("    summary, _ = fit(with_values(cfg, values), run=None)\n", "    summary, _ = fit(cfg, run=None)\n"),
            ("    content = with_values(config.model_dump(), values)\n", "    content = config.model_dump()\n"),
        ),
    ),
    Operator(
        "search-on-the-test-split",
        "The search selects by the score on the test questions that are reported.",
        ("GL328",),
        chain(
            swap(_TRAIN, ("    if run is None:\n        return summary, []\n", "")),
            swap(
                _TRAIN,
                (
                    '    return float(summary["final_dev_exact_match"])\n',
                    '    return float(summary["exact_match_at_budget"])\n',
                ),
            ),
        ),
    ),
    Operator(
        "trials-that-nobody-runs",
        "n_trials is declared, but no study is ever made.",
        ("GL712",),
        swap(_TRAIN, ("    if cfg.optuna.n_trials > 0:\n        cfg = with_values(cfg, search(cfg))\n", "")),
        seen_at=(_CONFIG, _MAIN, _TRAIN, *_RUNS),
    ),
    Operator(
        "default-hides-a-missing-key",
        "A misspelt key is read with a default, so the configured value never counts.",
        ("GL701",),
        swap(_TRAIN, ("cfg.training.clip_grad_norm, device)", 'cfg.training.get("max_grad_norm", 1.0), device)')),
        seen_at=(_CONFIG,),
    ),
)
