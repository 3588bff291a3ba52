"""Stand-ins made once, a hub that serves them, and one process with the real clients."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from greenlight.rehearse.standins import datasets, models

MODELS = (
    "Qwen/Qwen3-0.6B",
    "meta-llama/Llama-2-7b-hf",
    "gpt2",
    "t5-small",
    "bert-base-uncased",
    "distilbert-base-uncased",
    "google/vit-base-patch16-224",
    "microsoft/resnet-18",
)
DATA_SETS = (
    "openai/gsm8k",
    "nyu-mll/glue",
    "uoft-cs/cifar10",
    "rajpurkar/squad_v2",
    "stanfordnlp/imdb",
    "acme/unknown",
)
PREPROCESS = """
from datasets import load_dataset
def load(name):
    data = load_dataset("acme/unknown", split="train")
    return data.map(lambda row: {"text": row["headline"] + row["body"], "labels": row["label"]})
"""
_SERVER = """
import json, sys
from greenlight.rehearse.standins import hub
models, datasets = json.loads(sys.argv[1])
repositories = [hub.model(text) for text in models] + [hub.dataset(text) for text in datasets]
hub.serve(repositories, port=0, on_ready=lambda address: print(address, flush=True))
"""


@pytest.fixture(scope="session")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where all tests of this folder keep their stand-ins."""
    return tmp_path_factory.mktemp("standins")


@pytest.fixture(scope="session")
def hub_address(cache: Path) -> Iterator[str]:
    served = json.dumps(
        [
            [f"{name}={models.folder(name, cache)}" for name in MODELS],
            [f"{name}={datasets.folder(name, cache, PREPROCESS)}" for name in DATA_SETS],
        ]
    )
    with subprocess.Popen(
        [sys.executable, "-c", _SERVER, served], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        try:
            assert process.stdout is not None
            address = process.stdout.readline().strip()
            assert address, process.communicate()[1]
            yield address
        finally:
            process.send_signal(signal.SIGTERM)
            _, errors = process.communicate(timeout=100)
    assert "Traceback" not in errors, errors


@pytest.fixture(scope="session")
def seen(hub_address: str, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What the unmodified clients report."""
    kept = {key: value for key, value in os.environ.items() if not key.startswith(("HF_", "TRANSFORMERS_"))}
    environment = {
        **kept,
        "HF_ENDPOINT": hub_address,
        "HF_HOME": str(tmp_path_factory.mktemp("home")),
        "HF_HUB_DISABLE_PROGRESS_BARS": "1",
        "HF_UPDATE_DOWNLOAD_COUNTS": "0",
        "OMP_NUM_THREADS": "1",
    }
    client = Path(__file__).parent / "client_of_stand_ins.py"
    process = subprocess.run(
        [sys.executable, str(client)], env=environment, capture_output=True, text=True, timeout=200
    )
    assert process.returncode == 0, process.stderr
    found = json.loads(process.stdout.strip().splitlines()[-1])
    assert isinstance(found, dict)
    return found
