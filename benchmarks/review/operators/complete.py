"""Criterion 1, complete implementation: code that is not all there."""

from __future__ import annotations

from benchmarks.review.operators._operator import Operator, append, either, swap, write

_TRAIN, _MODEL, _EVALUATE = "src/train.py", "src/model.py", "src/evaluate.py"
_PREPROCESS = "src/preprocess.py"

OPERATORS = (
    Operator(
        "syntax-error",
        "A bracket is not closed, so the file cannot be imported.",
        ("GL101",),
        swap(
            _MODEL,
            ("return model.to(device), tokenizer", "return (model.to(device), tokenizer"),
            ("return model.to(device()), tokenizer", "return (model.to(device()), tokenizer"),
        ),
    ),
    Operator(
        "nul-byte",
        "A NUL byte stands in the source, which Python refuses.",
        ("GL101",),
        append(_PREPROCESS, "\n# end\0\n"),
    ),
    Operator(
        "prose-in-code",
        "The file goes on in prose after its code ends.",
        ("GL101",),
        append(_TRAIN, "\nThe rest of the training stays as it was in the previous answer.\n"),
    ),
    Operator(
        "pass-body",
        "A function of the method has nothing but pass for a body.",
        ("GL102",),
        either(
            swap(
                _MODEL,
                (
                    "    if share < warmup:\n        return share / warmup\n"
                    "    turned = math.pi * (share - warmup) / (1.0 - warmup)\n"
                    "    return floor + (1.0 - floor) * 0.5 * (1.0 + math.cos(turned))\n",
                    "    pass\n",
                ),
            ),
            swap(
                _MODEL,
                (
                    "    return [parameter for parameter in model.parameters() if parameter.requires_grad]\n",
                    "    pass\n",
                ),
            ),
        ),
    ),
    Operator(
        "ellipsis-body",
        "A function has three dots for a body.",
        ("GL102",),
        either(
            swap(_TRAIN, ('    return int((batch["labels"][:, 1:] != IGNORED).sum())\n', "    ...\n")),
            swap(_PREPROCESS, ("        return int((self.labels[:, 1:] != IGNORED).sum())\n", "        ...\n")),
        ),
    ),
    Operator(
        "not-implemented",
        "A function that the evaluation needs only raises NotImplementedError.",
        ("GL102",),
        either(
            swap(
                _EVALUATE,
                (
                    "    if proposed is None or baseline is None or baseline == 0:\n        return None\n"
                    "    return (proposed - baseline) / baseline * 100\n",
                    "    raise NotImplementedError\n",
                ),
            ),
            swap(
                _MODEL,
                (
                    "    model.save_pretrained(str(folder), safe_serialization=True)\n",
                    "    raise NotImplementedError\n",
                ),
            ),
        ),
    ),
    Operator(
        "todo-comment",
        "A comment says that something is still to do.",
        ("GL103",),
        either(
            swap(
                _MODEL,
                (
                    "        model = get_peft_model(base, lora)\n",
                    "        # TODO: adapt the embeddings too\n        model = get_peft_model(base, lora)\n",
                ),
            ),
            swap(
                _MODEL,
                (
                    "    model = get_peft_model(base, lora)\n",
                    "    # TODO: adapt the embeddings too\n    model = get_peft_model(base, lora)\n",
                ),
            ),
        ),
    ),
    Operator(
        "omitted-for-brevity",
        "A comment says that code was left out.",
        ("GL103",),
        append(_PREPROCESS, "\n\n# ... remaining data sets omitted for brevity ...\n"),
    ),
    Operator(
        "unchanged-stub",
        "A whole file is replaced by the note that it has not changed.",
        ("GL103", "GL503"),
        write(_PREPROCESS, "# unchanged, see the previous version\n"),
    ),
    Operator(
        "simplified-version",
        "A docstring admits that the method is a simplified version of itself.",
        ("GL103",),
        either(
            swap(
                _MODEL,
                (
                    '"""Return the proposed multiplier at a share of the time: ',
                    '"""Simplified version of the proposed multiplier at a share of the time: ',
                ),
            ),
            swap(
                _MODEL,
                (
                    '"""Return the cross-entropy of every answer token',
                    '"""Simplified version: return the cross-entropy of every answer token',
                ),
            ),
        ),
    ),
    Operator(
        "placeholder-in-config",
        "A comment of the delivered configuration calls a section a placeholder.",
        ("GL103",),
        swap(
            "config/config.yaml",
            ("optuna:\n  n_trials: 0\n", "# Placeholder section, to be filled in later\noptuna:\n  n_trials: 0\n"),
        ),
    ),
    Operator(
        "unused-imports",
        "Modules are imported and never used.",
        ("GL106",),
        either(
            swap(_TRAIN, ("import json\n", "import json\nimport os\nimport subprocess\n")),
            swap(_TRAIN, ("import logging\n", "import logging\nimport os\nimport subprocess\n")),
        ),
    ),
    Operator(
        "dead-variable",
        "A counter is set and never used again.",
        ("GL107",),
        either(
            swap(
                _TRAIN,
                (
                    "    model.train()\n    step, epoch",
                    "    global_token_count = 0\n    model.train()\n    step, epoch",
                ),
            ),
            swap(
                _TRAIN,
                (
                    "        started, progress = time.monotonic(), self.progress\n",
                    "        started, progress = time.monotonic(), self.progress\n        global_token_count = 0\n",
                ),
            ),
        ),
    ),
    Operator(
        "swallowed-exception",
        "Every exception of a figure is swallowed without a word.",
        ("GL108",),
        either(
            swap(
                _EVALUATE,
                (
                    "        axes.legend()\n"
                    '        written.append(save(figure, folder / f"{run_id}_{key}_learning_curve.pdf"))\n',
                    "        axes.legend()\n"
                    "        try:\n"
                    '            written.append(save(figure, folder / f"{run_id}_{key}_learning_curve.pdf"))\n'
                    "        except Exception:\n            pass\n",
                ),
            ),
            swap(
                _EVALUATE,
                (
                    "    console.print(table.as_rich())\n",
                    "    try:\n        console.print(table.as_rich())\n    except Exception:\n        pass\n",
                ),
            ),
        ),
    ),
    Operator(
        "circular-import",
        "Two files import names from each other, so neither can be imported.",
        ("GL111",),
        either(
            swap(
                _PREPROCESS,
                (
                    "from transformers import PreTrainedTokenizerBase\n",
                    "from transformers import PreTrainedTokenizerBase\n"
                    "\n"
                    "from src.model import ADAPTED\n"
                    "\n"
                    "ADAPTED_COUNT = len(ADAPTED)\n",
                ),
            ),
        ),
    ),
    Operator(
        "unreachable-code",
        "Statements stand after a return of the same block.",
        ("GL116",),
        either(
            swap(
                _TRAIN,
                (
                    "    return dict(study.best_params)\n",
                    "    return dict(study.best_params)\n    study.trials_dataframe()\n",
                ),
            ),
            swap(
                _MODEL,
                (
                    "    model.train(was_training)\n    return result\n",
                    "    return result\n    model.train(was_training)\n",
                ),
            ),
        ),
    ),
)
