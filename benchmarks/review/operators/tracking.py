"""Criterion 6, tracking with W&B: values that are not logged, or logged where they do harm."""

from __future__ import annotations

from benchmarks.review.operators._operator import Operator, chain, either, swap

_TRAIN, _EVALUATE, _CONFIG = "src/train.py", "src/evaluate.py", "config/config.yaml"
_INIT = (
    "    run = wandb.init(\n"
    "        entity=cfg.wandb.entity,\n"
    "        project=cfg.wandb.project,\n"
    "        id=cfg.run_id,\n"
    "        name=cfg.run_id,\n"
    "        config=recorded,\n"
    "        mode=cfg.wandb.mode,\n"
    '        resume="never",\n        dir=str(folder),\n    )\n'
)
_SEARCH = "    if cfg.optuna.n_trials > 0:\n        cfg = with_values(cfg, search(cfg))\n"
_OBJECTIVE = (
    '    summary, _ = fit(with_values(cfg, values), run=None)\n    return float(summary["final_dev_exact_match"])\n'
)
_SUMMARY = "    for key, value in summary.items():\n        run.summary[key] = value\n"

OPERATORS = (
    Operator(
        "no-init",
        "No W&B run is started: metrics go nowhere and evaluate.py finds nothing.",
        ("GL601",),
        chain(
            swap(_TRAIN, (_INIT, "    run = None\n")),
            swap(_TRAIN, (_SUMMARY, "")),
            swap(_TRAIN, ('    run.save(str(path), base_path=str(folder), policy="now")\n    run.finish()\n', "")),
            swap(_TRAIN, ("import wandb\n", "")),
        ),
    ),
    Operator(
        "run-without-its-id",
        "The W&B run gets a random id; evaluate.py looks for the run's own id and does not find it.",
        ("GL602",),
        swap(_TRAIN, (_INIT, _INIT.replace("        id=cfg.run_id,\n", ""))),
        seen_at=(_EVALUATE,),
    ),
    Operator(
        "project-in-the-code",
        "The W&B project is written into train.py; config.yaml says another.",
        ("GL604",),
        swap(_TRAIN, (_INIT, _INIT.replace("project=cfg.wandb.project", 'project="my-experiments"'))),
        seen_at=(_CONFIG,),
    ),
    Operator(
        "metric-renamed-in-training",
        "Training logs a metric under another name than evaluation reads.",
        ("GL605",),
        chain(
            swap(
                _TRAIN,
                (
                    '                row["dev_exact_match"] = exact_match(outcomes_of(model, tokenizer, '
                    "splits.dev, cfg.evaluation))\n"
                    '                if row["dev_exact_match"] > best_dev:\n'
                    '                    best_dev, best_step = row["dev_exact_match"], step\n',
                    '                row["dev/exact_match"] = exact_match(outcomes_of(model, tokenizer, '
                    "splits.dev, cfg.evaluation))\n"
                    '                if row["dev/exact_match"] > best_dev:\n'
                    '                    best_dev, best_step = row["dev/exact_match"], step\n',
                ),
            ),
        ),
        seen_at=(_EVALUATE,),
    ),
    Operator(
        "metric-misspelt-in-evaluation",
        "Evaluation reads the headline under a name that training never sets.",
        ("GL605",),
        swap(_EVALUATE, ('PRIMARY = "exact_match_at_budget"', 'PRIMARY = "exact_match_at_the_budget"')),
        seen_at=(_EVALUATE,),
    ),
    Operator(
        "no-summary",
        "Nothing is written to the run's summary: there is no final value to compare.",
        ("GL606",),
        swap(_TRAIN, (_SUMMARY, "    print(summary)\n")),
        seen_at=(_EVALUATE,),
    ),
    Operator(
        "no-best-value",
        "The summary has the final value and no best one.",
        ("GL607",),
        swap(_TRAIN, ('        "best_dev_exact_match": best_dev,\n        "best_dev_step": best_step,\n', "")),
    ),
    Operator(
        "only-evaluation-logged",
        "The training loop logs nothing: one value at the end is all there is.",
        ("GL608",),
        chain(
            swap(_TRAIN, ("            if run is not None:\n                run.log(row, step=step)\n", "")),
            swap(
                _TRAIN,
                (
                    "    summary, outcomes = fit(cfg, run=run)\n",
                    "    summary, outcomes = fit(cfg, run=run)\n"
                    '    run.log({"dev_exact_match": summary["final_dev_exact_match"]})\n',
                ),
            ),
        ),
        seen_at=(_EVALUATE,),
    ),
    Operator(
        "trials-are-logged",
        "Every trial of the search logs to W&B, all under the run's one id.",
        ("GL609",),
        chain(
            swap(
                _TRAIN,
                (
                    _OBJECTIVE,
                    "    tuned = with_values(cfg, values)\n"
                    "    run = wandb.init(entity=cfg.wandb.entity, project=cfg.wandb.project, "
                    "id=cfg.run_id, mode=cfg.wandb.mode)\n"
                    "    summary, _ = fit(tuned, run=run)\n    run.finish()\n"
                    '    return float(summary["final_dev_exact_match"])\n',
                ),
            ),
        ),
    ),
    Operator(
        "rerun-appends",
        "A fixed id with resume=allow: a second run of the command appends to the first one's history.",
        ("GL610",),
        swap(_TRAIN, ('        resume="never",\n', '        resume="allow",\n')),
    ),
    Operator(
        "no-final-run",
        "After the search nothing is trained with the best parameters.",
        ("GL611",),
        swap(_TRAIN, (_SEARCH, "    if cfg.optuna.n_trials > 0:\n        print(search(cfg))\n        return\n")),
    ),
    Operator(
        "best-parameters-not-applied",
        "The final run is trained with the run file's parameters, not with the best ones.",
        ("GL611",),
        swap(_TRAIN, (_SEARCH, "    if cfg.optuna.n_trials > 0:\n        print(search(cfg))\n")),
    ),
    Operator(
        "objective-from-the-tracker",
        "The objective reads its value back from W&B, with 0.0 where there is none.",
        ("GL613",),
        swap(
            _TRAIN,
            (
                _OBJECTIVE,
                "    fit(with_values(cfg, values), run=None)\n"
                '    tracked = wandb.Api().run(f"{cfg.wandb.entity}/{cfg.wandb.project}/{cfg.run_id}")\n'
                '    return float(tracked.summary.get("final_dev_exact_match", 0.0))\n',
            ),
        ),
    ),
    Operator(
        "objective-returns-nothing",
        "The objective returns nothing, so every trial of the search fails.",
        ("GL612", "GL115"),
        swap(
            _TRAIN,
            (_OBJECTIVE, "    summary, _ = fit(with_values(cfg, values), run=None)\n    print(summary)\n"),
            (
                '    log.info("search trial %d: dev exact match %.3f", number, summary["final_dev_exact_match"])\n'
                '    return float(summary["final_dev_exact_match"])\n',
                '    log.info("search trial %d: dev exact match %.3f", number, summary["final_dev_exact_match"])\n',
            ),
        ),
    ),
    Operator(
        "results-file",
        "train.py writes its results into results.json.",
        ("GL614",),
        either(
            swap(
                _TRAIN,
                (
                    "    run.finish()\n",
                    '    (folder / "results.json").write_text(json.dumps(summary), encoding="utf-8")\n'
                    "    run.finish()\n",
                ),
            ),
            swap(
                _TRAIN,
                (
                    "    summary = conduct(experiment, config)\n",
                    "    summary = conduct(experiment, config)\n"
                    '    (config.results_dir / "results.json").write_text(str(summary), encoding="utf-8")\n',
                ),
            ),
        ),
    ),
    Operator(
        "json-on-stdout",
        "train.py prints its results as JSON.",
        ("GL614",),
        swap(_TRAIN, ("    run.finish()\n", "    print(json.dumps(summary))\n    run.finish()\n")),
    ),
    Operator(
        "key-in-the-code",
        "The W&B key stands in the code.",
        ("GL615",),
        swap(
            _TRAIN,
            (
                "    run = wandb.init(\n",
                '    wandb.login(key="0123456789abcdef0123456789abcdef01234567")\n    run = wandb.init(\n',
            ),
        ),
    ),
    Operator(
        "no-entity",
        "config.yaml has no W&B entity.",
        ("GL616",),
        swap(_CONFIG, ("  entity: example-lab\n", ""), ("  entity: greenlight\n", "")),
        seen_at=(_TRAIN, _EVALUATE),
    ),
    Operator(
        "offline-in-full-mode",
        "W&B's mode is fixed to offline, so nothing is there for evaluate.py to read.",
        ("GL617",),
        swap(_TRAIN, ("        mode=cfg.wandb.mode,\n", '        mode="offline",\n')),
        seen_at=("src/main.py",),
    ),
    Operator(
        "offline-by-environment",
        "The environment variable WANDB_MODE is forced to offline, and wandb.init is given no mode of its own.",
        ("GL617",),
        chain(
            swap(_TRAIN, ("        mode=cfg.wandb.mode,\n", "")),
            swap(_TRAIN, ("import json\n", "import json\nimport os\n")),
            swap(
                _TRAIN, ("    run = wandb.init(\n", '    os.environ["WANDB_MODE"] = "offline"\n    run = wandb.init(\n')
            ),
        ),
    ),
    Operator(
        "outcomes-unsaved",
        "Files are written and never handed to W&B, although evaluation downloads them from there.",
        ("GL622",),
        swap(_TRAIN, ('    run.save(str(path), base_path=str(folder), policy="now")\n', "")),
        seen_at=(_EVALUATE,),
    ),
)
