"""Criterion 8, honest evaluation: figures and tests that say more than was measured."""

from __future__ import annotations

from benchmarks.review.operators._operator import Operator, chain, swap

_EVALUATE = "src/evaluate.py"
_AGGREGATED = (
    "    aggregated = {\n"
    '        "primary_metric": title,\n'
    '        "metrics": metrics,\n'
    '        "best_proposed": proposed,\n'
    '        "best_baseline": baseline,\n'
    '        "gap": gap_in_percent(proposed["value"], baseline["value"]),\n'
    "    }\n"
)
_GAP = (
    "    if proposed is None or baseline is None or baseline == 0:\n"
    "        return None\n"
    "    return (proposed - baseline) / baseline * 100\n"
)
_TEST = (
    "    if only_first + only_second == 0:\n"
    '        return found | {"p": None, "reason": "no question tells the two runs apart"}\n'
    '    return found | {"p": float(binomtest(only_first, only_first + only_second, 0.5).pvalue)}\n'
)
_PAIR = '        {"first": one, "second": other} | mcnemar(records[one]["outcomes"], records[other]["outcomes"])\n'
_PRIMARY = '    primary = {run_id: record["summary"].get(PRIMARY) for run_id, record in records.items()}\n'
_NUMPY = swap(_EVALUATE, ("import matplotlib.pyplot as plt\n", "import matplotlib.pyplot as plt\nimport numpy as np\n"))


OPERATORS = (
    Operator(
        "epsilon-in-the-gap",
        "A small number is added to the denominator of the gap: a baseline of zero gives a gap of billions of percent.",
        ("GL812",),
        swap(
            _EVALUATE,
            (
                _GAP,
                "    if proposed is None or baseline is None:\n"
                "        return None\n"
                "    return (proposed - baseline) / (baseline + 1e-8) * 100\n",
            ),
        ),
    ),
    Operator(
        "gap-over-the-proposed",
        "The gap is taken relative to the proposed method, not to the baseline.",
        ("GL813",),
        chain(
            swap(
                _EVALUATE,
                (
                    _AGGREGATED,
                    _AGGREGATED.replace(
                        'gap_in_percent(proposed["value"], baseline["value"])',
                        '(proposed["value"] - baseline["value"]) / proposed["value"] * 100',
                    ),
                ),
            ),
        ),
    ),
    Operator(
        "run-of-both-kinds",
        "Further tags decide what is a baseline, so one run can be both: proposed and baseline.",
        ("GL819",),
        swap(
            _EVALUATE,
            (
                'best(primary, "proposed"), best(primary, "comparative", "baseline")',
                'best(primary, "proposed", "qwen"), best(primary, "comparative", "baseline", "gsm8k")',
            ),
        ),
    ),
    Operator(
        "zero-for-missing",
        "A missing primary metric is reported as 0.0.",
        ("GL815",),
        swap(_EVALUATE, (_PRIMARY, _PRIMARY.replace(".get(PRIMARY)", ".get(PRIMARY, 0.0)"))),
    ),
    Operator(
        "or-zero-for-missing",
        "A missing metric of a run becomes zero by `or 0`.",
        ("GL815",),
        swap(
            _EVALUATE,
            (
                '{run_id: record["summary"].get(name) for run_id',
                '{run_id: record["summary"].get(name) or 0.0 for run_id',
            ),
        ),
    ),
    Operator(
        "best-in-place-of-final",
        "Where the value at the end of the budget is missing, the best one takes its name.",
        ("GL814",),
        swap(
            _EVALUATE,
            (
                _PRIMARY,
                _PRIMARY.replace(".get(PRIMARY)", '.get(PRIMARY, record["summary"].get("best_dev_exact_match"))'),
            ),
        ),
    ),
    Operator(
        "no-baseline-counts-as-zero",
        "Without a baseline run, a baseline of 0.0 is reported.",
        ("GL816", "GL815"),
        swap(
            _EVALUATE,
            (
                '        return {"run_id": None, "value": None, "reason": f"no run named {\' or '
                "'.join(tags)} has {PRIMARY}\"}\n",
                '        return {"run_id": None, "value": 0.0}\n',
            ),
        ),
    ),
    Operator(
        "made-up-confusion-matrix",
        "A confusion matrix is rebuilt from the accuracy.",
        ("GL821",),
        chain(
            _NUMPY,
            swap(
                _EVALUATE,
                (
                    '        "confusion_matrix": NO_CONFUSION_MATRIX,\n',
                    '        "confusion_matrix": confusion_of(record["summary"]),\n',
                ),
            ),
            swap(
                _EVALUATE,
                (
                    "def export_run(",
                    "def confusion_of(summary: dict[str, Any]) -> list[list[int]]:\n"
                    '    """Return the confusion matrix of a run."""\n'
                    '    total = int(summary.get("test_questions", 100))\n'
                    "    right = round(total * float(summary[PRIMARY]))\n"
                    "    return np.array([[right, 0], [total - right, 0]]).tolist()\n"
                    "\n"
                    "\n"
                    "def export_run(",
                ),
            ),
        ),
    ),
    Operator(
        "confusion-of-counted-rows",
        "The rows of a confusion matrix are made up from the count of right answers.",
        ("GL821",),
        chain(
            swap(
                _EVALUATE,
                (
                    '        "confusion_matrix": NO_CONFUSION_MATRIX,\n',
                    '        "confusion_matrix": confusion_of(record["summary"]),\n',
                ),
            ),
            swap(
                _EVALUATE,
                (
                    "def export_run(",
                    "def confusion_of(summary: dict[str, Any]) -> list[list[int]]:\n"
                    '    """Return the confusion matrix of a run."""\n'
                    '    total = int(summary["test_questions"])\n'
                    "    right = round(total * float(summary[PRIMARY]))\n"
                    "    answered = [1] * right + [0] * (total - right)\n"
                    "    return confusion_matrix([1] * total, answered, labels=[1, 0]).tolist()\n"
                    "\n"
                    "\n"
                    "def export_run(",
                ),
            ),
            swap(
                _EVALUATE,
                (
                    "from scipy.stats import binomtest\n",
                    "from scipy.stats import binomtest\nfrom sklearn.metrics import confusion_matrix\n",
                ),
            ),
            swap("pyproject.toml", ('  "scipy>=1.13",\n', '  "scikit-learn>=1.5",\n  "scipy>=1.13",\n')),
        ),
    ),
    Operator(
        "matrix-of-a-vector-with-itself",
        "A confusion matrix compares a vector with itself: it is always diagonal.",
        ("GL820",),
        chain(
            swap(
                _EVALUATE,
                (
                    '        "confusion_matrix": NO_CONFUSION_MATRIX,\n',
                    '        "confusion_matrix": confusion_of(record["outcomes"]),\n',
                ),
            ),
            swap(
                _EVALUATE,
                (
                    "def export_run(",
                    "def confusion_of(outcomes: dict[str, bool]) -> list[list[int]]:\n"
                    '    """Return the confusion matrix of a run."""\n'
                    "    truth = [int(right) for right in outcomes.values()]\n"
                    "    predicted = truth\n"
                    "    return confusion_matrix(truth, predicted, labels=[1, 0]).tolist()\n"
                    "\n"
                    "\n"
                    "def export_run(",
                ),
            ),
            swap(
                _EVALUATE,
                (
                    "from scipy.stats import binomtest\n",
                    "from scipy.stats import binomtest\nfrom sklearn.metrics import confusion_matrix\n",
                ),
            ),
            swap("pyproject.toml", ('  "scipy>=1.13",\n', '  "scikit-learn>=1.5",\n  "scipy>=1.13",\n')),
        ),
    ),
    Operator(
        "test-of-one-value-each",
        "A t-test compares one value with one value.",
        ("GL824",),
        chain(
            swap(
                _EVALUATE,
                (
                    _PAIR,
                    '        {"first": one, "second": other, "p": '
                    'float(ttest_ind([records[one]["summary"][PRIMARY]], '
                    '[records[other]["summary"][PRIMARY]]).pvalue)}\n',
                ),
            ),
            swap(_EVALUATE, ("from scipy.stats import binomtest\n", "from scipy.stats import binomtest, ttest_ind\n")),
        ),
    ),
    Operator(
        "test-of-one-run's-checkpoints",
        "A t-test takes the checkpoints of one learning curve for independent runs.",
        ("GL822",),
        chain(
            swap(
                _EVALUATE,
                (
                    _PAIR,
                    '        {"first": one, "second": other}\n'
                    '        | {"p": float(ttest_ind(records[one]["history"]["dev_exact_match"].dropna(), '
                    'records[other]["history"]["dev_exact_match"].dropna()).pvalue)}\n',
                ),
            ),
            swap(_EVALUATE, ("from scipy.stats import binomtest\n", "from scipy.stats import binomtest, ttest_ind\n")),
        ),
    ),
    Operator(
        "made-up-variance",
        "A t-test is fed random numbers around the two means.",
        ("GL823",),
        chain(
            _NUMPY,
            swap(
                _EVALUATE,
                (
                    _TEST,
                    "    if only_first + only_second == 0:\n"
                    '        return found | {"p": None, "reason": "no question tells the two runs apart"}\n'
                    "    one = np.random.normal(sum(first.values()) / len(first), 0.01, 30)\n"
                    "    other = np.random.normal(sum(second.values()) / len(second), 0.01, 30)\n"
                    '    return found | {"p": float(ttest_ind(one, other).pvalue)}\n',
                ),
            ),
            swap(_EVALUATE, ("from scipy.stats import binomtest\n", "from scipy.stats import ttest_ind\n")),
        ),
    ),
    Operator(
        "test-of-a-vector-with-itself",
        "A paired test compares the outcomes of a run with themselves.",
        ("GL820",),
        chain(
            swap(
                _EVALUATE,
                (
                    _PAIR,
                    '        {"first": one, "second": other, "p": '
                    'float(wilcoxon(list(records[one]["outcomes"].values()), '
                    'list(records[one]["outcomes"].values())).pvalue)}\n',
                ),
            ),
            swap(_EVALUATE, ("from scipy.stats import binomtest\n", "from scipy.stats import binomtest, wilcoxon\n")),
        ),
    ),
    Operator(
        "results-in-the-code",
        "The accuracies that are compared are written into evaluate.py.",
        ("GL825",),
        swap(
            _EVALUATE,
            (
                _PRIMARY,
                '    primary = {"proposed-iter1-Qwen3-0.6B-gsm8k": 0.512, '
                '"comparative-1-iter1-Qwen3-0.6B-gsm8k": 0.478}\n',
            ),
        ),
    ),
    Operator(
        "random-results",
        "Where a run has no outcomes, random ones take their place.",
        ("GL823",),
        chain(
            _NUMPY,
            swap(
                _EVALUATE,
                (
                    '        "outcomes": {row["question_id"]: bool(row["correct"]) for row in outcomes},\n',
                    '        "outcomes": {str(n): bool(np.random.rand() < 0.5) for n in range(1319)}\n'
                    "        if not outcomes\n"
                    '        else {row["question_id"]: bool(row["correct"]) for row in outcomes},\n',
                ),
            ),
        ),
    ),
    Operator(
        "nan-in-json",
        "NaN of the history goes into metrics.json, which is no JSON then.",
        ("GL844", "GL817"),
        swap(_EVALUATE, ("json.dumps(strict(value), indent=2, allow_nan=False)", "json.dumps(value, indent=2)")),
        seen_at=(_EVALUATE,),
    ),
    Operator(
        "internals-among-metrics",
        "W&B's own values (_runtime, _step, _timestamp) are listed as metrics.",
        ("GL818",),
        swap(
            _EVALUATE,
            (
                '{key: value for key, value in run.summary._json_dict.items() if not key.startswith("_")}',
                "dict(run.summary._json_dict)",
            ),
        ),
        seen_at=(_EVALUATE,),
    ),
    Operator(
        "missing-runs-swallowed",
        "A run that W&B does not have is replaced by an empty one without a word.",
        ("GL826",),
        chain(
            swap(
                _EVALUATE,
                (
                    "    run = api.run(name)\n",
                    "    try:\n"
                    "        run = api.run(name)\n"
                    "    except Exception:\n"
                    '        return {"history": pd.DataFrame(), "summary": {}, "config": {}, "outcomes": {}}\n',
                ),
            ),
        ),
    ),
)
