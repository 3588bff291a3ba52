"""Criterion 9, trial and full mode: modes that do not do what they are for."""

from __future__ import annotations

from benchmarks.review.operators._operator import Operator, chain, swap

_MAIN, _TRAIN, _CONFIG = "src/main.py", "src/train.py", "config/config.yaml"

OPERATORS = (
    Operator(
        "default-mode",
        "mode has a default, so a command that forgets it starts the full experiment.",
        ("GL901",),
        swap(
            _CONFIG,
            ("mode: ???               # trial", "mode: full              # trial"),
            ("mode: ???             # trial", "mode: full            # trial"),
        ),
    ),
    Operator(
        "unknown-mode-accepted",
        "A mode that does not exist is taken for full.",
        ("GL902",),
        swap(
            _MAIN,
            (
                '    elif mode == "full":\n'
                '        cfg.wandb.mode = "online"\n'
                "    else:\n"
                "        raise SystemExit(f\"error: mode={mode}: say mode={' or mode='.join(MODES)}\")\n",
                '    else:\n        cfg.wandb.mode = "online"\n',
            ),
        ),
    ),
    Operator(
        "unknown-mode-ignored",
        "A mode that does not exist changes nothing and says nothing.",
        ("GL902",),
        swap(
            _MAIN,
            ("    else:\n        raise SystemExit(f\"error: mode={mode}: say mode={' or mode='.join(MODES)}\")\n", ""),
        ),
    ),
    Operator(
        "trial-is-tracked",
        "A trial leaves W&B on.",
        ("GL903",),
        swap(_MAIN, ('        cfg.wandb.mode = "disabled"\n', "")),
        seen_at=(_TRAIN,),
    ),
    Operator(
        "trial-searches",
        "A trial runs the whole search.",
        ("GL904",),
        swap(_MAIN, ("        cfg.optuna.n_trials = 0\n", "")),
        seen_at=(_TRAIN,),
    ),
    Operator(
        "trial-is-not-small",
        "A trial trains as long as the full experiment.",
        ("GL905",),
        chain(
            swap(_MAIN, ("        cfg.training.epochs = 1\n        cfg.training.total_steps = 2\n", "")),
        ),
    ),
    Operator(
        "trial-of-many-batches",
        "A trial trains a whole epoch instead of one or two batches.",
        ("GL905",),
        swap(_MAIN, ("        cfg.training.total_steps = 2\n", ""), ('    "training.total_steps": 2,\n', "")),
    ),
    Operator(
        "trial-evaluates-everything",
        "A trial answers every test question.",
        ("GL905",),
        chain(
            swap(
                _MAIN, ("        cfg.evaluation.test_examples = 4\n", ""), ('    "evaluation.test_examples": 4,\n', "")
            ),
            swap(_MAIN, ("        cfg.dataset.dev_examples = 4\n", ""), ('    "dataset.dev_examples": 4,\n', "")),
        ),
    ),
    Operator(
        "full-mode-not-online",
        "The full mode does not switch W&B on: what config.yaml says decides.",
        ("GL906",),
        chain(
            swap(
                _MAIN,
                (
                    '    elif mode == "full":\n        cfg.wandb.mode = "online"\n',
                    '    elif mode == "full":\n        print("full experiment")\n',
                ),
            ),
            swap(_CONFIG, ("  mode: online          # decided", "  mode: offline         # decided")),
        ),
        seen_at=(_TRAIN,),
    ),
    Operator(
        "mode-applied-after-init",
        "The mode is applied after the W&B run has been started.",
        ("GL903", "GL618"),
        chain(
            swap(_MAIN, ("    configure_mode(cfg)\n    train(cfg)\n", "    train(cfg)\n    configure_mode(cfg)\n")),
        ),
        seen_at=(_TRAIN,),
    ),
    Operator(
        "mode-never-applied",
        "The function that applies the mode is never called.",
        ("GL907",),
        chain(
            swap(_MAIN, ("    configure_mode(cfg)\n    train(cfg)\n", "    train(cfg)\n")),
            swap(
                _MAIN,
                ('"""Apply the mode and train the run that was composed."""', '"""Train the run that was composed."""'),
            ),
        ),
        seen_at=(_CONFIG,),
    ),
    Operator(
        "trial-setting-that-nobody-reads",
        "A trial limits a key that nothing reads, so it is as long as the full experiment.",
        ("GL905", "GL907"),
        chain(
            swap(
                _MAIN,
                (
                    "        cfg.training.epochs = 1\n        cfg.training.total_steps = 2\n",
                    '        OmegaConf.update(cfg, "training.max_batches", 2, force_add=True)\n',
                ),
            ),
        ),
    ),
)
