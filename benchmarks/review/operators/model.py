"""Criterion 4, model and optimisation: methods that do not train, or do not train what they say."""

from __future__ import annotations

from benchmarks.review.operators._operator import Operator, chain, either, swap, swap_in_run

_TRAIN, _MODEL, _PREPROCESS = "src/train.py", "src/model.py", "src/preprocess.py"

# A learned multiplier of the learning rate, correct as it stands; operators break it.

OPERATORS = (
    Operator(
        "gradients-never-cleared",
        "No step clears the gradients: every step uses the sum of all that were before.",
        ("GL408",),
        swap(_TRAIN, ("    optimizer.zero_grad(set_to_none=True)\n", "")),
    ),
    Operator(
        "gradients-cleared-before-the-step",
        "Gradients are cleared between backward and step: the optimiser has nothing to do.",
        ("GL409",),
        swap(
            _TRAIN,
            (
                "    optimizer.step()\n    optimizer.zero_grad(set_to_none=True)\n",
                "    optimizer.zero_grad(set_to_none=True)\n    optimizer.step()\n",
            ),
        ),
    ),
    Operator(
        "no-backward",
        "The loss is never propagated back.",
        ("GL433",),
        either(
            swap(_TRAIN, ("        loss.backward()\n        total += loss.item()\n", "        total += loss.item()\n")),
        ),
    ),
    Operator(
        "no-optimiser-step",
        "The optimiser is made and never steps.",
        ("GL434",),
        swap(_TRAIN, ("    optimizer.step()\n", "")),
        seen_at=(_TRAIN,),
    ),
    Operator(
        "loss-kept-with-its-graph",
        "Losses are added up as tensors: the graph of every micro-batch stays in memory.",
        ("GL424",),
        swap(_TRAIN, ("        total += loss.item()\n", "        total += loss\n")),
    ),
    Operator(
        "model-not-moved",
        "The model stays on the CPU while its inputs are on the device.",
        ("GL402",),
        swap(_MODEL, ("    return model.to(device), tokenizer", "    return model, tokenizer")),
        seen_at=(_TRAIN,),
    ),
    Operator(
        "optimiser-before-the-adapters",
        "The optimiser is given the parameters of the base model before the adapters exist.",
        ("GL412",),
        chain(
            swap(
                _MODEL,
                (
                    "    model = get_peft_model(base, lora)\n",
                    "    optimizer = torch.optim.AdamW(base.parameters(), lr=2e-4)\n"
                    "    model = get_peft_model(base, lora)\n",
                ),
            ),
            swap(
                _MODEL, ("    return model.to(device), tokenizer", "    return model.to(device), tokenizer, optimizer")
            ),
            swap(
                _MODEL,
                (
                    ") -> tuple[PeftModel, PreTrainedTokenizerBase]:\n"
                    '    """Return the adapted model on its device and its tokenizer;',
                    ") -> tuple[PeftModel, PreTrainedTokenizerBase, torch.optim.Optimizer]:\n"
                    '    """Return the adapted model, its tokenizer and optimiser;',
                ),
            ),
            swap(_TRAIN, ("    model, tokenizer = build_model(", "    model, tokenizer, optimizer = build_model(")),
            swap(
                _TRAIN,
                (
                    "    optimizer = torch.optim.AdamW(\n"
                    "        [parameter for parameter in model.parameters() if parameter.requires_grad],\n"
                    "        lr=cfg.training.optimizer.lr_init,\n        betas=tuple(cfg.training.optimizer.betas),\n"
                    "        weight_decay=cfg.training.optimizer.weight_decay,\n    )\n",
                    "",
                ),
            ),
        ),
    ),
    Operator(
        "left-in-evaluation-mode",
        "The model is set to evaluation mode for its answers and never back: dropout is off from then on.",
        ("GL416",),
        chain(
            swap(_MODEL, ("    model.train(was_training)\n", "")),
            swap(_MODEL, ("    was_training = model.training\n", "")),
            swap(_TRAIN, ("    model.train()\n", "")),
        ),
        seen_at=(_TRAIN,),
    ),
    Operator(
        "device-map-and-move",
        "The model is spread by device_map and then moved as a whole.",
        ("GL419",),
        swap(
            _MODEL,
            (
                "cache_dir=cache, dtype=DTYPES[section.dtype])\n",
                'cache_dir=cache, dtype=DTYPES[section.dtype], device_map="auto")\n',
            ),
        ),
        seen_at=("pyproject.toml", _MODEL),
    ),
    Operator(
        "trust-remote-code",
        "Code of the hub is executed for a model that transformers has itself.",
        ("GL420",),
        swap(
            _MODEL,
            (
                "AutoTokenizer.from_pretrained(section.name, cache_dir=cache)",
                "AutoTokenizer.from_pretrained(section.name, cache_dir=cache, trust_remote_code=True)",
            ),
        ),
    ),
    Operator(
        "adapters-without-the-gate",
        "Adapters are said to be on all MLP projections, and gate_proj is missing.",
        ("GL421",),
        swap(_MODEL, ('"o_proj", "gate_proj", "up_proj"', '"o_proj", "up_proj"')),
    ),
    Operator(
        "no-seed",
        "No seed is set anywhere: no two runs of the same command are comparable.",
        ("GL425",),
        either(
            chain(
                swap(_TRAIN, ("    set_seed(cfg.seed)\n", "")),
                swap(_TRAIN, ("import PreTrainedTokenizerBase, set_seed\n", "import PreTrainedTokenizerBase\n")),
                swap(_TRAIN, ("        generator=torch.Generator().manual_seed(cfg.seed),\n", "")),
                swap(_TRAIN, ("TPESampler(seed=cfg.seed)", "TPESampler()")),
                swap(_PREPROCESS, (", generator=torch.Generator().manual_seed(dataset.split_seed)", "")),
            ),
        ),
    ),
    Operator(
        "softmax-before-cross-entropy",
        "Cross-entropy, which takes logits, is given probabilities.",
        ("GL413",),
        either(
            swap(
                _MODEL,
                (
                    'cross_entropy(logits.float(), targets[counted], reduction="none")',
                    'cross_entropy(logits.float().softmax(-1), targets[counted], reduction="none")',
                ),
            ),
            chain(
                swap(
                    _TRAIN,
                    (
                        "        loss = output.loss * (answer_tokens(batch) / counted)\n",
                        "        probabilities = torch.softmax(output.logits[:, :-1].float(), dim=-1)\n"
                        "        loss = torch.nn.functional.cross_entropy(probabilities.flatten(0, 1), "
                        'inputs["labels"][:, 1:].flatten())\n',
                    ),
                ),
            ),
        ),
    ),
    Operator(
        "method-without-a-branch",
        "A run names a schedule that no branch of the code implements.",
        ("GL429",),
        swap_in_run(("    type: trapezoid\n", "    type: wsd\n")),
        seen_at=(_MODEL,),
    ),
    Operator(
        "model-of-the-run-ignored",
        "The model's id is written into the code; the run's is ignored.",
        ("GL715",),
        chain(
            swap(
                _MODEL,
                ("AutoTokenizer.from_pretrained(section.name,", 'AutoTokenizer.from_pretrained("Qwen/Qwen3-0.6B",'),
            ),
            swap(
                _MODEL,
                (
                    "AutoModelForCausalLM.from_pretrained(section.name,",
                    'AutoModelForCausalLM.from_pretrained("Qwen/Qwen3-0.6B",',
                ),
            ),
        ),
        seen_at=(
            "config/config.yaml",
            "config/runs/proposed-iter1-Qwen3-0.6B-gsm8k.yaml",
            "config/runs/comparative-1-iter1-Qwen3-0.6B-gsm8k.yaml",
        ),
    ),
    Operator(
        "scheduler-never-stepped",
        "A learning-rate scheduler of PyTorch is made and logged, and never stepped.",
        ("GL410",),
        chain(
            swap(
                _TRAIN,
                (
                    "    schedule = make_schedule(cfg.training.scheduler)\n",
                    "    schedule = make_schedule(cfg.training.scheduler)\n"
                    "    decay = torch.optim.lr_scheduler.StepLR(optimizer, step_size=100)\n",
                ),
            ),
            swap(
                _TRAIN,
                (
                    '                "learning_rate": learning_rate,\n',
                    '                "learning_rate": learning_rate,\n'
                    '                "decayed": decay.get_last_lr()[0],\n',
                ),
            ),
        ),
    ),
)
