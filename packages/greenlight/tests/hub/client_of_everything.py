"""A client with transformers, datasets and huggingface_hub: prints what it saw as one line of JSON.

Arguments: the folder of the model that is served as acme/tiny, and a folder of trees to infer splits from.
"""

from __future__ import annotations

import hashlib
import json
import logging
import sys
from pathlib import Path
from typing import Any

import datasets
import torch
from datasets.data_files import DataFilesDict, get_data_patterns
from huggingface_hub import HfApi, snapshot_download
from safetensors.torch import load_file
from transformers import AutoConfig, AutoModelForCausalLM, AutoTokenizer

datasets.disable_progress_bars()
logging.getLogger("transformers").setLevel(logging.ERROR)
model_folder, trees = Path(sys.argv[1]), Path(sys.argv[2])
seen: dict[str, Any] = {}


def failure(function: Any, *arguments: Any, **options: Any) -> str:
    try:
        function(*arguments, **options)
    except Exception as error:  # noqa: BLE001 - the error is what is asked for
        return f"{type(error).__name__}: {error}"
    return "no error"


def sizes(*arguments: str) -> dict[str, int]:
    return {split: len(rows) for split, rows in datasets.load_dataset(*arguments).items()}


seen["hidden_size"] = AutoConfig.from_pretrained("acme/tiny").hidden_size
seen["tokens"] = AutoTokenizer.from_pretrained("acme/tiny")("1 + 2 ####")["input_ids"]
model, loading = AutoModelForCausalLM.from_pretrained("acme/tiny", output_loading_info=True)
on_disk = load_file(model_folder / "model.safetensors")
loaded = model.state_dict()
seen["unequal weights"] = sorted(set(on_disk) ^ set(loaded)) + [
    name for name, weight in on_disk.items() if not torch.equal(weight, loaded[name])
]
seen["missing keys"] = sorted(loading["missing_keys"])
seen["ownerless"] = AutoConfig.from_pretrained("ownerless").model_type

seen["plain"] = sizes("openai/gsm8k")
seen["named"] = sizes("openai/gsm8k", "main")
streamed = datasets.load_dataset("openai/gsm8k", "main", split="train", streaming=True)
seen["streamed"] = [row["question"] for row in streamed]
seen["shuffled"] = [row["question"] for row in streamed.shuffle(seed=1, buffer_size=16)]
seen["whole"] = datasets.load_dataset("openai/gsm8k", "main", split="test")["answer"][:]
seen["two main"] = sizes("acme/two", "main")
seen["two socratic"] = sizes("acme/two", "socratic")
seen["socratic answer"] = datasets.load_dataset("acme/two", "socratic", split="test")[0]["answer"]
seen["merged"] = [sizes("acme/merged", "easy"), sizes("acme/merged", "hard")]
seen["parquet"] = sizes("acme/parquet")
seen["parquet streamed"] = len(list(datasets.load_dataset("acme/parquet", split="train", streaming=True)))
seen["csv"] = sizes("acme/csv")

seen["missing name"] = failure(datasets.load_dataset, "acme/two")
seen["unknown name"] = failure(datasets.load_dataset, "acme/two", "nope")
seen["unknown set"] = failure(datasets.load_dataset, "acme/nope")
seen["unknown model"] = failure(AutoConfig.from_pretrained, "acme/nope")
seen["unknown repository"] = failure(HfApi().model_info, "acme/nope")

snapshot = Path(snapshot_download("acme/tiny"))
seen["snapshot"] = {
    path.relative_to(snapshot).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
    for path in sorted(snapshot.rglob("*"))
    if path.is_file()
}
# How the library itself sorts the files of a folder into splits: the oracle for the layout that the hub composes.
seen["splits"] = {}
for tree in sorted(trees.iterdir()):
    found = DataFilesDict.from_patterns(get_data_patterns(str(tree)), base_path=str(tree))
    seen["splits"][tree.name] = {
        str(split): sorted(Path(path).relative_to(tree).as_posix() for path in paths) for split, paths in found.items()
    }
print(json.dumps(seen))
