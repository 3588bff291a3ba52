"""Criterion 3, the data pipeline: the wrong rows, the wrong tokens, the wrong masks."""

from __future__ import annotations

from benchmarks.review.operators._operator import Operator, chain, either, swap, swap_in_run

_TRAIN, _MODEL, _CONFIG = "src/train.py", "src/model.py", "config/config.yaml"
_PREPROCESS = "src/preprocess.py"

OPERATORS = (
    Operator(
        "mask-padded-with-pad-id",
        "The attention mask is padded with the tokenizer's pad id: padding is attended to.",
        ("GL307",),
        swap(
            _PREPROCESS,
            (
                "    attention_mask = torch.zeros((len(rows), width), dtype=torch.long)\n"
                "    for index, row in enumerate(rows):\n"
                "        length",
                "    attention_mask = torch.full((len(rows), width), pad_id, dtype=torch.long)\n"
                "    for index, row in enumerate(rows):\n"
                "        length",
            ),
            (
                "    attention_mask = torch.zeros((len(rows), width), dtype=torch.long)\n",
                "    attention_mask = torch.full((len(rows), width), pad_id)\n",
            ),
        ),
    ),
    Operator(
        "labels-of-the-prompt",
        "The prompt's tokens are labels too: half of the loss is about the question.",
        ("GL308",),
        either(
            swap(_PREPROCESS, ('"labels": [IGNORED] * len(prompt) + answer}', '"labels": prompt + answer}')),
            swap(
                _PREPROCESS,
                (
                    "        labels[index, row.prompt_tokens : len(ids)] = ids[row.prompt_tokens :]\n",
                    "        labels[index, : len(ids)] = ids\n",
                ),
            ),
        ),
    ),
    Operator(
        "labels-copied-and-padded",
        "Labels are a copy of the input ids, padding included: the loss counts prompt and padding.",
        ("GL308",),
        either(
            chain(
                swap(_PREPROCESS, ("    labels = torch.full((len(rows), width), IGNORED, dtype=torch.long)\n", "")),
                swap(_PREPROCESS, ('        labels[index, :length] = torch.tensor(row["labels"])\n', "")),
                swap(
                    _PREPROCESS,
                    (
                        '"attention_mask": attention_mask, "labels": labels}',
                        '"attention_mask": attention_mask, "labels": input_ids.clone()}',
                    ),
                ),
            ),
            chain(
                swap(_PREPROCESS, ("    labels = torch.full((len(rows), width), IGNORED)\n", "")),
                swap(
                    _PREPROCESS,
                    ("        labels[index, row.prompt_tokens : len(ids)] = ids[row.prompt_tokens :]\n", ""),
                ),
                swap(
                    _PREPROCESS,
                    (
                        "    return Batch(input_ids, attention_mask, labels)\n",
                        "    return Batch(input_ids, attention_mask, input_ids.clone())\n",
                    ),
                ),
            ),
        ),
    ),
    Operator(
        "labels-padded-with-pad-id",
        "Labels are padded with the pad id, so the model learns to write padding.",
        ("GL308",),
        swap(
            _PREPROCESS,
            (
                "    labels = torch.full((len(rows), width), IGNORED, dtype=torch.long)\n",
                "    labels = torch.full((len(rows), width), pad_id, dtype=torch.long)\n",
            ),
            (
                "    labels = torch.full((len(rows), width), IGNORED)\n",
                "    labels = torch.full((len(rows), width), pad_id)\n",
            ),
        ),
    ),
    Operator(
        "prompts-padded-on-the-right",
        "Prompts are padded on the right before generate: the model goes on after padding.",
        ("GL309",),
        either(
            swap(_PREPROCESS, ('    tokenizer.padding_side = "left"\n', '    tokenizer.padding_side = "right"\n')),
            chain(
                swap(
                    _PREPROCESS,
                    (
                        "        input_ids[index, width - len(row) :] = torch.tensor(row)\n",
                        "        input_ids[index, : len(row)] = torch.tensor(row)\n",
                    ),
                ),
                swap(
                    _PREPROCESS,
                    (
                        "        attention_mask[index, width - len(row) :] = 1\n",
                        "        attention_mask[index, : len(row)] = 1\n",
                    ),
                ),
            ),
        ),
    ),
    Operator(
        "padding-side-not-set",
        "The side of the padding is left at the tokenizer's default, which is the right for most of them.",
        ("GL309",),
        swap(_PREPROCESS, ('    tokenizer.padding_side = "left"\n', "")),
        seen_at=(_MODEL,),
    ),
    Operator(
        "batch-key-that-nothing-makes",
        "A key of the batch is read that no step of the pipeline puts there.",
        ("GL304",),
        swap(
            _TRAIN,
            (
                'attention_mask=inputs["attention_mask"], labels=inputs["labels"]',
                'attention_mask=inputs["prompt_mask"], labels=inputs["labels"]',
            ),
        ),
    ),
    Operator(
        "batch-key-no-longer-made",
        "The collate function drops a key that the training step reads.",
        ("GL304",),
        swap(
            _PREPROCESS,
            (
                '    return {"input_ids": input_ids, "attention_mask": attention_mask, "labels": labels}',
                '    return {"input_ids": input_ids, "attention_mask": attention_mask}',
            ),
        ),
        seen_at=(_TRAIN,),
    ),
    Operator(
        "no-shuffling",
        "The training loader keeps the order of the file in every epoch.",
        ("GL310",),
        chain(
            swap(_TRAIN, ("        shuffle=True,\n", "        shuffle=False,\n")),
            swap(
                _PREPROCESS,
                (
                    "    order = torch.randperm(len(questions), "
                    "generator=torch.Generator().manual_seed(dataset.split_seed)).tolist()\n",
                    "    order = list(range(len(questions)))\n",
                ),
            ),
        ),
        seen_at=(_TRAIN,),
    ),
    Operator(
        "no-end-of-text",
        "No training target ends in the end-of-text token, so the model never learns to stop.",
        ("GL326",),
        either(
            swap(
                _PREPROCESS,
                (
                    "answer = [*tokenizer(question.completion, add_special_tokens=False).input_ids, "
                    "tokenizer.eos_token_id]",
                    "answer = tokenizer(question.completion, add_special_tokens=False).input_ids",
                ),
            ),
            swap(
                _PREPROCESS,
                (
                    "Encoded((*before, *after, tokenizer.eos_token_id), len(before))",
                    "Encoded((*before, *after), len(before))",
                ),
            ),
        ),
    ),
    Operator(
        "reported-split-is-trained-on",
        "The split that is reported is the one that is trained on.",
        ("GL316",),
        swap(
            _CONFIG,
            ("  eval_split: test      # the reported split; dev", "  eval_split: train     # the reported split; dev"),
        ),
        seen_at=(_PREPROCESS, _TRAIN, "config/runs/proposed-iter1-Qwen3-0.6B-gsm8k.yaml"),
    ),
    Operator(
        "tensor-of-tensors",
        "torch.tensor is called on a list of tensors of different lengths.",
        ("GL306",),
        either(
            swap(
                _PREPROCESS,
                (
                    "    labels = torch.full((len(rows), width), IGNORED, dtype=torch.long)\n    attention",
                    '    labels = torch.tensor([torch.LongTensor(row["labels"]) for row in rows])\n    attention',
                ),
            ),
            swap(
                _PREPROCESS,
                (
                    "    input_ids = torch.full((len(rows), width), pad_id)\n",
                    "    input_ids = torch.tensor([torch.LongTensor(row.ids) for row in rows])\n",
                ),
            ),
        ),
    ),
    Operator(
        "no-pad-token",
        "The tokenizer is asked to pad, and nothing gives it a pad token where it has none.",
        ("GL313",),
        chain(
            swap(
                _MODEL,
                ("    if tokenizer.pad_token_id is None:\n        tokenizer.pad_token = tokenizer.eos_token\n", ""),
            ),
            swap_in_run(("  name: Qwen/Qwen3-0.6B\n", "  name: openai-community/gpt2\n")),
        ),
        seen_at=(_PREPROCESS,),
    ),
    Operator(
        "split-without-a-seed",
        "The development questions are drawn anew in every run: questions of one run are training data of the other.",
        ("GL425",),
        chain(
            swap(
                _PREPROCESS,
                (
                    "torch.randperm(len(questions), generator=torch.Generator().manual_seed(dataset.split_seed))",
                    "torch.randperm(len(questions))",
                ),
            ),
            swap(_TRAIN, ("    set_seed(cfg.seed)\n", "")),
            swap(_TRAIN, ("        generator=torch.Generator().manual_seed(cfg.seed),\n", "")),
            swap(
                _TRAIN,
                (
                    "from transformers import PreTrainedTokenizerBase, set_seed\n",
                    "from transformers import PreTrainedTokenizerBase\n",
                ),
            ),
        ),
    ),
)
