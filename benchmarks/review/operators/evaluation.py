"""Criterion 8, independent evaluation: commands, files, tables and figures that are not as the contract has them."""

from __future__ import annotations

from benchmarks.review.operators._operator import Operator, chain, either, swap

_TRAIN, _MAIN, _EVALUATE = "src/train.py", "src/main.py", "src/evaluate.py"
_PARSE = (
    '    given = dict(argument.split("=", 1) for argument in arguments if "=" in argument)\n'
    '    if len(given) != len(arguments) or set(given) != {"results_dir", "run_ids"}:\n'
    "        raise SystemExit('error: say results_dir=<path> run_ids=\\'[\"run-1\", \"run-2\"]\\'')\n"
)
_HISTORY = '"history": pd.DataFrame(list(run.scan_history())),'
_BARS = '        draw_bars(primary, title, folder / "comparison_exact_match_bar_chart.pdf"),\n'


OPERATORS = (
    Operator(
        "positional-arguments",
        "argparse waits for positionals: the documented results_dir=... becomes the name of a folder.",
        ("GL801",),
        chain(
            swap(
                _EVALUATE,
                (
                    _PARSE,
                    "    parser = argparse.ArgumentParser()\n"
                    '    parser.add_argument("results_dir")\n'
                    '    parser.add_argument("run_ids")\n'
                    "    given = vars(parser.parse_args(arguments))\n",
                ),
            ),
            swap(_EVALUATE, ("import json\n", "import argparse\nimport json\n")),
        ),
    ),
    Operator(
        "dashed-arguments",
        "argparse waits for --results_dir: the documented command ends in a usage error.",
        ("GL801",),
        chain(
            swap(
                _EVALUATE,
                (
                    _PARSE,
                    "    parser = argparse.ArgumentParser()\n"
                    '    parser.add_argument("--results_dir", required=True)\n'
                    '    parser.add_argument("--run_ids", required=True)\n'
                    "    given = vars(parser.parse_args(arguments))\n",
                ),
            ),
            swap(_EVALUATE, ("import json\n", "import argparse\nimport json\n")),
        ),
    ),
    Operator(
        "run-ids-split-at-commas",
        "run_ids is cut at commas instead of being read as a JSON list: brackets and quotes become part of the ids.",
        ("GL802",),
        swap(
            _EVALUATE, ('    run_ids = json.loads(given["run_ids"])\n', '    run_ids = given["run_ids"].split(",")\n')
        ),
    ),
    Operator(
        "entity-in-the-code",
        "The entity and project of W&B are written into evaluate.py.",
        ("GL805",),
        chain(
            swap(
                _EVALUATE,
                ('f"{place.entity}/{place.project}/{run_id}"', 'f"example-lab/wall-clock-trapezoid/{run_id}"'),
            ),
            swap(_EVALUATE, ("    place = OmegaConf.load(CONFIG).wandb\n", "")),
            swap(_EVALUATE, ('CONFIG = Path(__file__).resolve().parents[1] / "config" / "config.yaml"\n', "")),
            swap(_EVALUATE, ("from omegaconf import OmegaConf\n", "")),
        ),
    ),
    Operator(
        "summary-as-dict",
        "dict(run.summary) keeps W&B's own nested objects, which JSON cannot hold.",
        ("GL806",),
        swap(
            _EVALUATE,
            (
                '{key: value for key, value in run.summary._json_dict.items() if not key.startswith("_")}',
                "dict(run.summary)",
            ),
        ),
        seen_at=(_EVALUATE,),
    ),
    Operator(
        "sampled-history",
        "run.history() returns a sample of 500 rows, not the history.",
        ("GL807",),
        swap(_EVALUATE, (_HISTORY, '"history": run.history(),')),
    ),
    Operator(
        "metrics-without-history",
        "metrics.json has no history.",
        ("GL809",),
        swap(_EVALUATE, ('        "history": history.to_dict(orient="records"),\n', "")),
    ),
    Operator(
        "no-metrics-file",
        "No run gets a metrics.json.",
        ("GL808",),
        swap(
            _EVALUATE,
            (
                '    written = [write_json(folder / "metrics.json", metrics)]\n',
                "    print(metrics)\n    written: list[Path] = []\n",
            ),
            ('    write_json(metrics, run_metrics(record) | {"figures_not_drawn": figures.skipped})\n', ""),
        ),
    ),
    Operator(
        "metrics-in-one-folder",
        "All runs write the same metrics.json: the last one stays.",
        ("GL831", "GL808"),
        swap(
            _EVALUATE,
            ("export_run(run_id, record, results / run_id)]", "export_run(run_id, record, results)]"),
        ),
    ),
    Operator(
        "no-aggregated-file",
        "comparison/aggregated_metrics.json is not written.",
        ("GL810",),
        either(
            swap(
                _EVALUATE,
                (
                    '        write_json(folder / "aggregated_metrics.json", aggregated),\n',
                    '        write_json(folder / "summary.json", aggregated),\n',
                ),
            ),
            swap(
                _EVALUATE,
                (
                    'folder / "aggregated_metrics.json", folder / "significance.json"',
                    'folder / "totals.json", folder / "significance.json"',
                ),
            ),
        ),
    ),
    Operator(
        "no-gap",
        "aggregated_metrics.json has no gap.",
        ("GL811",),
        swap(_EVALUATE, ('        "gap": gap_in_percent(proposed["value"], baseline["value"]),\n', "")),
    ),
    Operator(
        "no-primary-metric",
        "aggregated_metrics.json does not say what the primary metric is.",
        ("GL811",),
        swap(_EVALUATE, ('        "primary_metric": title,\n', "")),
    ),
    Operator(
        "no-best-baseline",
        "aggregated_metrics.json does not name the best baseline.",
        ("GL811",),
        swap(_EVALUATE, ('        "best_baseline": baseline,\n', "")),
    ),
    Operator(
        "no-significance-test",
        "Two numbers are compared and no test says whether the difference is more than noise.",
        ("GL829",),
        chain(
            swap(_EVALUATE, ("from itertools import product\n", "")),
            swap(
                _EVALUATE,
                (
                    '        write_json(folder / "significance.json", {"test": "exact McNemar, Holm", '
                    '"pairs": significance(records)}),\n',
                    "",
                ),
            ),
            swap(_EVALUATE, ("from scipy.stats import binomtest\n", "")),
            lambda files: {
                **files,
                _EVALUATE: files[_EVALUATE][: files[_EVALUATE].index("def mcnemar(")]
                + files[_EVALUATE][files[_EVALUATE].index("def draw_bars(") :],
            },
        ),
    ),
    Operator(
        "no-bar-chart",
        "No figure compares the runs.",
        ("GL828",),
        chain(
            swap(_EVALUATE, (_BARS, "")),
            swap(_EVALUATE, ('        draw_curves(records, folder / "comparison_dev_exact_match_curves.pdf"),\n', "")),
            swap(_EVALUATE, ('        draw_step_times(records, folder / "comparison_step_time_box_plot.pdf"),\n', "")),
            lambda files: {
                **files,
                _EVALUATE: files[_EVALUATE][: files[_EVALUATE].index("def draw_bars(")]
                + files[_EVALUATE][files[_EVALUATE].index("def compare(") :],
            },
        ),
    ),
    Operator(
        "no-table",
        "No table of the metrics is written.",
        ("GL830",),
        chain(
            swap(
                _EVALUATE,
                (
                    "    table = pd.DataFrame(metrics)\n"
                    '    table.index.name = "run_id"\n'
                    '    table.to_csv(folder / "comparison_metrics_table.csv")\n'
                    "    print(table.T.to_string())\n",
                    "",
                ),
            ),
            swap(_EVALUATE, ('        folder / "comparison_metrics_table.csv",\n', "")),
        ),
    ),
    Operator(
        "no-legend",
        "A figure with one line for each run has no legend.",
        ("GL836",),
        swap(
            _EVALUATE,
            (
                '    axes.set_ylabel("exact match, development")\n    axes.legend()\n',
                '    axes.set_ylabel("exact match, development")\n',
            ),
        ),
    ),
    Operator(
        "bars-without-values",
        "The bars of the comparison carry no values.",
        ("GL837",),
        swap(
            _EVALUATE,
            (
                '        bars = axes.bar(run_id, value, label=run_id)\n        axes.bar_label(bars, fmt="%.3f")\n',
                "        axes.bar(run_id, value, label=run_id)\n",
            ),
        ),
    ),
    Operator(
        "no-tight-layout",
        "Figures are saved without a tight layout: labels are cut off.",
        ("GL839",),
        swap(_EVALUATE, ("    figure.tight_layout()\n", "")),
    ),
    Operator(
        "figure-name-without-the-run",
        "Figures of all runs have one name.",
        ("GL831",),
        swap(_EVALUATE, ('folder / f"{run_id}_{key}_learning_curve.pdf"', 'folder / f"{key}_learning_curve.pdf"')),
    ),
    Operator(
        "comparison-figure-without-prefix",
        "A figure of the comparison does not begin with comparison_.",
        ("GL831",),
        swap(_EVALUATE, (_BARS, _BARS.replace("comparison_exact", "exact"))),
    ),
    Operator(
        "training-draws",
        "train.py draws a figure.",
        ("GL833",),
        chain(
            swap(_TRAIN, ("import optuna\n", "import matplotlib.pyplot as plt\nimport optuna\n")),
            swap(
                _TRAIN,
                (
                    "    run.finish()\n",
                    '    plt.plot([row["correct"] for row in outcomes])\n'
                    '    plt.savefig(folder / "correct.pdf")\n'
                    "    run.finish()\n",
                ),
            ),
        ),
    ),
    Operator(
        "main-evaluates",
        "main.py calls the evaluation after the training.",
        ("GL834",),
        chain(
            swap(
                _MAIN,
                (
                    "    configure_mode(cfg)\n    train(cfg)\n",
                    "    configure_mode(cfg)\n"
                    "    train(cfg)\n"
                    '    evaluate([f"results_dir={cfg.results_dir}", f\'run_ids=["{cfg.run_id}"]\'])\n',
                ),
            ),
            swap(
                _MAIN,
                (
                    "from src.train import train\n",
                    "from src.evaluate import main as evaluate\nfrom src.train import train\n",
                ),
            ),
        ),
    ),
    Operator(
        "evaluation-imports-training",
        "evaluate.py imports train.py and cannot run without all that training needs.",
        ("GL835",),
        chain(
            swap(
                _EVALUATE,
                (
                    "from scipy.stats import binomtest\n",
                    "from scipy.stats import binomtest\n\nfrom src.train import exact_match\n",
                ),
            ),
            swap(
                _EVALUATE,
                (
                    '        "confusion_matrix": NO_CONFUSION_MATRIX,\n',
                    '        "confusion_matrix": NO_CONFUSION_MATRIX,\n'
                    '        "recomputed": exact_match([{"correct": right} for right in '
                    'record["outcomes"].values()]),\n',
                ),
            ),
        ),
    ),
    Operator(
        "local-files-for-the-tracker",
        "Results are read from files of the training, not from W&B.",
        ("GL827",),
        chain(
            swap(
                _EVALUATE,
                (
                    "    run = api.run(name)\n    folder.mkdir(parents=True, exist_ok=True)\n"
                    '    with run.file("outcomes.jsonl").download(root=str(folder), replace=True) as stream:\n'
                    "        outcomes = [json.loads(line) for line in stream]\n",
                    "    outcomes = [json.loads(line) for line in (folder / "
                    '"outcomes.jsonl").read_text(encoding="utf-8").splitlines()]\n',
                ),
            ),
            swap(
                _EVALUATE, ("        " + _HISTORY + "\n", '        "history": pd.read_csv(folder / "history.csv"),\n')
            ),
            swap(
                _EVALUATE,
                (
                    '{key: value for key, value in run.summary._json_dict.items() if not key.startswith("_")}',
                    'json.loads((folder / "summary.json").read_text(encoding="utf-8"))',
                ),
            ),
            swap(
                _EVALUATE,
                (
                    '        "config": dict(run.config),\n',
                    '        "config": json.loads((folder / "config.json").read_text(encoding="utf-8")),\n',
                ),
            ),
            swap(_EVALUATE, ("    api = wandb.Api()\n", "")),
            swap(
                _EVALUATE,
                (
                    '        run_id: read_run(api, f"{place.entity}/{place.project}/{run_id}", results / '
                    "run_id) for run_id in run_ids\n",
                    '        run_id: read_run(f"{place.entity}/{place.project}/{run_id}", results / '
                    "run_id) for run_id in run_ids\n",
                ),
            ),
            swap(_EVALUATE, ("def read_run(api: wandb.Api, name: str,", "def read_run(name: str,")),
            swap(_EVALUATE, ("import wandb\n", "")),
        ),
    ),
)
