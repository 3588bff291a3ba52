"""What unmodified clients get: transformers, datasets and huggingface_hub, each in a process of its own."""

from __future__ import annotations

import hashlib
import socket
import threading
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from safetensors.numpy import load_file

from greenlight.rehearse.standins.hub import layout

# Folders without configurations that `datasets` sorts into splits by itself: the hub must sort them alike.
TREES = {
    "flat": ["train.jsonl", "test.jsonl"],
    "validation names": ["train.csv", "dev.csv"],
    "short validation": ["train.csv", "val.csv", "eval.csv"],
    "contained": ["my_train_part.jsonl", "my-test.jsonl"],
    "sharded": [
        f"data/{shard}.jsonl" for shard in ("train-00000-of-00002", "train-00001-of-00002", "dev-00000-of-00001")
    ],
    "folders": ["train/a.jsonl", "train/b.jsonl", "test/a.jsonl"],
    "no names": ["a.jsonl", "b.jsonl"],
    "compressed": ["training.jsonl.gz", "testing.jsonl.gz"],
}


def _sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


@pytest.fixture(scope="module")
def trees(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("trees")
    for name, files in TREES.items():
        for file in files:
            path = root / name / file
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(b"{}\n")
    return root


@pytest.fixture(scope="module", autouse=True)
def full_client(
    world: Any, bench: SimpleNamespace, trees: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Any]:
    """A client whose imports take most of the time of these tests: it starts first and is read last."""
    arguments = [str(world.root / "models" / "tiny"), str(trees)]
    home = tmp_path_factory.mktemp("home")
    with bench.start_client("client_of_everything.py", home, world.hub.address, *arguments) as client:
        yield client
        client.kill()


@pytest.fixture(scope="module")
def seen(full_client: Any, bench: SimpleNamespace) -> dict[str, Any]:
    found: dict[str, Any] = bench.answer_of(full_client)
    return found


def test_huggingface_hub_lists_and_describes(world: Any, bench: SimpleNamespace, tmp_path: Path) -> None:
    tiny = world.root / "models" / "tiny"
    local = tmp_path / "local"
    steps = [
        "listing",
        "existing",
        "described",
        "tree acme/tiny",
        "tree acme/two dataset main",
        "tree acme/tiny model sub",
        "tree acme/tiny model nope",
        f"snapshot acme/large {local}",
        f"verified acme/large {local}",
        "whoami",
        "created",
        "uploaded",
        "deleted",
    ]
    client = bench.start_client("client_of_the_hub.py", tmp_path / "home", world.hub.address, *steps, HF_TOKEN="hf_any")
    seen = bench.answer_of(client)
    assert seen["listing"] == {
        "models": ["acme/large", "acme/tiny", "ownerless"],
        "datasets": ["acme/csv", "acme/merged", "acme/parquet", "acme/two", "flat", "openai/gsm8k"],
        "searched": ["openai/gsm8k"],
        "limited": 2,
        "by author": ["acme/large", "acme/tiny"],
        "by tag": ["acme/tiny"],
    }
    assert seen["existing"] == {
        "model": True,
        "ownerless": True,
        "no model": False,
        "set as model": False,
        "set": True,
        "space": False,
        "file": True,
        "no file": False,
        "revision": True,
        "no revision": False,
    }
    described = seen["described"]
    assert described["tags"] == ["tiny"]
    assert described["card"] == "apache-2.0"
    assert described["sizes"]["model.safetensors"] == (tiny / "model.safetensors").stat().st_size
    assert described["refs"] == [["main", described["sha"]]]
    assert described["commits"] == [described["sha"]]
    assert described["lfs"] == _sha256(world.root / "models" / "large" / "weights.gguf")
    weights = load_file(tiny / "model.safetensors")
    assert described["parameters"] == {"F32": sum(weight.size for weight in weights.values())}
    assert "sub/deep/naïve #1?.txt" in described["files"]
    assert ["RepoFolder", "sub"] in seen["tree acme/tiny"]
    assert ["RepoFile", "config.json"] in seen["tree acme/tiny"]
    assert all(not path.startswith("sub/") for _, path in seen["tree acme/tiny"])
    assert len(seen["tree acme/two dataset main"]) == 4
    assert seen["tree acme/tiny model sub"] == [["RepoFolder", "sub/deep"]]
    assert seen["tree acme/tiny model nope"].startswith("RemoteEntryNotFoundError")
    assert seen[f"verified acme/large {local}"] == [2, [], []]
    assert seen["whoami"] == "greenlight"
    for write in ("created", "uploaded", "deleted"):
        assert "403 Forbidden: this hub is read only" in seen[write]


def test_a_changed_file_is_a_new_commit_and_the_clients_cache_follows(bench: SimpleNamespace, tmp_path: Path) -> None:
    folder, home = tmp_path / "model", tmp_path / "home"
    folder.mkdir()
    (folder / "config.json").write_text('{"a": 1}', "utf-8")
    (folder / "other.json").write_text("{}", "utf-8")
    step = "download acme/changing config.json"
    with bench.running([f"acme/changing={folder}"], []) as hub:

        def fetch(*more: str) -> dict[str, Any]:
            client = bench.start_client("client_of_the_hub.py", home, hub.address, step, *more)
            answer: dict[str, Any] = bench.answer_of(client)
            return answer

        first = fetch()[step]
        # same length, so that only the content and the time stamp tell
        (folder / "config.json").write_text('{"a": 2}', "utf-8")
        pinned = f"download acme/changing other.json {first['commit']}"
        answer = fetch(pinned)
    second = answer[step]
    assert second["commit"] != first["commit"]
    assert second["sha256"] == hashlib.sha256(b'{"a": 2}').hexdigest() != first["sha256"]
    assert answer[pinned].startswith("RevisionNotFoundError")
    assert second["commit"] in answer[pinned]


def test_a_snapshot_in_a_hugging_face_cache_is_served_with_its_links(
    world: Any, bench: SimpleNamespace, tmp_path: Path
) -> None:
    """A cache as the client makes it: links into ../../blobs, named after the content."""
    first_home, second_home = tmp_path / "first", tmp_path / "second"
    answer = bench.answer_of(
        bench.start_client("client_of_the_hub.py", first_home, world.hub.address, "snapshot acme/large")
    )
    cached = Path(answer["snapshot acme/large"])
    assert (cached / "weights.gguf").is_symlink()
    (cached / "escape.txt").symlink_to(world.root / "outside" / "secret.txt")
    (cached / "up.txt").symlink_to("../../../../../../outside/secret.txt")
    step = f"download acme/large weights.gguf {cached.name}"
    with bench.running([f"acme/large={cached}"], []) as hub:
        client = bench.start_client("client_of_the_hub.py", second_home, hub.address, step, "tree acme/large")
        again = bench.answer_of(client)
    assert again["tree acme/large"] == [["RepoFile", "config.json"], ["RepoFile", "weights.gguf"]]
    assert again[step]["sha256"] == again[step]["etag"] == _sha256(world.root / "models" / "large" / "weights.gguf")


def test_a_token_is_asked_for_and_compared(bench: SimpleNamespace, tmp_path: Path) -> None:
    folder = tmp_path / "model"
    bench.write_model(folder)
    step = "download acme/private config.json"
    with bench.running([f"acme/private={folder}"], [], token="hf_right") as hub:
        clients = {
            token: bench.start_client(
                "client_of_the_hub.py", tmp_path / f"home-{token}", hub.address, step, "whoami", HF_TOKEN=token
            )
            for token in ("hf_right", "hf_wrong", "")
        }
        answers = {token: bench.answer_of(client) for token, client in clients.items()}
    assert answers["hf_right"][step]["sha256"] == _sha256(folder / "config.json")
    assert answers["hf_right"]["whoami"] == "greenlight"
    assert "401" in answers["hf_wrong"][step]
    assert "Invalid user token" in answers["hf_wrong"]["whoami"]
    assert "this hub asks for its token: set HF_TOKEN to it" in answers[""][step]


class _Cutting:
    """A proxy that breaks a connection once, after so many bytes, and notes the ranges that clients ask for."""

    def __init__(self, port: int, after_bytes: int) -> None:
        self._target = port
        self._left = after_bytes
        self.ranges: list[str] = []
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            server = socket.create_connection(("127.0.0.1", self._target))
            threading.Thread(target=self._upstream, args=(client, server), daemon=True).start()
            threading.Thread(target=self._downstream, args=(server, client), daemon=True).start()

    def _upstream(self, client: socket.socket, server: socket.socket) -> None:
        while data := _received(client):
            for line in data.decode("latin-1").splitlines():
                if line.lower().startswith("range:"):
                    self.ranges.append(line.partition(":")[2].strip())
            server.sendall(data)
        _shut(server)

    def _downstream(self, server: socket.socket, client: socket.socket) -> None:
        while data := _received(server):
            if 0 < self._left <= len(data):
                client.sendall(data[: self._left])
                self._left = 0
                break
            self._left = max(self._left - len(data), 0)
            client.sendall(data)
        _shut(client)

    def close(self) -> None:
        self._listener.close()


def _received(connection: socket.socket) -> bytes:
    try:
        return connection.recv(65536)
    except OSError:
        return b""


def _shut(connection: socket.socket) -> None:
    with suppress(OSError):
        connection.shutdown(socket.SHUT_RDWR)
    connection.close()


def test_a_download_that_breaks_off_is_resumed_where_it_stopped(
    world: Any, bench: SimpleNamespace, tmp_path: Path
) -> None:
    proxy = _Cutting(world.hub.port, after_bytes=11_500_000)
    step = "download acme/large weights.gguf"
    try:
        client = bench.start_client("client_of_the_hub.py", tmp_path, f"http://127.0.0.1:{proxy.port}", step)
        answer = bench.answer_of(client)
    finally:
        proxy.close()
    assert answer[step]["sha256"] == _sha256(world.root / "models" / "large" / "weights.gguf")
    # the client writes 10 MiB at a time, so that is what it had when the connection broke
    assert proxy.ranges == [f"bytes={10 * 2**20}-"]


def test_two_clients_at_once_get_the_same_whole_file(world: Any, bench: SimpleNamespace, tmp_path: Path) -> None:
    step = "download acme/large weights.gguf"
    clients = [
        bench.start_client("client_of_the_hub.py", tmp_path / str(number), world.hub.address, step)
        for number in range(2)
    ]
    first, second = (bench.answer_of(client) for client in clients)
    assert first == second
    assert first[step]["sha256"] == _sha256(world.root / "models" / "large" / "weights.gguf")


def test_transformers_loads_the_weights_bit_for_bit(seen: dict[str, Any]) -> None:
    assert seen["unequal weights"] == []
    assert seen["missing keys"] == []


def test_transformers_loads_configuration_and_tokenizer(seen: dict[str, Any]) -> None:
    assert seen["hidden_size"] == 16
    assert seen["tokens"] == [4, 13, 5, 18]


def test_an_id_without_an_owner_is_a_model_too(seen: dict[str, Any]) -> None:
    assert seen["ownerless"] == "qwen3"


def test_a_flat_well_known_set_loads_with_and_without_its_configuration_name(seen: dict[str, Any]) -> None:
    assert seen["plain"] == seen["named"] == {"train": 50, "test": 20}


def test_every_row_arrives_as_it_was_written(seen: dict[str, Any], bench: SimpleNamespace) -> None:
    rows = bench.gsm8k_rows(70, seed=0)
    assert seen["whole"] == [row["answer"] for row in rows[50:]]
    assert seen["streamed"] == [row["question"] for row in rows[:50]]


def test_streaming_with_a_shuffle_buffer_yields_every_row_once_in_another_order(seen: dict[str, Any]) -> None:
    assert sorted(seen["shuffled"]) == sorted(seen["streamed"])
    assert seen["shuffled"] != seen["streamed"]


def test_sub_folders_are_configurations_with_all_their_shards(seen: dict[str, Any]) -> None:
    assert seen["two main"] == seen["two socratic"] == {"train": 30, "test": 5}
    assert seen["socratic answer"].startswith("How many pens are in the boxes?")


def test_configurations_mapped_from_several_folders_are_one_data_set(seen: dict[str, Any]) -> None:
    assert seen["merged"] == [{"train": 30, "test": 5}, {"train": 50, "test": 20}]


def test_parquet_loads_and_streams(seen: dict[str, Any]) -> None:
    assert seen["parquet"] == {"train": 60, "validation": 10}
    assert seen["parquet streamed"] == 60


def test_csv_loads_compressed_and_plain(seen: dict[str, Any]) -> None:
    assert seen["csv"] == {"train": 2, "validation": 1}


def test_a_missing_configuration_name_is_the_clients_own_error(seen: dict[str, Any]) -> None:
    assert seen["missing name"].startswith("ValueError: Config name is missing.")
    assert "['main', 'socratic']" in seen["missing name"]
    assert "load_dataset('acme/two', 'main')" in seen["missing name"]


def test_an_unknown_configuration_name_is_the_clients_own_error(seen: dict[str, Any]) -> None:
    assert seen["unknown name"] == "ValueError: BuilderConfig 'nope' not found. Available: ['main', 'socratic']"


def test_an_unknown_id_is_the_clients_own_error(seen: dict[str, Any]) -> None:
    assert seen["unknown set"].startswith("DatasetNotFoundError: Dataset 'acme/nope' doesn't exist on the Hub")
    assert seen["unknown model"].startswith(
        "OSError: acme/nope is not a local folder and is not a valid model identifier"
    )
    assert seen["unknown repository"].startswith("RepositoryNotFoundError")
    assert "start it with --model acme/nope=FOLDER" in seen["unknown repository"]


def test_a_snapshot_holds_every_visible_file_and_nothing_else(seen: dict[str, Any], world: Any) -> None:
    folder = world.root / "models" / "tiny"
    visible = [
        "<img src=x onerror=alert(2)>.json",
        "README.md",
        "config.json",
        "link_in.json",
        "model.safetensors",
        "page.html",
        "sub/deep/naïve #1?.txt",
        "tokenizer.json",
        "tokenizer_config.json",
    ]
    assert seen["snapshot"] == {path: _sha256(folder / path) for path in visible}


def test_the_composed_layout_sorts_files_as_the_library_does(seen: dict[str, Any]) -> None:
    own = {name: layout.configuration(files) for name, files in TREES.items()}
    assert seen["splits"] == {
        name: {split: sorted(files) for split, files in splits.items()} for name, splits in own.items()
    }
