"""Folders to serve, a hub in a process of its own, and clients in processes of theirs."""

from __future__ import annotations

import gzip
import json
import os
import random
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pyarrow
import pyarrow.parquet
import pytest
from safetensors.numpy import save_file
from tokenizers import Tokenizer
from tokenizers.models import WordLevel
from tokenizers.pre_tokenizers import WhitespaceSplit

HERE = Path(__file__).parent
_SERVER = """
import json, sys
from pathlib import Path
from greenlight.rehearse.standins import hub
models, datasets, token = json.loads(sys.argv[1])
repositories = [hub.model(text) for text in models] + [hub.dataset(text) for text in datasets]
hub.serve(repositories, port=0, token=token, on_ready=lambda address: print(address, flush=True))
"""


def gsm8k_rows(count: int, seed: int) -> list[dict[str, str]]:
    """Word problems in the shape of GSM8K: a question, an answer with worked lines and a last line '#### n'."""
    rng = random.Random(seed)
    rows = []
    for _ in range(count):
        a, b, c = (rng.randint(2, 99) for _ in range(3))
        rows.append(
            {
                "question": f"Ann has {a} boxes with {b} pens each and finds {c} more. How many has she, “all told”?",
                "answer": f"She starts with {a}*{b}=<<{a}*{b}={a * b}>>{a * b} pens.\n"
                f"Now she has {a * b}+{c}=<<{a * b}+{c}={a * b + c}>>{a * b + c}.\n#### {a * b + c}",
            }
        )
    return rows


def write_jsonl(path: Path, rows: Sequence[dict[str, Any]]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), "utf-8")


def write_model(folder: Path, seed: int = 0) -> None:
    """A Qwen3 of two layers with random weights, written without transformers."""
    rng = np.random.default_rng(seed)
    words = ["<pad>", "<eos>", "<unk>", *(str(digit) for digit in range(10)), *"+-*/=", "####"]
    vocabulary = {word: index for index, word in enumerate(words)}
    hidden, heads, groups, head, inner = 16, 4, 2, 4, 32
    shapes = {"model.embed_tokens": (len(words), hidden), "model.norm": (hidden,), "lm_head": (len(words), hidden)}
    for layer in range(2):
        shapes |= {
            f"model.layers.{layer}.{name}": shape
            for name, shape in {
                "self_attn.q_proj": (heads * head, hidden),
                "self_attn.k_proj": (groups * head, hidden),
                "self_attn.v_proj": (groups * head, hidden),
                "self_attn.o_proj": (hidden, heads * head),
                "self_attn.q_norm": (head,),
                "self_attn.k_norm": (head,),
                "mlp.gate_proj": (inner, hidden),
                "mlp.up_proj": (inner, hidden),
                "mlp.down_proj": (hidden, inner),
                "input_layernorm": (hidden,),
                "post_attention_layernorm": (hidden,),
            }.items()
        }
    folder.mkdir(parents=True)
    weights = {f"{name}.weight": rng.standard_normal(shape).astype(np.float32) for name, shape in shapes.items()}
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
    config = {
        "architectures": ["Qwen3ForCausalLM"],
        "model_type": "qwen3",
        "dtype": "float32",
        "vocab_size": len(words),
        "hidden_size": hidden,
        "intermediate_size": inner,
        "num_hidden_layers": 2,
        "num_attention_heads": heads,
        "num_key_value_heads": groups,
        "head_dim": head,
        "tie_word_embeddings": False,
        "eos_token_id": 1,
        "pad_token_id": 0,
    }
    (folder / "config.json").write_text(json.dumps(config), "utf-8")
    tokenizer = Tokenizer(WordLevel(vocabulary, unk_token="<unk>"))
    tokenizer.pre_tokenizer = WhitespaceSplit()
    tokenizer.save(str(folder / "tokenizer.json"))
    settings = {
        "tokenizer_class": "PreTrainedTokenizerFast",
        "pad_token": "<pad>",
        "eos_token": "<eos>",
        "unk_token": "<unk>",
    }
    (folder / "tokenizer_config.json").write_text(json.dumps(settings), "utf-8")


class Running:
    """A hub that answers at `address`."""

    def __init__(self, process: subprocess.Popen[str], address: str) -> None:
        self.process = process
        self.address = address
        self.port = int(address.rpartition(":")[2])


@contextmanager
def running(models: Sequence[str], datasets: Sequence[str], token: str | None = None) -> Iterator[Running]:
    arguments = json.dumps([list(models), list(datasets), token])
    with subprocess.Popen(
        [sys.executable, "-c", _SERVER, arguments], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        try:
            assert process.stdout is not None
            address = process.stdout.readline().strip()
            assert address, process.communicate()[1]
            yield Running(process, address)
        finally:
            process.send_signal(signal.SIGTERM)
            _, errors = process.communicate(timeout=100)
    assert "Traceback" not in errors, errors


def environment(home: Path, address: str, **more: str) -> dict[str, str]:
    """What a client's shell holds: the hub, a fresh cache, and nothing of this session's Hugging Face settings."""
    kept = {key: value for key, value in os.environ.items() if not key.startswith(("HF_", "TRANSFORMERS_"))}
    return {
        **kept,
        "HF_ENDPOINT": address,
        "HF_HOME": str(home),
        "HF_UPDATE_DOWNLOAD_COUNTS": "0",
        "HF_HUB_DISABLE_PROGRESS_BARS": "1",
        "OMP_NUM_THREADS": "1",
        **more,
    }


def start_client(script: str, home: Path, address: str, *arguments: str, **more: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, str(HERE / script), *arguments],
        env=environment(home, address, **more),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def answer_of(process: subprocess.Popen[str]) -> dict[str, Any]:
    """The JSON object that a client printed as its last line."""
    output, errors = process.communicate(timeout=200)
    assert process.returncode == 0, errors
    found = json.loads(output.strip().splitlines()[-1])
    assert isinstance(found, dict)
    return found


@pytest.fixture(scope="session")
def bench() -> SimpleNamespace:
    """The functions above, since test modules cannot import one another."""
    return SimpleNamespace(
        answer_of=answer_of,
        gsm8k_rows=gsm8k_rows,
        running=running,
        start_client=start_client,
        write_jsonl=write_jsonl,
        write_model=write_model,
    )


@dataclass(frozen=True)
class World:
    """A hub with a repository of every kind, and what is behind it."""

    root: Path
    hub: Running


SECRET = "the-secret-outside"


def _models(root: Path) -> list[str]:
    tiny = root / "models" / "tiny"
    write_model(tiny)
    (tiny / "README.md").write_text(
        "---\nlicense: apache-2.0\ntags: [tiny]\n---\n# <script>alert(1)</script>\n", "utf-8"
    )
    (tiny / "<img src=x onerror=alert(2)>.json").write_text("{}", "utf-8")
    (tiny / "page.html").write_text("<script>alert(3)</script>", "utf-8")
    (tiny / "sub" / "deep").mkdir(parents=True)
    (tiny / "sub" / "deep" / "naïve #1?.txt").write_text("deep", "utf-8")
    outside = root / "outside"
    outside.mkdir()
    (outside / "secret.txt").write_text(SECRET, "utf-8")
    (tiny / ".env").write_text(SECRET, "utf-8")
    (tiny / ".git").mkdir()
    (tiny / ".git" / "config").write_text(SECRET, "utf-8")
    (tiny / "link_out.txt").symlink_to(outside / "secret.txt")
    (tiny / "link_relative.txt").symlink_to("../../outside/secret.txt")
    (tiny / "link_hidden.txt").symlink_to(".env")
    (tiny / "link_folder").symlink_to(outside)
    (tiny / "link_in.json").symlink_to("config.json")
    os.mkfifo(tiny / "pipe.json")
    write_model(root / "models" / "ownerless", seed=1)
    large = root / "models" / "large"
    large.mkdir()
    (large / "config.json").write_text("{}", "utf-8")
    (large / "weights.gguf").write_bytes(b"GGUF" + random.Random(0).randbytes(12 * 2**20))
    return [f"acme/tiny={tiny}", f"ownerless={root / 'models' / 'ownerless'}", f"acme/large={large}"]


def _datasets(root: Path) -> list[str]:
    data = root / "data"
    rows = gsm8k_rows(70, seed=0)
    write_jsonl(data / "gsm8k" / "train.jsonl", rows[:50])
    write_jsonl(data / "gsm8k" / "test.jsonl", rows[50:])
    for name, extra in (("main", ""), ("socratic", "How many pens are in the boxes? ** ")):
        told = [{**row, "answer": extra + row["answer"]} for row in rows]
        for shard in range(3):
            write_jsonl(data / "two" / name / f"train-{shard:05}-of-00003.jsonl", told[shard * 10 : shard * 10 + 10])
        write_jsonl(data / "two" / name / "test [a*].jsonl", told[30:35])
    table = pyarrow.Table.from_pylist(rows)
    (data / "parquet" / "data").mkdir(parents=True)
    for shard in range(2):
        part = table.slice(shard * 30, 30)
        pyarrow.parquet.write_table(part, data / "parquet" / "data" / f"train-{shard:05}-of-00002.parquet")
    pyarrow.parquet.write_table(table.slice(60), data / "parquet" / "data" / "validation-00000-of-00001.parquet")
    (data / "csv").mkdir()
    (data / "csv" / "train.csv").write_text("a,b\n1,x\n2,y\n", "utf-8")
    with gzip.open(data / "csv" / "dev.csv.gz", "wt", encoding="utf-8") as stream:
        stream.write("a,b\n3,z\n")
    return [
        f"openai/gsm8k={data / 'gsm8k'}",
        f"acme/two={data / 'two'}",
        f"acme/merged:easy={data / 'two' / 'main'}",
        f"acme/merged:hard={data / 'gsm8k'}",
        f"acme/parquet={data / 'parquet'}",
        f"acme/csv={data / 'csv'}",
        f"flat={data / 'gsm8k'}",
    ]


@pytest.fixture(scope="session")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    root = tmp_path_factory.mktemp("world")
    with running(_models(root), _datasets(root)) as hub:
        yield World(root, hub)
