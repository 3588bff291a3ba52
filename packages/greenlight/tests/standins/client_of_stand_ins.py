"""What an experiment does with models and data sets of the hub; prints one line of JSON."""

from __future__ import annotations

import json
from typing import Any

import torch
from datasets import load_dataset
from transformers import (
    AutoImageProcessor,
    AutoModelForCausalLM,
    AutoModelForImageClassification,
    AutoModelForSeq2SeqLM,
    AutoModelForSequenceClassification,
    AutoTokenizer,
)

seen: dict[str, Any] = {}

for name, loader in (
    ("Qwen/Qwen3-0.6B", AutoModelForCausalLM),
    ("meta-llama/Llama-2-7b-hf", AutoModelForCausalLM),
    ("gpt2", AutoModelForCausalLM),
    ("t5-small", AutoModelForSeq2SeqLM),
):
    tokenizer = AutoTokenizer.from_pretrained(name)
    model = loader.from_pretrained(name)
    prompt = tokenizer("How many apples does Ada have?", return_tensors="pt")
    given = prompt["input_ids"].shape[1] if loader is AutoModelForCausalLM else 1
    written = model.generate(**prompt, do_sample=False, min_new_tokens=4, max_new_tokens=4)
    seen[f"generate {name}"] = [type(model).__name__, written.shape[1] - given, bool(model.config.greenlight_stand_in)]

for name in ("bert-base-uncased", "distilbert-base-uncased"):
    tokenizer = AutoTokenizer.from_pretrained(name)
    model = AutoModelForSequenceClassification.from_pretrained(name, num_labels=3)
    batch = tokenizer(["good", "a much longer and rather dull film"], padding=True, return_tensors="pt")
    output = model(**batch, labels=torch.tensor([0, 2]))
    output.loss.backward()
    seen[f"classify {name}"] = [list(output.logits.shape), bool(torch.isfinite(output.loss))]

gsm8k = load_dataset("openai/gsm8k", "main")
seen["gsm8k"] = {split: [len(rows), rows.column_names] for split, rows in gsm8k.items()}
seen["gsm8k answers"] = [row["answer"].split("#### ")[1] for row in gsm8k["train"]]
try:
    load_dataset("openai/gsm8k")
except ValueError as error:
    seen["gsm8k without a name"] = str(error)
try:
    load_dataset("openai/gsm8k", "main", split="validation")
except ValueError as error:
    seen["gsm8k validation"] = str(error)
sst2 = load_dataset("nyu-mll/glue", "sst2")
seen["sst2"] = [sst2["train"].features["label"].names, sorted(sst2), sst2["test"][0]["label"]]
stream = load_dataset("stanfordnlp/imdb", split="train", streaming=True)
first = next(iter(stream))
seen["imdb stream"] = [sorted(first), list(stream.features)]
squad = load_dataset("rajpurkar/squad_v2", split="validation")
seen["squad"] = [
    row["context"][start : start + len(text)] == text
    for row in squad
    for text, start in zip(row["answers"]["text"], row["answers"]["answer_start"], strict=True)
]
seen["squad without answer"] = sum(not row["answers"]["text"] for row in squad)
unknown = load_dataset("acme/unknown")
seen["unknown"] = {name: str(kind.dtype) for name, kind in unknown["train"].features.items()}

pictures = load_dataset("uoft-cs/cifar10", split="test")
image = pictures[0]["img"]
seen["cifar10"] = [image.mode, list(image.size), pictures.features["label"].names[:2]]
for name in ("google/vit-base-patch16-224", "microsoft/resnet-18"):
    processor = AutoImageProcessor.from_pretrained(name)
    model = AutoModelForImageClassification.from_pretrained(name, num_labels=10, ignore_mismatched_sizes=True)
    with torch.no_grad():
        logits = model(**processor(image, return_tensors="pt")).logits
    seen[f"look {name}"] = [list(logits.shape), bool(torch.isfinite(logits).all())]

print(json.dumps(seen))
